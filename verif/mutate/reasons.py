"""Why mutants survive: by unit and change, of those that a run has drawn."""

from collections.abc import Mapping

__all__ = ["NONE", "REASONS", "reason_of"]

NONE = "none was found"

BEGUN = "the value of a register in a reset, which the first `restart` replaces before it has an effect"

REASONS: Mapping[tuple[str, str], str] = {
    ("loop", "-mode const1 -module unit -cell $ternary$design.v:84$24 -port B -portbit 0"): BEGUN,
    ("loop", "-mode const1 -module unit -cell $ternary$design.v:88$28 -port B -portbit 0"): BEGUN,
}


def reason_of(unit: str, change: str) -> str:
    """The reason why a mutant survives, or that none was found."""
    return REASONS.get((unit, change), NONE)
