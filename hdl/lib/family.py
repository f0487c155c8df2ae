"""The platform that units are made for: its family of FPGAs, how its cells shape them, and its choice of structures."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CELLS", "Cells", "cells_of", "family_of", "popcount_of"]


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The respects in which units of a family differ from portable ones, beside the structures of `hdl.array.popcount`.

    Parameters
    ----------
    library : str
        The command that tells Yosys of the cells that units instantiate; empty where they instantiate none.
    sums_early : bool
        Elements take a finished sum from the adder (`hdl.array.pe.takes_sums_early`).
    """

    library: str = ""
    sums_early: bool = False


CELLS: Mapping[str, Cells] = {
    "ecp5": Cells(library="read_verilog -lib +/ecp5/cells_sim.v"),
    "gowin": Cells(sums_early=True),
}
"""The families whose units differ from the portable ones, by name."""


def family_of(platform: object) -> str:
    """The family in lower case, from `hdl.lib.emit.Target` or a platform of Amaranth, or "" for a platform without one.

    Amaranth's Gowin platforms name the series of the device: each series is "gowin".
    """
    name = str(getattr(platform, "family", "")).lower()
    return "gowin" if name.startswith("gw") else name


def popcount_of(platform: object) -> str:
    """The structure of `hdl.array.popcount` that the platform names, or "" where the choice is ours."""
    return str(getattr(platform, "popcount", ""))


def cells_of(platform: object) -> Cells:
    """The cells of a platform's family, or those of portable units."""
    return CELLS.get(family_of(platform), Cells())
