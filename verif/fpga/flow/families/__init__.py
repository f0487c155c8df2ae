"""Tests of `fpga.flow.families`: one contract for all of them, and a test of each."""
