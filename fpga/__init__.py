"""Boards, the build from Verilog to a bitstream, and the link to a host."""
