"""Outcomes of mutants, their counts, and the score."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

__all__ = ["Outcome", "counts"]


class Outcome(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"           # a test failed
    TIMEOUT = "timeout"         # a test took several times as long: counted as killed
    EQUIVALENT = "equivalent"   # proved equal to the original
    SURVIVED = "survived"


def counts(outcomes: Iterable[str]) -> dict[str, Any]:
    """Numbers of mutants, and the share of the killed among those that are not proved equivalent; 1 without any."""
    found = Counter(outcomes)
    killed = found[Outcome.KILLED] + found[Outcome.TIMEOUT]
    different = found.total() - found[Outcome.EQUIVALENT]
    return {"mutants": found.total(), "equivalent": found[Outcome.EQUIVALENT], "killed": killed,
            "timeouts": found[Outcome.TIMEOUT], "survived": found[Outcome.SURVIVED],
            "score": round(killed / different, 4) if different else 1.0}
