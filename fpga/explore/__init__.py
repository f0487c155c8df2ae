"""Exploration: the best array for a network on a board."""
