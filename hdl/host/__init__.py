"""The host's side: the bus, the bridge from a line to it, the write-list DMA, AXI and Wishbone wrappers."""
