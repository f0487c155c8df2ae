"""Line and toggle coverage of the hardware by Verilator, told as lines of the sources in `hdl`."""
