"""Tests of `golden.training`."""
