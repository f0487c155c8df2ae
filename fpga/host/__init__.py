"""The host: the link, the device driver, program files, and virtual boards."""
