"""Popcount structures, one a file, and the registry that chooses a structure for a platform."""
