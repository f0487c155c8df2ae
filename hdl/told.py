"""Values in messages: one line of bounded length, whatever a file or a command line holds."""

from typing import Any

__all__ = ["line_of", "told"]

LONGEST = 80
LONGEST_LINE = 300


def told(value: Any) -> str:
    """A value as `repr` shows it, cut where it is long; of an integer of thousands of digits its bits."""
    if isinstance(value, int) and value.bit_length() > 4 * LONGEST:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):        # integers of thousands of digits, lists in lists in lists
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def line_of(error: BaseException, most: int = LONGEST_LINE) -> str:
    """The text of another library's error as one line, or its class where it has none."""
    text = " ".join(str(error).split())
    return (text if len(text) <= most else f"{text[:most]}...") or type(error).__name__
