"""Tests of `hdl.control`."""
