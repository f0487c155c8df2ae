"""The area of processing elements, rows, arrays and accelerators, on every family.

`make bench-area`. Cells are LUT4s, with 2 for a CCU2C of ECP5 and 1 for an ALU of Gowin; on iCE40 the logic cells after
packing. Element, row and array are mapped with the registers that forward their words; an accelerator is the whole
design behind the bus. Equal modules are mapped once, without optimisation across modules. On ECP5 the
popcount is built from carry cells (`hdl.array.popcount.carry`), and the portable popcount is measured for comparison.
The baseline is an element of three lines, with each flow's default flags. The accelerator is also measured with parity
in its memories, at one width.
"""

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from rich.console import Console
from rich.table import Table

from signum.fpga.flow.estimate import mapped
from signum.fpga.flow.families import BOARD_FAMILIES
from signum.fpga.flow.families.family import BoardFamily
from signum.fpga.flow.tools import run_tool
from signum.hdl.accelerator import Accelerator
from signum.hdl.array.array import Array
from signum.hdl.array.pe import ProcessingElement
from signum.hdl.array.popcount.registry import structure_of
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import Target
from signum.verif.benchmarks.record import BUILD, Row, save, versions

__all__ = ["LANES", "UNITS", "PlainElement", "measure", "packed", "rows", "units_of"]

LANES = 16, 32, 64, 128
SHAPES = {"pe": (1, 1), "row": (1, 16), "array": (8, 8), "accelerator": (4, 16), "accelerator_parity": (4, 16)}
UNITS = tuple(SHAPES)
PACKED = 64, ("pe", "array")
"""Lanes and units to pack as well, on families whose areas are Yosys's cells."""
PARITY_LANES = 32
"""Lanes of the accelerator whose memories have parity."""


class PlainElement(ProcessingElement):
    """The straightforward processing element: the sum of the XNORs, without a register before the accumulator."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        acc = Signal(self.config.acc_bits, reset_less=True)
        count = sum(~(self.a ^ self.w)[lane] for lane in range(self.config.lanes))
        m.d.sync += [
            acc.eq(Mux(self.first, count, acc + count)),
            self.result.eq(Mux(self.load, acc, self.neighbour)),
        ]
        return m


def config_of(unit: str, lanes: int) -> ArrayConfig:
    """The array of a measured unit: dot products of up to 4095 taps, tiles of 8, binary layers."""
    shape_rows, cols = SHAPES[unit]
    return ArrayConfig(rows=shape_rows, cols=cols, lanes=lanes, tile=8, pipeline=1, acc_bits=12, zero_padding=0,
                       requantize_depth=0, parity=int(unit == "accelerator_parity"))


def units_of(units: Iterable[str], lanes: int) -> list[str]:
    """Those units that are measured with so many lanes."""
    return [unit for unit in units if unit != "accelerator_parity" or lanes == PARITY_LANES]


def component(unit: str, lanes: int) -> wiring.Component:
    kinds = {"pe": ProcessingElement, "accelerator": Accelerator, "accelerator_parity": Accelerator}
    return kinds.get(unit, Array)(config=config_of(unit, lanes))


def packed(family: BoardFamily, folder: Path) -> int:
    """Logic cells of ``unit.json`` in a folder after packing by nextpnr, with the family's savings, and without the
    additions of its repairs for the router."""
    netlist = json.loads((folder / "unit.json").read_text())
    if family.save(netlist):
        (folder / "unit.json").write_text(json.dumps(netlist))
    words = run_tool(family.place, [*family.pack_only, "--json", "unit.json", "--pack-only"], folder)
    found = re.search(rf"{family.resources['lut'][0]}:\s+(\d+)", "\n".join(words))
    assert found, f"{family.place} must tell how many cells it uses"
    return int(found[1])


def size(unit: wiring.Component, config: ArrayConfig, family: BoardFamily, folder: Path, *, default: bool = False,
         portable: bool = False) -> int:
    counts = mapped(unit, config, family, folder, default=default, portable=portable)
    return packed(family, folder) if family.counts_packed else counts["lut4_equivalents"]


def popcounts(family: BoardFamily, unit: str) -> tuple[str, ...]:
    """The popcounts of a unit to measure, the build's first."""
    if not structure_of(Target(family.name), config_of(unit, PACKED[0])).families:
        return ("portable",)
    return ("mapped", "portable") if unit in PACKED[1] else ("mapped",)


def rows(families: Iterable[BoardFamily], units: Iterable[str], lanes: Iterable[int]) -> Iterable[Row]:
    """Measure, a row of the table at a time."""
    for family in families:
        for count in lanes:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                plain = config_of("pe", count)
                baseline = size(PlainElement(config=plain), plain, family, folder, default=True)
                for unit, popcount in [(name, kind) for name in units_of(units, count)
                                       for kind in popcounts(family, name)]:
                    of_build = popcount == popcounts(family, unit)[0]
                    total = size(component(unit, count), config_of(unit, count), family, folder,
                                 portable=not of_build)
                    binops = config_of(unit, count).binops_per_cycle
                    row: Row = {"family": family.name, "unit": unit, "popcount": popcount, "lanes": count,
                                "binops_per_cycle": binops, "cells": total, "cells_per_binop": round(total / binops, 3),
                                "baseline_cells_per_binop": round(baseline / count, 3)}
                    if family.pack_only and not family.counts_packed and count == PACKED[0] and unit in PACKED[1]:
                        row["packed_cells_per_binop"] = round(packed(family, folder) / binops, 3)
                    yield row


def measure(console: Console) -> Path:
    """Measure everything into build/bench/area.json, and show it."""
    BUILD.mkdir(parents=True, exist_ok=True)
    found = []
    table = Table("family", "unit", "popcount", "lanes", "cells", "cells a binary operation", "plain element")
    for row in rows(BOARD_FAMILIES.values(), UNITS, LANES):
        found.append(row)
        console.print(f"{row['family']} {row['unit']} ({row['popcount']}), {row['lanes']} lanes: {row['cells']} cells",
                      highlight=False)
        table.add_row(row["family"], row["unit"], row["popcount"], str(row["lanes"]), str(row["cells"]),
                      f"{row['cells_per_binop']:.2f}", f"{row['baseline_cells_per_binop']:.2f}")
    console.print(table)
    tools = versions("yosys", *(family.place for family in BOARD_FAMILIES.values() if family.pack_only))
    return save("area", found, tools, shapes={unit: list(shape) for unit, shape in SHAPES.items()})
