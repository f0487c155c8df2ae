"""Why lines stay uncovered, each with the reason that was found by hand."""

from collections.abc import Mapping

__all__ = ["NONE", "reason_of"]

NONE = "not known"

REASONS: Mapping[tuple[str, str], str] = {}
"""By file and source text."""


def reason_of(file: str, source: str) -> str:
    """The reason, or `NONE`."""
    return REASONS.get((file, source), NONE)
