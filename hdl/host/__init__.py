"""The host's side: the bus, the serial bridge, the write-list DMA, AXI and Wishbone wrappers."""
