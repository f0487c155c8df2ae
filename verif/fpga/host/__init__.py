"""Tests of `fpga.host`."""
