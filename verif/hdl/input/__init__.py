"""Tests of `hdl.input`."""
