"""From a configuration to a bitstream: boards, families, PLLs, tools, build and reports."""
