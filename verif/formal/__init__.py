"""Formal proofs of the units: each with a mutant of its unit that it refutes."""
