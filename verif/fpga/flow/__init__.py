"""Tests of `fpga.flow`."""
