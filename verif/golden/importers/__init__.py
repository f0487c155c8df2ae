"""Tests of `golden.importers`."""
