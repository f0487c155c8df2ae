"""Tests of `hdl.host`."""
