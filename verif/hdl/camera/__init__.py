"""Tests of `hdl.camera`."""
