"""Tests of `hdl.array`."""
