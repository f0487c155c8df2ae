"""A line of a board: what its design has of it, and where its pins are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.host.line import line_signature
from signum.hdl.lib.emit import run_yosys, to_rtlil

__all__ = ["WINDOW", "BoardError", "BoardLine", "LineUnit", "Window", "verilog_with"]

WAIVED = "/* verilator lint_off PINMISSING */ /* verilator lint_off CMPCONST */"
SCRIPT = """\
read_verilog {sources}
read_rtlil top.il
hierarchy -check -top {name}
proc
memory_collect
pmuxtree
opt_clean -purge
write_verilog -noattr whole.v
"""


class BoardError(ValueError):
    """A board, clock, line or baud rate that cannot be had; in one line."""


@dataclass(frozen=True)
class Window:
    """The buffers of a board's bridge (`hdl.host.bridge.Bridge`).

    Parameters
    ----------
    slots, slot_bytes : int
        Frames that wait on the board, and the bytes of the longest one.
    number_bits : int
        2**(number_bits - 1) answers wait on the board.
    """

    slots: int = 4
    slot_bytes: int = 1024
    number_bits: int = 9


WINDOW = Window()


class LineUnit(wiring.Component):
    """The port of a line: between a host at its pins and the bridge.

    Parameters
    ----------
    pins : dict of str to Member
        Its pins.
    clocks : mapping of str to float
        Further domains that it works in, and their frequencies in Hz.

    Members
    -------
    line : Out(line_signature)
        The line.
    pins, and for each of ``clocks`` NAME_clk, NAME_rst : In(1)
    """

    ordered: ClassVar[bool]
    """The line keeps the order of frames."""

    slow: ClassVar[bool]
    """Bytes come and go no faster than one in eight cycles."""

    def __init__(self, pins: dict[str, wiring.Member], clocks: Mapping[str, float] = MappingProxyType({})) -> None:
        self.clocks = clocks
        self.ports = dict(pins)
        for name in clocks:
            self.ports |= {f"{name}_clk": In(1), f"{name}_rst": In(1)}
        super().__init__({"line": Out(line_signature), **self.ports})

    def add_domains(self, m: Module) -> None:
        """Make the domains of ``clocks``, known only here and below."""
        for name in self.clocks:
            domain = ClockDomain(name, local=True)
            m.domains += domain
            m.d.comb += [domain.clk.eq(getattr(self, f"{name}_clk")), domain.rst.eq(getattr(self, f"{name}_rst"))]

    def connect_ports(self, m: Module, outer: Any) -> None:
        """Connect all members but the line to those of ``outer``, which has the same."""
        for name, member in self.ports.items():
            inner, port = getattr(self, name), getattr(outer, name)
            if not member.is_port:
                wiring.connect(m, inner, wiring.flipped(port))
            elif member.flow == In:
                m.d.comb += inner.eq(port)
            else:
                m.d.comb += port.eq(inner)

    def connect_pads(self, m: Module, platform: Platform, pins: Any) -> None:
        """Connect ``pins``, an interface with members as those of this one, to the pads of a platform."""
        raise NotImplementedError


class BoardLine(Protocol):
    """A line that a board may have.

    Members
    -------
    window : Window, optional
        The buffers that it needs; by default the board's.
    text : str
        Its name for people.
    """

    @property
    def window(self) -> Window | None: ...

    @property
    def text(self) -> str: ...

    def unit(self, clock: float) -> LineUnit:
        """Its port in a design with a clock in Hz; BoardError if the clock does not suit it."""

    def sources(self) -> dict[str, str]:
        """Verilog that its port needs beside the design, by names of files."""

    def models(self) -> dict[str, str]:
        """Verilog of the cells in it, for simulation, by names of files."""


def verilog_with(sources: Mapping[str, str], component: wiring.Component, name: str, target: object = None) -> str:
    """Verilog of a component as module ``name``, with the modules of other Verilog that it instantiates.

    Parameters
    ----------
    sources : mapping of str to str
        The other Verilog, by names of files.
    component, name, target
        See `hdl.lib.emit.to_rtlil`.

    Raises
    ------
    EmitError
        If Yosys refuses the design.
    """
    with TemporaryDirectory() as place:
        folder = Path(place)
        for file, text in sources.items():
            (folder / file).write_text(text)
        (folder / "top.il").write_text(to_rtlil(component, name, target)[0])
        run_yosys(SCRIPT.format(sources=" ".join(sources), name=name), folder)
        return f"{WAIVED}\n{(folder / 'whole.v').read_text()}"
