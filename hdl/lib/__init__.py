"""Common parts of the units: memories, delays, emission to Verilog, shared modules, FPGA families."""
