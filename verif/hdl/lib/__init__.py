"""Tests of `hdl.lib`."""
