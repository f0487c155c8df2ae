"""Common parts of units: memories, delays, emission to Verilog, shared modules, FPGA families."""
