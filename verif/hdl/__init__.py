"""Tests of `hdl`."""
