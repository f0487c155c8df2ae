"""Tests of `golden.networks`."""
