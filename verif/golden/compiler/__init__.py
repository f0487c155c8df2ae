"""Tests of `golden.compiler`."""
