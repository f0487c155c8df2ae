"""How large an array will be on a family, without synthesizing it: LUTs from a few small arrays, and block RAMs.

Whole accelerators with their host link are mapped for a few small sizes, and the processing element by itself. What
stands around the elements grows with the rows, the columns and their words; the shares are the non-negative least
squares over the small arrays.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring
from scipy.optimize import nnls

from signum.golden.reference.encoding import words_per
from signum.hdl.array.pe import ProcessingElement
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa
from signum.hdl.host.bus import DATA_BITS
from signum.hdl.lib.emit import Target, run_yosys, to_rtlil
from signum.hdl.lib.memory import FEW

from .board_top import BoardTop
from .build import AFTER_READ, AFTER_SYNTHESIS
from .families import FAMILIES
from .families.family import Family
from .lines.serial_line import SerialPort
from .report import cells

__all__ = ["AreaModel", "board_cells", "element_cells", "fit_area", "mapped", "memories", "memory_blocks",
           "ram_blocks"]

SHAPES = ((1, 2, 8, 1), (3, 2, 8, 1), (1, 8, 8, 1), (1, 2, 32, 1), (3, 2, 32, 1), (2, 4, 8, 2), (2, 8, 8, 4))
"""Rows, columns, lanes and drain width of the arrays that are mapped."""

CLOCK = 50e6        # of the host link, whose size hardly depends on it
BAUD = 1_000_000


def mapped(unit: wiring.Component, config: ArrayConfig, family: Family, folder: Path, *,
           default: bool = False, portable: bool = False) -> dict[str, int]:
    """Counts of `fpga.flow.report.cells` for a component; its flat netlist is left as ``unit.json`` in the folder.

    Equal modules are mapped once, and nothing is optimised from one into the next.

    Parameters
    ----------
    unit : Component
    config : ArrayConfig
        Of the unit.
    family : Family
    folder : Path
        For the files of the tools.
    default : bool
        With the flow's default flags, and flattened before it is mapped.
    portable : bool
        Without units that are made of the family's cells.
    """
    (folder / "unit.il").write_text(to_rtlil(unit, "unit", None if portable else Target(family.name))[0])
    command = (f"{family.command} -top unit" if default
               else f"{family.mapping(config, portable=portable)}\n{family.synthesis} -noflatten -top unit")
    run_yosys(f"read_rtlil unit.il\n{AFTER_READ}\n{command}\n{AFTER_SYNTHESIS}\nflatten\nopt_clean\n"
              "tee -q -o stat.json stat -json\nwrite_json unit.json\n", folder)
    return cells(json.loads((folder / "stat.json").read_text()), family)


def _size(unit: wiring.Component, config: ArrayConfig, family: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return mapped(unit, config, FAMILIES[family], Path(folder))["lut4_equivalents"]


def board_cells(config: Mapping[str, Any], family: str) -> int:
    """LUT4 equivalents of a whole accelerator with its host link."""
    array = ArrayConfig.from_dict(dict(config))
    return _size(BoardTop(config=array, clock=CLOCK, line=SerialPort(BAUD).unit(CLOCK)), array, family)


def element_cells(config: Mapping[str, Any], family: str) -> int:
    """LUT4 equivalents of one processing element."""
    array = ArrayConfig.from_dict(dict(config))
    return _size(ProcessingElement(config=array), array, family)


def _parts(config: ArrayConfig) -> list[int]:
    """Terms of the area around the elements: a constant, a row, a sum of a row, a lane of a row, and so on."""
    return [1, config.rows, config.rows * config.drain_width, config.rows * config.lanes, config.cols, config.lanes,
            config.rows * config.cols]


@dataclass(frozen=True)
class AreaModel:
    """LUT4 equivalents of whole accelerators on one family.

    Parameters
    ----------
    shares : tuple of float
        LUTs for each of the parts around the elements.
    elements : mapping of (int, int) to int
        LUTs of an element, by lanes and pipeline.
    """

    shares: tuple[float, ...]
    elements: Mapping[tuple[int, int], int]

    def __call__(self, config: ArrayConfig) -> int:
        around = float(np.dot(self.shares, _parts(config)))
        return round(around) + config.rows * config.cols * self.elements[config.lanes, config.pipeline]


Measure = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[int]]


def fit_area(base: ArrayConfig, kinds: Sequence[tuple[int, int]], family: str, measure: Measure) -> AreaModel:
    """Fit the model.

    Parameters
    ----------
    base : ArrayConfig
        Widths and depths that the arrays have in common.
    kinds : sequence of (int, int)
        Lanes and pipeline of the elements that will be asked for.
    family : str
    measure : callable
        Calls a function with each of several tuples of arguments, and gives the results in order.
    """
    small = [base.replace(rows=rows, cols=cols, lanes=lanes, drain_width=width, pipeline=0, tile=max(rows, cols))
             for rows, cols, lanes, width in SHAPES]
    wanted = sorted({*kinds, *((config.lanes, 0) for config in small)})
    ones = [base.replace(rows=1, cols=1, drain_width=1, tile=1, lanes=lanes, pipeline=pipeline)
            for lanes, pipeline in wanted]
    sizes = measure(element_cells, [(config.to_dict(), family) for config in ones])
    elements = dict(zip(wanted, sizes, strict=True))
    whole = measure(board_cells, [(config.to_dict(), family) for config in small])
    around = [total - config.rows * config.cols * elements[config.lanes, 0]
              for config, total in zip(small, whole, strict=True)]
    shares, _ = nnls(np.array([_parts(config) for config in small], dtype=float), np.array(around, dtype=float))
    return AreaModel(tuple(float(share) for share in shares), elements)


def memories(config: ArrayConfig) -> list[tuple[int, int, int]]:
    """All memories of an accelerator: how many, their words, and the bits of a word."""
    units = config.rows * config.drain_width
    banks = [
        (1, config.program_depth, Isa(config).word_bits),
        (config.cols, config.weight_depth, config.word_bits),
        (config.rows, config.activation_depth, config.word_bits),
        (units, config.raw_depth or config.threshold_depth, config.sum_bits),
        (config.drain_width, config.shared_thresholds, config.sum_bits),
        (config.drain_width, config.requantize_depth, config.scale_bits),
        (config.drain_width, config.requantize_depth, config.offset_bits),
    ]
    slices = [(count * whole, depth, bits + config.parity) for count, depth, width in banks
              for whole, bits in ((width // DATA_BITS, DATA_BITS), (min(1, width % DATA_BITS), width % DATA_BITS))]
    return [entry for entry in (*slices, (units, config.beats, config.sum_bits)) if all(entry)]


def memory_blocks(depth: int, bits: int, family: Family) -> int:
    """Block RAMs of a memory, in the shape of which it takes the fewest."""
    return min(words_per(depth, words) * words_per(bits, width) for words, width in family.ram_shapes)


def ram_blocks(config: ArrayConfig, family: Family) -> int:
    """Block RAMs of an accelerator, each memory in the shape of block that takes the fewest."""
    return sum(count * memory_blocks(depth, bits, family) for count, depth, bits in memories(config) if depth > 1
               and (depth * bits > family.lut_memory_bits or (config.memory_registers and depth > FEW)))
