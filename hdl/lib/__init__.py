"""What units share: memories, delays, emission to Verilog, shared modules, FPGA families."""
