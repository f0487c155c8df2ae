"""Tests of `fpga.explore`."""
