"""A board's netlist, or its bitstream read back, as Verilog for `fpga.host.virtual_board.VirtualBoard`."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.build import Pins, Platform, Resource
from amaranth.hdl import ClockSignal, Module
from amaranth.lib import io

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.build import synthesize
from signum.fpga.flow.families import BOARD_FAMILIES
from signum.fpga.flow.families.clock import Clock
from signum.fpga.flow.families.family import NAME, Family
from signum.fpga.flow.families.pll import PLL
from signum.fpga.flow.lines.serial_line import SerialPort
from signum.fpga.flow.placement import place
from signum.fpga.flow.tools import BuildError, run_tool
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import YOSYS, run_yosys

from .virtual_board import BAUD, CLOCK
from .virtual_board import NAME as TOP

__all__ = ["bitstream_verilog", "cell_models", "drop_contents", "drop_open_outputs", "netlist_verilog",
           "synthesize_without_pll"]

MODELS = YOSYS / "share"
# warnings about the models and the output of icebox_vlog
WAIVED = "ASSIGNDLY", "CASEINCOMPLETE", "IMPLICIT", "INITIALDLY", "PINMISSING", "SPECIFYIGN", "UNOPTFLAT"


class PinClock(Clock):
    """The crystal's clock without a PLL, in reset while a pin in place of the PLL's lock is low."""

    def drive(self, m: Module, platform: Platform) -> None:
        m.submodules.lock = lock = io.Buffer("i", platform.request("lock", 0, dir="-"))
        m.d.comb += [ClockSignal().eq(self.crystal(m, platform)), self.locked.eq(lock.i)]


@dataclass(frozen=True, kw_only=True)
class Crystal(PLL):
    """A clock at the frequency of the crystal."""

    @property
    def frequency(self) -> float:
        return self.reference


def platform_with_lock(board: Board) -> Platform:
    """A board's platform with an input ``lock`` at the pin of the second light."""
    platform = board.platform()
    light = platform.lookup("led", 1)
    platform.add_resources([Resource("lock", 0, Pins(" ".join(light.ios[0].names), dir="i"), light.attrs)])
    return platform


def synthesize_without_pll(board: Board, config: ArrayConfig, folder: Path, *, loader: bool = False) -> None:
    """Write a board's netlist and pins as `fpga.flow.build.synthesize`, with the virtual board's clock and baud rate.

    The clock comes from the crystal's pin, not from a PLL, and the pin of the second light replaces the PLL's lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    without = dataclasses.replace(board, clock=PinClock, platform=lambda: platform_with_lock(board))
    line = SerialPort(BAUD)
    synthesize(without, without.design(config, Crystal(reference=round(CLOCK)), line, loader=loader), line, folder)


def whole_text(path: Path, read: set[Path]) -> str:
    """A Verilog file with its included files: modules once, functions at each include."""
    text = path.read_text()
    if path in read and re.search("^module ", text, re.MULTILINE):
        return ""
    read.add(path)
    return re.sub(r'^`include "(\S+)"', lambda found: whole_text(path.parent / found[1], read), text,
                  flags=re.MULTILINE)


def cell_models(family: Family) -> str:
    """Verilog of the cells of a family: Yosys's simulation models, and ours for cells without a model for Verilator."""
    ours = family.own_models()
    text = whole_text(MODELS / family.yosys_models, set())
    replaced = [rf"^module {name}\b" for name in re.findall(r"^module (\w+)", ours, re.MULTILINE)]
    for module in (r"^\(\* blackbox \*\)\s*^module ", *replaced):
        text = re.sub(rf"{module}.*?^endmodule", "", text, flags=re.MULTILINE | re.DOTALL)
    waived = "\n".join(f"/* verilator lint_off {name} */" for name in WAIVED)
    macros = "\n".join(f"`define {name}" for name in family.macros)
    return f"{waived}\n{macros}\n{text}\n{ours}"


def board_verilog(board: Board, module: str, text: str) -> str:
    """Verilog with the ports of a `fpga.flow.board_top.BoardTop` around a module with the pins of a board."""
    inverted = board.platform().lookup(board.led, 0).ios[0].invert
    return f"""{cell_models(board.family)}
{text}
module {TOP}(clk, rst, rx, tx, busy);
  input clk;
  input rst;
  input rx;
  output tx;
  output busy;
  wire crystal, from_host, to_host, light, lock;
  assign crystal = clk;
  assign from_host = rx;
  assign lock = ~rst;
  assign tx = to_host;
  assign busy = {"~" if inverted else ""}light;
  {module} chip(.{board.crystal}_0__io(crystal), .uart_0__rx__io(from_host), .uart_0__tx__io(to_host),
    .{board.led}_0__io(light), .lock_0__io(lock));
endmodule
"""


def drop_contents(netlist: dict[str, Any]) -> None:
    """Remove the initial contents of block RAMs from a netlist in Yosys's JSON; BuildError if they are not zeros."""
    for module in netlist["modules"].values():
        for name, cell in module["cells"].items():
            for key in [key for key in cell["parameters"] if re.match("INIT(VAL|_RAM)?_", key)]:
                if set(cell["parameters"].pop(key)) - set("0x"):
                    raise BuildError(f"block RAMs must begin with zeros, not {name}")


def drop_open_outputs(netlist: dict[str, Any]) -> None:
    """Remove open outputs (`fpga.flow.families.ecp5.open_chains`) from a netlist in Yosys's JSON: as the constant x,
    which no simulator lets an output drive."""
    for module in netlist["modules"].values():
        for cell in module["cells"].values():
            pins, directions = cell["connections"], cell["port_directions"]
            for pin in [pin for pin, bits in pins.items() if directions[pin] == "output" and set(bits) == {"x"}]:
                del pins[pin]


def netlist_verilog(board: Board, folder: Path) -> str:
    """A board's netlist after synthesis, the input of placement.

    Parameters
    ----------
    board : Board
        With at least two lights.
    folder : Path
        Folder of the netlist by `synthesize_without_pll`.

    Returns
    -------
    str
        Verilog for `VirtualBoard`: the netlist, its cells, and around them the ports of `BoardTop`.

    Raises
    ------
    BuildError
        If a block RAM does not begin with zeros.
    """
    netlist = json.loads((folder / board.family.netlist).read_text())
    drop_contents(netlist)
    drop_open_outputs(netlist)
    for module in netlist["modules"].values():
        for port in module["ports"].values():
            port["direction"] = "inout"         # the direction of its pad, since Verilator connects no other
    (folder / "simulated.json").write_text(json.dumps(netlist))
    run_yosys("read_json simulated.json\nwrite_verilog -noattr simulated.v\n", folder)
    return board_verilog(board, NAME, (folder / "simulated.v").read_text())


def bitstream_verilog(board: Board, folder: Path) -> str:
    """A board's bitstream turned back into Verilog: the netlist placed and routed, packed, and read back by its family.

    Parameters and result as of `netlist_verilog`.

    Raises
    ------
    BuildError
        If bitstreams of the family cannot be read back, or a tool fails.
    ToolError
        If a tool is missing.
    """
    family = board.family
    if not family.read_back:
        known = ", ".join(name for name, each in BOARD_FAMILIES.items() if each.read_back)
        raise BuildError(f"the bitstream must be of {known}, not {family.name}")
    place(board, 1, folder, board.crystal_frequency)
    run_tool(family.pack, [*board.chip.pack, *family.pack_options], folder)
    return board_verilog(board, "chip", family.read_back(folder))
