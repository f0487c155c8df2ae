"""The record of an FPGA family: everything in which the flow of one family differs from that of another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.build import Platform

from signum.hdl.array.popcount.registry import structure_of
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import Target

from .clock import Clock
from .pll import PLL

__all__ = ["NAME", "BoardFamily", "Chip", "Device", "Family", "Pass"]

NAME = "signum"
"""Name of the files of a build."""

Pass = Callable[[dict[str, Any]], int]
"""Changes a netlist in Yosys's JSON in place; returns the number of changes."""


@dataclass(frozen=True)
class Device:
    """Resources of an FPGA: LUT4s (logic cells) and block RAMs, as nextpnr counts them."""

    luts: int
    rams: int


@dataclass(frozen=True)
class Chip:
    """A platform's FPGA.

    Parameters
    ----------
    name : str
        The part, as its maker writes it.
    place, pack : tuple of str
        Options that name it to the tools.
    """

    name: str
    place: tuple[str, ...]
    pack: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family that Yosys synthesizes units for; one that boards are built for is a `BoardFamily`.

    Parameters
    ----------
    name : str
        In small letters, the name of its file, and as `hdl.lib.family.family_of` gives it.
    synthesis : str
        Yosys's command without ``-top``.
    delay : int
        Picoseconds that mapping allows a level of a processing element, by abc9's reckoning; with fewer, it doubles
        logic for depth.
    elements_apart : bool
        Builds map an element by itself, as abc9 doubles logic of elements that it sees at once.
    savings, repairs : tuple of Pass
        Changes to the netlist between synthesis and placement, in order: those that save cells, then those that spend
        some, so that it can be routed.

    luts : mapping of str to int
        LUT4s that the cells of Yosys's netlist are worth.
    carries : mapping of str to int
        The same of its carry cells. An iCE40's carry stands in a LUT's own logic cell.
    free : tuple of str
        Cells that take no logic: constants, and pads that synthesis puts around any top.
    flop : str
        How the names of its flip-flops begin.
    rams : tuple of str
        How the names of its block RAMs begin.
    ram_shapes : tuple of (int, int)
        Shapes of a block RAM with one port to read and one to write: words, bits.
    lut_memory_bits : int
        Memories of at most so many bits are made of LUTs, but for banks with registers.

    yosys_models : str
        Yosys's simulation models of the cells, below its ``share``.
    macros : tuple of str
        Macros without which Verilator does not take them.
    models : tuple of str
        Files in this folder that replace modules of it, or add some.
    """

    name: str

    synthesis: str
    delay: int
    elements_apart: bool = False
    savings: tuple[Pass, ...] = ()
    repairs: tuple[Pass, ...] = ()

    luts: Mapping[str, int]
    carries: Mapping[str, int]
    free: tuple[str, ...] = ()
    flop: str
    rams: tuple[str, ...]
    ram_shapes: tuple[tuple[int, int], ...]
    lut_memory_bits: int

    yosys_models: str
    macros: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def mapping(self, config: ArrayConfig, *, portable: bool = False) -> str:
        """Before synthesis: map for area, within ``delay`` for each level of the elements that has no register.

        Elements of the family's cells have nothing to map, and leave it to the control; ``portable`` units have none.
        """
        target = None if portable else Target(self.name)
        in_cells = bool(structure_of(target, config).families)
        delay = self.delay * (1 if in_cells else -(-config.most_stages // max(config.pipeline, 1)))
        return f"scratchpad -set abc9.script +&scorr;&sweep;&b;&if,-W,300,-D,{delay}"

    @property
    def command(self) -> str:
        """Yosys's command."""
        return self.synthesis.split()[0]

    @property
    def synthesis_options(self) -> str:
        return " ".join(self.synthesis.split()[1:])

    def save(self, netlist: dict[str, Any]) -> int:
        """Make the ``savings`` in a netlist, in place; returns the number of changes."""
        return sum(change(netlist) for change in self.savings)

    def finish(self, netlist: dict[str, Any]) -> int:
        """Make the ``savings`` and the ``repairs``, in place; returns the number of changes."""
        return self.save(netlist) + sum(change(netlist) for change in self.repairs)

    def own_models(self) -> str:
        """The text of ``models``."""
        return "\n".join(Path(__file__).with_name(name).read_text() for name in self.models)


@dataclass(frozen=True, kw_only=True)
class BoardFamily(Family):
    """A family that boards are built for: its devices, its PLL, and its tools for placement and bitstreams.

    Parameters
    ----------
    chip : callable
        From a platform to its `Chip`.
    devices : mapping of str to Device
        By the first letters of the device's name.
    pll, clock : type
        Settings of its PLL, and the clock that is made with it.

    netlist : str
        File that goes from synthesis to placement.
    place, pack : str
        Tools of `fpga.flow.tools`.
    dense_options : tuple of str
        Further options where a design takes nearly all block RAMs.
    place_options, pack_options : tuple of str
        Files of both, beside the options of the chip and the board.
    routed, bitstream : str
        Files that they write.
    pack_only : tuple of str
        Options with which the place tool packs a unit without pins into a device that is large enough; empty where it
        cannot.
    counts_packed : bool
        Areas are the place tool's logic cells after packing (``pack_only``), not Yosys's cells.
    read_back : callable, optional
        From the folder of a build to Verilog of a module ``chip`` that behaves as the bitstream in it, by other tools.
    resources : mapping of str to tuple of str
        Resources in nextpnr's report by our names: ``lut``, ``ram``, ``dsp`` and ``pll``. The uses of several add up;
        the first one tells how many there are.

    fill : float
        Share of a device's LUTs that Yosys's count may come to: nextpnr's count is larger, and routing needs room.
    axes : mapping of str to tuple of int
        Values that an exploration tries of some parameters instead of the usual ones.
    common : mapping of str to int
        Parameters that the explored arrays have in common.
    """

    chip: Callable[[Platform], Chip]
    devices: Mapping[str, Device]
    pll: type[PLL]
    clock: type[Clock]

    netlist: str
    place: str
    place_options: tuple[str, ...]
    dense_options: tuple[str, ...] = ()
    routed: str
    pack: str
    pack_options: tuple[str, ...]
    bitstream: str
    pack_only: tuple[str, ...] = ()
    counts_packed: bool = False
    read_back: Callable[[Path], str] | None = None
    resources: Mapping[str, tuple[str, ...]]

    fill: float
    axes: Mapping[str, tuple[int, ...]]
    common: Mapping[str, int]

    def device(self, name: str) -> Device:
        """The device of a part, such as LFE5U-85F-6BG381C; KeyError where it is not in ``devices``."""
        return self.devices[next((prefix for prefix in self.devices if name.startswith(prefix)), name)]
