"""Tests of the popcount structures."""
