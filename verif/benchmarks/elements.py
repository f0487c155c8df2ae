"""The area of elements of 1 bit and of 8 bits, and of the parts of a requantization.

`make bench-elements`. Cells as in `signum.verif.benchmarks.area`: logic cells after packing on iCE40, LUT4s with
2 for a CCU2C on ECP5. Accumulators hold dot products of up to 4,095 taps, and an element has one register stage.
Products of 8 bits are Booth multipliers made of LUTs; no multiplier block is used. The parts of a requantization are
the LUT4s of `signum.verif.bench.cell_counts`, before packing.
"""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.flow.families.family import BoardFamily
from signum.fpga.flow.families.ice40 import ICE40
from signum.fpga.flow.report import cells
from signum.hdl.array.pe import ProcessingElement
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import run_yosys, to_rtlil
from signum.verif.bench.cell_counts import PREPARE, requantize_lut4, shifter_lut4
from signum.verif.benchmarks.area import packed, size
from signum.verif.benchmarks.record import Row, save, versions

__all__ = ["ELEMENTS", "element_cells", "element_config", "element_rows", "measure", "part_rows"]

ELEMENTS = ((1, 8), (1, 32), (1, 64), (8, 1), (8, 4), (8, 8))
"""Bits of an element and lanes: words of 8, 32 and 64 bits."""
TAPS = 4095
FLOWS = (ICE40, replace(ECP5, synthesis=f"{ECP5.synthesis} -nodsp"))


def element_config(element_bits: int, lanes: int) -> ArrayConfig:
    """An array of one element with the accumulator of dot products of `TAPS` taps."""
    widest = ArrayConfig(rows=1, cols=1, lanes=lanes, element_bits=element_bits, acc_bits=32, sum_bits=32)
    return widest.replace(acc_bits=widest.dot_bits(TAPS), pipeline=1)


def element_cells(config: ArrayConfig, family: BoardFamily) -> int:
    """Cells of one portable processing element, without ECP5's carry cells."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        element = ProcessingElement(config=config)
        if not config.signed:
            return size(element, config, family, folder, portable=True)
        (folder / "unit.il").write_text(to_rtlil(element, "unit", None)[0])
        run_yosys(f"read_rtlil unit.il\n{PREPARE}\n{family.mapping(config, portable=True)}\n{family.synthesis} "
                  "-top unit\ntee -q -o stat.json stat -json\nwrite_json unit.json\n", folder)
        counts = cells(json.loads((folder / "stat.json").read_text()), family)
        return packed(family, folder) if family.name == ICE40.name else counts["lut4_equivalents"]


def element_rows(elements: Iterable[tuple[int, int]] = ELEMENTS) -> Iterable[Row]:
    """A row for each element: its bits, lanes, bits of a word and of the accumulator, and the cells by family."""
    for element_bits, lanes in elements:
        config = element_config(element_bits, lanes)
        yield {"unit": "element", "element_bits": element_bits, "lanes": lanes, "word_bits": config.word_bits,
               "acc_bits": config.acc_bits, **{family.name: element_cells(config, family) for family in FLOWS}}


def part_rows() -> list[Row]:
    """LUT4s of a row's clip with a constant shift and with a field, and of a requantization with and without
    multiplier blocks."""
    config = ArrayConfig(rows=1, cols=1, lanes=8)
    rows: list[Row] = []
    for unit, found in (("clip", shifter_lut4(config)), ("requantization", requantize_lut4(config))):
        for way in found[ICE40.name]:
            rows.append({"unit": unit, "way": way, **{family.name: found[family.name][way] for family in FLOWS}})
    return rows


def measure(console: Console) -> Path:
    """Write ``elements.json``."""
    rows = []
    for row in [*element_rows(), *part_rows()]:
        rows.append(row)
        console.print(", ".join(f"{name} {value}" for name, value in row.items()), highlight=False)
    return save("elements", rows, versions("yosys", ICE40.place))
