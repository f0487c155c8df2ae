"""Why mutants survive: by unit and change, of those that a run has drawn."""

from collections.abc import Mapping

__all__ = ["REASONS", "reason_of"]

NONE = "none was found"

REASONS: Mapping[tuple[str, str], str] = {
}


def reason_of(unit: str, change: str) -> str:
    """The reason why a mutant survives, or that none was found."""
    return REASONS.get((unit, change), NONE)
