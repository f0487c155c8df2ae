"""Structures that count the equal bits of two words, one a file; the registry chooses one for a platform."""
