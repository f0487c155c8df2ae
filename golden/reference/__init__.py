"""The reference models: the encoding, the golden twin of each unit, the interpreter of programs."""
