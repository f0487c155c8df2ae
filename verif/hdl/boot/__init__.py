"""Tests of `hdl.boot`."""
