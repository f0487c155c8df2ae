"""Boot from flash: program and weights without a host."""
