"""Mutation analysis: which small changes of the hardware and of the sources the tests find."""
