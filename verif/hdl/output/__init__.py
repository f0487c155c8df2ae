"""Tests of `hdl.output`."""
