"""The host: transports, the link, the device drivers, and virtual boards."""
