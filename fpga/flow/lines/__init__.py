"""The lines of boards to a host: serial, USB, Ethernet."""
