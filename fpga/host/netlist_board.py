"""A board's netlist, or its iCE40 bitstream read back, as Verilog for `fpga.host.virtual_board.VirtualBoard`."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyosys
from amaranth.build import Pins, Platform, Resource
from amaranth.hdl import ClockSignal, Module
from amaranth.lib import io

from signum.fpga.flow.board_top import Board
from signum.fpga.flow.build import BuildError, place, run_tool, synthesize
from signum.fpga.flow.clock import Clock
from signum.fpga.flow.families import ICE40, NAME
from signum.fpga.flow.pll import PLL
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import run_yosys

from .virtual_board import BAUD, CLOCK
from .virtual_board import NAME as TOP

__all__ = ["bitstream_verilog", "cell_models", "drop_contents", "drop_open_outputs", "netlist_verilog",
           "synthesize_without_pll"]

MODELS = Path(pyosys.__file__).parent / "share"
OURS = Path(__file__).with_name("cells.v")
FILES = {"ice40": "ice40/cells_sim.v", "ecp5": "ecp5/cells_sim.v", "gowin": "gowin/cells_sim.v"}
# what the makers of the models and of icebox_vlog do not mind
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
    """Write a board's netlist and pins as `fpga.flow.build.synthesize` does, with the virtual board's clock and baud
    rate.

    The clock comes from the crystal's pin, not from a PLL, and the pin of the second light is what the PLL's lock was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    without = dataclasses.replace(board, clock=PinClock, platform=lambda: platform_with_lock(board))
    synthesize(without, config, Crystal(reference=round(CLOCK)), BAUD, folder, loader=loader)


def whole_text(path: Path, read: set[Path]) -> str:
    """A file of Verilog with those that it includes, each of them once."""
    if path in read:
        return ""
    read.add(path)
    return re.sub(r'^`include "(\S+)"', lambda found: whole_text(path.parent / found[1], read), path.read_text(),
                  flags=re.MULTILINE)


def cell_models(family: str) -> str:
    """Verilog of the cells of a family: Yosys's models for simulation, and ours where it has none for Verilator."""
    ours = OURS.read_text()
    text = whole_text(MODELS / FILES[family], set())
    replaced = "|".join(re.findall(r"^module (\w+)", ours, re.MULTILINE))
    for module in (r"^\(\* blackbox \*\)\s*^module ", rf"^module (?:{replaced})\b"):
        text = re.sub(rf"{module}.*?^endmodule", "", text, flags=re.MULTILINE | re.DOTALL)
    waived = "\n".join(f"/* verilator lint_off {name} */" for name in WAIVED)
    # without this, inputs have defaults, which Verilator does not take
    return f"{waived}\n`define NO_ICE40_DEFAULT_ASSIGNMENTS\n{text}\n{ours}"


def board_verilog(board: Board, module: str, text: str) -> str:
    """Verilog with the ports of a `fpga.flow.board_top.BoardTop` around a module with the pins of a board."""
    inverted = board.platform().lookup(board.led, 0).ios[0].invert
    return f"""{cell_models(board.family.name)}
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
    """Take what block RAMs begin with out of a netlist in Yosys's JSON; BuildError if it is not zeros."""
    for module in netlist["modules"].values():
        for name, cell in module["cells"].items():
            for key in [key for key in cell["parameters"] if re.match("INIT(VAL|_RAM)?_", key)]:
                if set(cell["parameters"].pop(key)) - set("0x"):
                    raise BuildError(f"block RAMs must begin with zeros, not {name}")


def drop_open_outputs(netlist: dict[str, Any]) -> None:
    """Take outputs that lead nowhere (`fpga.flow.netlist.open_chains`) out of a netlist in Yosys's JSON, where they
    are the constant x, which no simulator lets an output drive."""
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
    """What an iCE40 board's bitstream says: the netlist placed and routed, packed, unpacked, and turned back into
    Verilog by icebox_vlog.

    Parameters and result are those of `netlist_verilog`.

    Raises
    ------
    BuildError
        If the board is no iCE40, or a tool fails.
    ToolError
        If a tool is missing.
    """
    if board.family is not ICE40:
        raise BuildError(f"the bitstream must be of ice40, not {board.family.name}")
    place(board, 1, folder, board.crystal_frequency)
    run_tool(ICE40.pack, [*board.pack, *ICE40.pack_options], folder)
    run_tool("iceunpack", [ICE40.bitstream, "unpacked.asc"], folder)
    lines = run_tool("icebox_vlog", ["-s", "-p", f"{NAME}.pcf", "unpacked.asc"], folder)
    text = "\n".join(lines)
    # it declares its ports twice, which only the older style allows
    header = re.search(r"^module chip \((.*)\);$", text, re.MULTILINE)
    if not header:
        raise BuildError("icebox_vlog must write a module chip")
    ports = header[1].split(", ")
    names = ", ".join(port.split()[1] for port in ports)
    older = "\n".join([f"module chip ({names});", *(f"{port};" for port in ports)])
    return board_verilog(board, "chip", text.replace(header[0], older))
