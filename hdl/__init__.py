"""The hardware: a binary systolic array of any size, described in Amaranth."""
