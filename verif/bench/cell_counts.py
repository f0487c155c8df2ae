"""Sizes by Yosys: the cost of each choice of the architecture, as data."""

import json
import tempfile
from pathlib import Path

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.fpga.flow.families import FAMILIES
from signum.fpga.flow.report import cells
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import run_yosys, to_verilog
from signum.hdl.output.requantize import Requantize

__all__ = ["FLOWS", "PREPARE", "Clip", "lut4", "requantize_lut4", "shifter_lut4"]

# Booth multipliers, the smallest of Yosys in LUTs
PREPARE = "hierarchy -top unit\nproc\nflatten\nopt\nwreduce\nbooth"
FLOWS = {
    "ice40": "scratchpad -set abc9.script +&if,-a,-K,4\nsynth_ice40 -top unit -device u -abc9",
    "ecp5": "synth_lattice -family ecp5 -top unit -nowidelut",
}
BLOCKS = {"ice40": (" -dsp", ""), "ecp5": ("", " -nodsp")}      # options with multiplier blocks, and without


class Clip(wiring.Component):
    """The end of a requantization: a sum, shifted and clipped to four bits.

    Parameters
    ----------
    config : ArrayConfig
    field : bool
        The shift is an input (a field of the layer), not a constant of the array.

    Members
    -------
    sum : In, in two's complement
    shift : In(5)
        From 0 to ``config.requantize_shift``.
    level : Out(4)
    """

    def __init__(self, *, config: ArrayConfig, field: bool) -> None:
        self.config = config
        self.field = field
        super().__init__({"sum": In(config.offset_bits), "shift": In(config.requantize_shift.bit_length()),
                          "level": Out(4)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        scaled = Signal.like(self.sum.as_signed())
        m.d.comb += scaled.eq(self.sum.as_signed() >> (self.shift if self.field else self.config.requantize_shift))
        within = (scaled[3:] == 0) | scaled[3:].all()
        m.d.comb += self.level.eq(Mux(within, Cat(scaled[:3], ~scaled[-1]), Mux(scaled[-1], 0, 15)))
        return m


def lut4(unit: wiring.Component, family: str, *, blocks: bool = False) -> int:
    """LUT4s of a unit for a family of `FLOWS`, with multiplier blocks or without.

    A carry cell of ECP5 counts as two LUT4s.
    """
    flow = FLOWS[family] + BLOCKS[family][not blocks]
    prepare = "" if blocks else PREPARE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "unit.v").write_text(to_verilog(unit, "unit")[0])
        run_yosys(f"read_verilog unit.v\n{prepare}\n{flow}\ntee -q -o stat.json stat -json\n", path)
        return cells(json.loads((path / "stat.json").read_text()), FAMILIES[family])["lut4_equivalents"]


def shifter_lut4(config: ArrayConfig) -> dict[str, dict[str, int]]:
    """LUT4s of a row's `Clip` by family, with a "constant" shift and with a "field" of the program."""
    return {family: {name: lut4(Clip(config=config, field=field), family)
                     for name, field in (("constant", False), ("field", True))} for family in FLOWS}


def requantize_lut4(config: ArrayConfig) -> dict[str, dict[str, int]]:
    """LUT4s of a row's requantization by family, "with" multiplier blocks and "without"."""
    return {family: {name: lut4(Requantize(config=config), family, blocks=blocks)
                     for name, blocks in (("with", True), ("without", False))} for family in FLOWS}
