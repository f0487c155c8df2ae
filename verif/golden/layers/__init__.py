"""Tests of `golden.layers`."""
