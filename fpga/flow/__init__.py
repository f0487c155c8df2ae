"""From a configuration to a bitstream: boards, families, lines, tools, build, flash and reports; program files."""
