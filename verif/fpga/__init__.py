"""Tests of `fpga`."""
