"""The platform of a unit: its FPGA family, the cells of the family, and its choice of a popcount structure."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CELLS", "Cells", "cells_of", "family_of", "popcount_of"]


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Differences of a family's units from portable units, besides the structures of `hdl.array.popcount`.

    Parameters
    ----------
    library : str
        Yosys command that reads the cells that units instantiate; empty without cells.
    sums_early : bool
        Elements take a finished sum from the adder (`hdl.array.pe.takes_sums_early`).
    """

    library: str = ""
    sums_early: bool = False


CELLS: Mapping[str, Cells] = {
    "ecp5": Cells(library="read_verilog -lib +/ecp5/cells_sim.v"),
    "gowin": Cells(sums_early=True),
}
"""The families whose units differ from portable units, by name."""


def family_of(platform: object) -> str:
    """The family in lower case, from `hdl.lib.emit.Target` or a platform of Amaranth, or "" for a platform without one.

    Amaranth's Gowin platforms name the series of the device: each series is "gowin".
    """
    name = str(getattr(platform, "family", "")).lower()
    return "gowin" if name.startswith("gw") else name


def popcount_of(platform: object) -> str:
    """The structure of `hdl.array.popcount` named by the platform, or "" for the preferred structure."""
    return str(getattr(platform, "popcount", ""))


def cells_of(platform: object) -> Cells:
    """The cells of a platform's family, or of portable units."""
    return CELLS.get(family_of(platform), Cells())
