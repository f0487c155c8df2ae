"""The control: the program format, the sequencer, and the units that count pixels and addresses."""
