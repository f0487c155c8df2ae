"""iCE40 of Lattice: its record, its PLL, its clocks, and the netlist that nextpnr can route.

The PLL is that of Lattice FPGA-TN-02052 (iCE40 sysCLOCK PLL).
"""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from amaranth.build import Platform
from amaranth.hdl import ClockSignal, Const, Instance, IOValue, Module, Signal, Value

from signum.fpga.flow.tools import BuildError, run_tool

from .clock import Clock
from .family import NAME, BoardFamily, Chip, Device
from .pll import PLL, Parameters

__all__ = ["ICE40", "ICE40PLL", "ICE40Clock", "ICE40CoreClock", "begin_chains", "part_doubled_inputs",
           "register_carries"]

# FILTER_RANGE for a phase detector below so many MHz
FILTERS = (17, 1), (26, 2), (44, 3), (66, 4), (101, 5), (134, 6)

Cell = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ICE40PLL(PLL):
    """An SB_PLL40 with simple feedback: ``output = reference * (divf + 1) / (divr + 1) / 2**divq``."""

    REFERENCE = 10e6, 133e6
    DETECTOR = 10e6, 133e6
    VCO = 533e6, 1066e6
    OUTPUT = 16e6, 275e6

    divr: int
    divf: int
    divq: int

    @property
    def detector(self) -> float:
        return self.reference / (self.divr + 1)

    @property
    def vco(self) -> float:
        return self.detector * (self.divf + 1)

    @property
    def frequency(self) -> float:
        return self.vco / 2**self.divq

    @property
    def filter_range(self) -> int:
        return next(value for limit, value in FILTERS if self.detector < limit * 1e6)

    @classmethod
    def choices(cls, reference: int, wanted: float) -> Sequence[Self]:
        return [cls(reference=reference, divr=divr, divf=divf, divq=divq)
                for divr in range(16) for divq in range(1, 7) for divf in range(128)]

    def parameters(self) -> Parameters:
        return {
            "p_FEEDBACK_PATH": "SIMPLE",
            "p_DIVR": Const(self.divr, 4),
            "p_DIVF": Const(self.divf, 7),
            "p_DIVQ": Const(self.divq, 3),
            "p_FILTER_RANGE": Const(self.filter_range, 3),
        }


class ICE40Clock(Clock):
    """An SB_PLL40_PAD; the crystal's pin must be the PLL's own."""

    CELL = "SB_PLL40_PAD"

    def drive(self, m: Module, platform: Platform) -> None:
        clock = Signal()            # nextpnr derives its constraint from the crystal's and the PLL's settings
        m.submodules.pll = Instance(
            self.CELL,
            **self.pll.parameters(),
            **self.reference(m, platform),
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTCORE=clock,
            o_LOCK=self.locked,
        )
        m.submodules.buffer = Instance("SB_GB", i_USER_SIGNAL_TO_GLOBAL_BUFFER=clock,
                                       o_GLOBAL_BUFFER_OUTPUT=ClockSignal())

    def reference(self, m: Module, platform: Platform) -> dict[str, Value | IOValue]:
        """The pin of the cell that takes the crystal."""
        return {"i_PACKAGEPIN": platform.request(self.resource, dir="-").io}


class ICE40CoreClock(ICE40Clock):
    """An SB_PLL40_CORE, for a crystal on another pin than the PLL's own."""

    CELL = "SB_PLL40_CORE"

    def reference(self, m: Module, platform: Platform) -> dict[str, Value | IOValue]:
        return {"i_REFERENCECLK": self.crystal(m, platform)}


def begin_chains(netlist: dict[str, Any]) -> int:
    """Begin every carry chain with a constant, in place; returns how many carry cells were added.

    A chain whose lowest carry in is a signal takes a logic cell that brings the signal into the chain. nextpnr adds one
    that has nothing else. As a carry cell of the netlist, of the signal, 0 and 1, it also takes a LUT that drives the
    signal from no more than two others.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it in JSON.
    """
    return sum(begin_chains_of(module) for module in netlist["modules"].values())


def begin_chains_of(module: dict[str, Any]) -> int:
    cells: dict[str, Cell] = module["cells"]
    carries = {name: cell for name, cell in cells.items() if cell["type"] == "SB_CARRY"}
    chained = {bit for cell in carries.values() for bit in cell["connections"].get("CO", ())}
    luts: dict[int, list[Cell]] = {}
    for cell in cells.values():
        if cell["type"] == "SB_LUT4":
            luts.setdefault(cell["connections"]["I3"][0], []).append(cell)
    largest, added = largest_bit(module), 0
    for name, cell in carries.items():
        pins = cell["connections"]
        (before,) = pins["CI"]
        if before in chained or not isinstance(before, int):
            continue
        added += 1
        bit = largest + added
        cells[f"{name}_begin"] = {
            "hide_name": 0, "type": "SB_CARRY", "parameters": {}, "attributes": {},
            "port_directions": {"I0": "input", "I1": "input", "CI": "input", "CO": "output"},
            "connections": {"I0": [before], "I1": ["0"], "CI": ["1"], "CO": [bit]}}
        pins["CI"] = [bit]
        # the sum's LUT, which is in the carry's own logic cell
        for lut in luts.get(before, ()):
            if [lut["connections"][pin] for pin in ("I1", "I2")] == [pins["I0"], pins["I1"]]:
                lut["connections"]["I3"] = [bit]
                break
    return added


def register_carries(netlist: dict[str, Any]) -> int:
    """Put a LUT between the end of a carry chain and each flip-flop that takes it, in place; returns how many.

    The two share a logic cell at the end of the chain. Without it nextpnr adds a cell that takes the carry out of the
    chain, and the flip-flop takes another.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it in JSON.
    """
    added = 0
    for module in netlist["modules"].values():
        cells: dict[str, Cell] = module["cells"]
        carries = {bit for cell in cells.values() if cell["type"] == "SB_CARRY"
                   for bit in cell["connections"].get("CO", ())}
        bit = largest_bit(module)
        for name, cell in list(cells.items()):
            pins = cell["connections"]
            if cell["type"].startswith("SB_DFF") and pins["D"][0] in carries:
                bit += 1
                cells[f"{name}_end"] = passing_lut("I3", pins["D"][0], bit)
                pins["D"] = [bit]
                added += 1
    return added


def passing_lut(pin: str, bit: int, out: int) -> Cell:
    """A LUT that passes a signal on from one of its inputs."""
    truth = {"I0": 0xAAAA, "I3": 0xFF00}[pin]
    inputs = "I0", "I1", "I2", "I3"
    return {"hide_name": 0, "type": "SB_LUT4", "parameters": {"LUT_INIT": f"{truth:016b}"}, "attributes": {},
            "port_directions": {**dict.fromkeys(inputs, "input"), "O": "output"},
            "connections": {**{name: ["0"] for name in inputs}, pin: [bit], "O": [out]}}


def largest_bit(module: dict[str, Any]) -> int:
    """The largest number of a signal of a module."""
    nets = [*(pins for cell in module["cells"].values() for pins in cell["connections"].values()),
            *(port["bits"] for port in module.get("ports", {}).values())]
    return max((bit for pins in nets for bit in pins if isinstance(bit, int)), default=1)


def part_doubled_inputs(netlist: dict[str, Any]) -> int:
    """Give every iCE40 carry cell two different signals, in place; returns how many drivers were added.

    Where the popcount passes a lane on to the next adder of a carry chain, both operands are that lane. If one signal
    goes to both inputs, nextpnr's routers may rip up its two arcs in turn for ever. So what drives the signal is there
    twice: a LUT, or a flip-flop and the LUT before it. That costs one logic cell, as much as taking the signal off the
    sum's LUT, which no longer fits into the carry's cell then.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it in JSON.
    """
    return sum(Parting(module).part() for module in netlist["modules"].values())


def doubled(pins: dict[str, list[Any]], one: str, other: str) -> bool:
    return pins[one] == pins[other] and isinstance(pins[one][0], int)


class Parting:
    """The work on one module."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.cells: dict[str, Cell] = module["cells"]
        self.bits = largest_bit(module)
        self.drivers = {cell["connections"][pin][0]: name for name, cell in self.cells.items()
                        for pin in self._outputs(cell)}
        self.copies: dict[int, int] = {}

    def part(self) -> int:
        for cell in list(self.cells.values()):
            pins = cell["connections"]
            if cell["type"] == "SB_CARRY" and doubled(pins, "I0", "I1"):
                pins["I1"] = [self._copy(pins["I0"][0])]
        for cell in list(self.cells.values()):
            pins = cell["connections"]
            if cell["type"] == "SB_LUT4" and doubled(pins, "I1", "I2") and pins["I1"][0] in self.copies:
                pins["I2"] = [self.copies[pins["I1"][0]]]
        return len(self.copies)

    @staticmethod
    def _outputs(cell: Cell) -> Iterator[str]:
        """The output pin of a LUT or flip-flop; other cells are not copied."""
        if cell["type"] == "SB_LUT4":
            yield "O"
        elif cell["type"].startswith("SB_DFF"):
            yield "Q"

    def _new(self, name: str, cell: Cell, pin: str) -> int:
        self.bits += 1
        cell["connections"][pin] = [self.bits]
        self.cells[name] = cell
        return self.bits

    def _copy(self, bit: int) -> int:
        """A second signal with the value of ``bit``."""
        if bit not in self.copies:
            self.copies[bit] = self._drive_again(bit)
        return self.copies[bit]

    def _drive_again(self, bit: int) -> int:
        name = self.drivers.get(bit)
        if name is None:            # a port, a memory, a carry: a LUT that passes it on
            return self._new(f"passed_on_{bit}", passing_lut("I0", bit, bit), "O")
        cell = copy.deepcopy(self.cells[name])
        if cell["type"] == "SB_LUT4":
            return self._new(f"{name}_again", cell, "O")
        before = self.drivers.get(cell["connections"]["D"][0])
        if before is not None and self.cells[before]["type"] == "SB_LUT4":
            lut = copy.deepcopy(self.cells[before])
            cell["connections"]["D"] = [self._new(f"{before}_again", lut, "O")]
        return self._new(f"{name}_again", cell, "Q")


def chip_of(platform: Platform) -> Chip:
    """The FPGA of a `amaranth.vendor.LatticeICE40Platform`."""
    return Chip(f"{platform.device}-{platform.package}",
                (f"--{platform.device.removeprefix('iCE40').lower()}", "--package", platform.package.lower()))


def read_back(folder: Path) -> str:
    """Verilog of the bitstream in a folder, unpacked, by icebox_vlog.

    Raises
    ------
    BuildError
        If a tool fails.
    ToolError
        If a tool is missing.
    """
    run_tool("iceunpack", [ICE40.bitstream, "unpacked.asc"], folder)
    text = "\n".join(run_tool("icebox_vlog", ["-s", "-p", f"{NAME}.pcf", "unpacked.asc"], folder))
    # it declares its ports twice, which only the older style allows
    header = re.search(r"^module chip \((.*)\);$", text, re.MULTILINE)
    if not header:
        raise BuildError("icebox_vlog must write a module chip")
    ports = header[1].split(", ")
    names = ", ".join(port.split()[1] for port in ports)
    return text.replace(header[0], "\n".join([f"module chip ({names});", *(f"{port};" for port in ports)]))


ICE40 = BoardFamily(
    name="ice40", chip=chip_of,
    devices={"iCE40UP5K": Device(5280, 30), "iCE40HX8K": Device(7680, 32)},
    synthesis="synth_ice40 -abc9", delay=4000, elements_apart=True,
    savings=(begin_chains, register_carries), repairs=(part_doubled_inputs,),
    pll=ICE40PLL, clock=ICE40Clock,
    netlist=f"{NAME}.json",
    place="nextpnr-ice40",
    place_options=("--json", f"{NAME}.json", "--pcf", f"{NAME}.pcf", "--asc", f"{NAME}.asc"), routed=f"{NAME}.asc",
    pack="icepack", pack_options=(f"{NAME}.asc", f"{NAME}.bin"), bitstream=f"{NAME}.bin",
    pack_only=("--hx8k", "--package", "ct256", "--pcf-allow-unconstrained"), counts_packed=True, read_back=read_back,
    luts={"SB_LUT4": 1}, carries={"SB_CARRY": 0}, flop="SB_DFF", rams=("SB_RAM40",),
    resources={"lut": ("ICESTORM_LC",), "ram": ("ICESTORM_RAM",), "dsp": ("ICESTORM_DSP",), "pll": ("ICESTORM_PLL",)},
    ram_shapes=((256, 16), (512, 8), (1024, 4), (2048, 2)), lut_memory_bits=0,
    # in builds for the boards nextpnr counts 1.27 times as many: flip-flops take logic cells of their own, and carries
    # do not share theirs
    fill=0.7,
    axes={}, common={"fetch_width": 1},
    yosys_models="ice40/cells_sim.v", macros=("NO_ICE40_DEFAULT_ASSIGNMENTS",), models=("ice40.v",),
)
