"""Tests of `golden.reference`."""
