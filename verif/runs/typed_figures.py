"""Typed figures with a unit, each with the reason why it is in no record."""

from collections.abc import Mapping

__all__ = ["TYPED"]

WALL = "wall time, to plan with; it depends on the machine"
ONCE = "measured once for a decision; no command builds the rejected design"
GOAL = "a goal, not a measurement"
PACKED = "packed once, for a design that was not placed"
BOUND = "a constant of the code, not a measurement"
ASSERTED = "asserted by the test that the paragraph names, with networks that are not part of this repository"

TYPED: Mapping[str, Mapping[str, str]] = {
    "README.md": {
        "about two minutes on two cores": WALL,
    },
    "architecture.md": {
        "700 logic cells of comparators": ONCE,
        "after 5.8 ns on ECP5": ONCE,
        "faster than 82 MHz": ONCE,
        "to 3 to 4 ns": ONCE,
        "70,500 tiles of wire": ONCE,
        "9,157 cells in all instead of 9,027": ONCE,
        "take 3 % fewer cells": ONCE,
        "instead of 159 cells": ONCE,
        "instead of 2.77 logic cells": ONCE,
    },
    "board.md": {
        "from its 64 bytes to its class": BOUND,
        "takes 65 cycles of the clock": BOUND,
        "20,000 images of CNV a second": GOAL,
        "would take 92.2 MHz": GOAL,
        "expects 80 to 91 MHz": ONCE,
        "14.9 of 17.8 ns": ONCE,
        "take half an hour with a native": WALL,
        "packs into 5,102 of the 5,280 logic cells": PACKED,
        "a quarter of an hour on a busy machine": WALL,
    },
    "boards.md": {
        "in 3, 8, 20 and 30 minutes": WALL,
    },
    "explore.md": {
        "more than 80 % of the LUTs": BOUND,
        "(iCE40: 70 %)": BOUND,
        "up to 1.08 times Yosys's (iCE40: 1.27)": ONCE,
        "the estimate to 15 %": BOUND,
    },
    "import.md": {
        "in 1,000 images each (the tests take 100 of CNV": ASSERTED,
        "in 1,000 images each, and run in RTL": ASSERTED,
    },
    "verification.md": {
        "ten seconds at most": BOUND,
        "fails below 98 % of the lines": BOUND,
    },
}
"""By page: the words around each figure in the prose."""
