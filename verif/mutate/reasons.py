"""Why mutants survive: by unit and change, of those that a run has drawn."""

from collections.abc import Mapping

__all__ = ["NONE", "REASONS", "reason_of"]

NONE = "none was found"

BEGUN = "the value of a register in a reset, which the first `restart` replaces before it has an effect"

EQUAL = ("words equal in 32 lanes or more are too rare at random; since the record `test_pe.py` draws them, and the "
         "mutant was not judged again")
DECIDES = ("numbers of which this bit decides the comparison are too rare at random; since the record "
           "`test_numbers_that_differ_in_few_bits` draws them, and the mutant was not judged again")

REASONS: Mapping[tuple[str, str], str] = {
    ("loop", "-mode const1 -module unit -cell $ternary$design.v:84$24 -port B -portbit 0"): BEGUN,
    ("loop", "-mode const1 -module unit -cell $ternary$design.v:88$28 -port B -portbit 0"): BEGUN,
    ("tree", "-mode const0 -module unit -cell $procdff$136 -port D -portbit 5"): EQUAL,
    ("pool", "-mode inv -module unit -cell $gt$design.v:34$10 -port A -portbit 0"): DECIDES,
    ("pool", "-mode cnot1 -module unit -cell $gt$design.v:27$2 -port A -portbit 1 -ctrlbit 4"): DECIDES,
    ("pool", "-mode cnot1 -module unit -cell $gt$design.v:29$4 -port B -portbit 2 -ctrlbit 7"): DECIDES,
    ("pool", "-mode cnot1 -module unit -cell $gt$design.v:35$10 -port B -portbit 3 -ctrlbit 1"): DECIDES,
    ("pool", "-mode inv -module unit -cell $gt$design.v:29$4 -port B -portbit 2"): DECIDES,
}


def reason_of(unit: str, change: str) -> str:
    """The reason why a mutant survives, or that none was found."""
    return REASONS.get((unit, change), NONE)
