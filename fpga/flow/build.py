"""From a board and a configuration to a bitstream and its report."""

import json
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from signum.golden.compiler.program import Program
from signum.golden.compiler.weight_streaming import Streamed
from signum.hdl.camera.camera import scaling_for
from signum.hdl.camera.sensors import Sensor
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import EmitError, run_yosys

from .board_top import Board, Boot, CameraView
from .boot_image import joined
from .families import BOARD_FAMILIES
from .families.family import NAME
from .families.pll import PLL
from .flash_contents import flash_contents
from .lines.board_line import BoardError, BoardLine
from .report import cells, check_clock, critical_path, fmax_mhz, utilization
from .tools import BuildError, run_tool, tool

__all__ = ["AFTER_READ", "AFTER_SYNTHESIS", "FLASH", "STALLED", "Placed", "build", "camera_view", "place", "place_best",
           "synthesize"]

# No memory of ours uses what it reads in the cycle in which the same word is written, unless its read port is
# transparent. Yosys does not know and would add a register, a comparator and a multiplexer to each. FIFOs between two
# clocks are left alone, in which Yosys allows no such mark.
AFTER_READ = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:TRANSPARENCY_MASK=1'0 %i *fifo*/* %d"
# marks of the hierarchy, which nextpnr may take for cells
AFTER_SYNTHESIS = "delete t:$scopeinfo"
APART = "setattr -mod -set keep_hierarchy 1 *.pe_* *.pe_*.* %d"
"""Keep the elements apart, but not what is in them."""
TOGETHER = "setattr -mod -unset keep_hierarchy *\nflatten\nopt_clean"
OUTPUTS = {"place.json", "stat.json", "report.json"}.union(
    *((family.netlist, family.routed, family.bitstream) for family in BOARD_FAMILIES.values()))

FURTHER = 3
STALLED = "the router makes no progress"

FLASH = "flash.bin"

Progress = Callable[[str], None]


class Stall:
    """Watches a router's table: whether it rips up the same arcs in turn, as it may do for ever."""

    ROUTER1 = re.compile(r"Info:\s+\d+ \|\s+\d+\s+\d+ \|\s+\d+\s+(\d+) \|\s+(\d+)\|")
    ROUTER2 = re.compile(r"Info:\s+iter=\d+ wires=\d+ overused=(\d+) ")
    PATIENCE = 30
    """Rows of router1, of a thousand steps each, in which no arc found a free way and none was done with."""
    PATIENCE2 = 100
    """Iterations of router2 in which the number of overused wires reached no new low."""

    def __init__(self) -> None:
        self.left, self.rows = "", 0
        self.lowest: int | None = None

    def __call__(self, line: str) -> str:
        """`STALLED` once the router has made no progress for too long; "" until then."""
        return STALLED if self._stalled(line) else ""

    def _stalled(self, line: str) -> bool:
        if row := self.ROUTER1.match(line):
            free, left = row.groups()
            self.rows = self.rows + 1 if (free, left) == ("0", self.left) else 0
            self.left = left
            return self.rows >= self.PATIENCE
        if row := self.ROUTER2.match(line):
            overused = int(row[1])
            better = self.lowest is None or overused < self.lowest
            self.rows = 0 if better else self.rows + 1
            self.lowest = overused if better else self.lowest
            return self.rows >= self.PATIENCE2
        return False


def synthesize(board: Board, config: ArrayConfig, pll: PLL, line: BoardLine, folder: Path, *, loader: bool = False,
               boot: Boot | None = None, camera: str = "", view: CameraView | None = None) -> dict[str, int]:
    """Write the netlist and the pins; returns the counts of cells."""
    family = board.family
    design = board.design(config, pll, line, loader=loader, boot=boot, camera=view)
    platform = board.platform_with(camera)
    for file, text in line.sources().items():
        platform.add_file(file, text)
    before, after = (f"{APART}\n", f"{TOGETHER}\n") if family.elements_apart else ("", "")
    plan = platform.build(design, name=NAME, do_build=False, debug_verilog=False,
                          script_after_read=f"{AFTER_READ}\n{before}{family.mapping(config)}",
                          synth_opts=family.synthesis_options, script_after_synth=f"{after}{AFTER_SYNTHESIS}")
    plan.extract(folder)
    try:
        run_yosys(f"script {NAME}.ys\ntee -q -o stat.json stat -json\nwrite_json {family.netlist}\n", folder)
    except EmitError as error:
        raise BuildError(str(error)) from None
    netlist = json.loads((folder / family.netlist).read_text())
    if family.finish(netlist):
        (folder / family.netlist).write_text(json.dumps(netlist))
    return cells(json.loads((folder / "stat.json").read_text()), family)


def camera_view(sensor: Sensor, program: Program) -> CameraView:
    """The part of a sensor's frames that a program takes; BoardError if it does not fit."""
    config = program.config
    (shape,) = (entry.shape for entry in program.inputs.values())
    maximum = config.input_maximum or (1 << config.input_planes) - 1
    try:
        return CameraView(sensor=sensor, scaling=scaling_for(
            sensor, width=shape.width, height=shape.height, channels=shape.channels // (config.input_levels or 1),
            maximum=maximum))
    except ValueError as error:
        raise BoardError(str(error)) from None


def place(board: Board, seed: int, folder: Path, clock: float) -> dict[str, Any]:
    """Place and route the netlist for a clock in Hz, in time or not; returns nextpnr's report."""
    run_tool(board.family.place, [*board.chip.place, *board.family.place_options, "--report", "place.json",
                                  "--freq", str(clock / 1e6), "--seed", str(seed), "--timing-allow-fail"],
             folder, Stall())
    return json.loads((folder / "place.json").read_text())


class Placed(NamedTuple):
    """The fastest of several placements, with nextpnr's report; the MHz of each seed, and seeds that did not route."""

    seed: int
    report: dict[str, Any]
    reached: dict[int, float]
    stalled: list[int]


def place_best(board: Board, seeds: range, folder: Path, clock: float, progress: Progress) -> Placed:
    """Place several times; the fastest placement is the one left in the folder.

    Where a placement cannot be routed, one with a further seed is tried for it, at most `FURTHER` in all.
    """
    routed = folder / board.family.routed
    best: tuple[int, dict[str, Any], bytes] | None = None
    reached: dict[int, float] = {}
    stalled: list[int] = []
    tries = list(seeds)
    for seed in tries:
        progress(f"place and route, seed {seed}")
        try:
            report = place(board, seed, folder, clock)
        except BuildError as error:
            if STALLED not in str(error) or len(stalled) == FURTHER:
                raise
            stalled.append(seed)
            tries.append(tries[-1] + 1)
            continue
        reached[seed] = round(fmax_mhz(report), 2)
        if best is None or reached[seed] > reached[best[0]]:
            best = seed, report, routed.read_bytes()
    assert best is not None
    seed, report, content = best
    routed.write_bytes(content)
    return Placed(seed, report, reached, stalled)


def build(board: Board, config: ArrayConfig, *, out: Path, frequency: float | None = None,
          line: BoardLine | None = None, seed: int = 1, seeds: int = 1, loader: bool = False,
          program: Program | Streamed | None = None, quad: bool = False, camera: str = "",
          progress: Progress = lambda stage: None) -> dict[str, Any]:
    """Build the bitstream (``signum.bin``, ``.bit`` or ``.fs``) and ``report.json`` in a folder.

    Parameters
    ----------
    board : Board
        For which board.
    config : ArrayConfig
        The array.
    out : Path
        The folder; made if missing. Results of an earlier build in it are removed first.
    frequency : float, optional
        Wanted clock in Hz; the nearest that the PLL makes is taken. By default the board's.
    line : BoardLine, optional
        The line to the host; by default the serial one at the board's rate.
    seed, seeds : int
        First seed of the placement, and how many are tried; the fastest result is kept.
    loader : bool
        With a loader in the board's single-port RAMs.
    program : Program or Streamed, optional
        A program that takes pixels, for the board's flash: ``flash.bin`` has the bitstream and the program. Or a
        network in stages, whose programs and weights come from the flash, and its maps from a host.
    quad : bool
        Read the flash on four lines; its bit QE must be set.
    camera : str
        Name of a sensor (`hdl.camera.sensors.SENSORS`), the source of the program's images.
    progress : callable
        Called with the name of each stage as it begins.

    Returns
    -------
    dict
        The report.

    Raises
    ------
    TimingError
        If the design is too slow for the clock; the report is written, the bitstream is not.
    BuildError, ToolError
        If a tool fails (such as for a design that does not fit) or is missing.
    PLLError, BoardError, BootImageError
        If the clock, the line or the loader cannot be had, or the flash cannot hold the program.
    """
    family = board.family
    pll = board.pll(board.frequency if frequency is None else frequency)
    line = line or board.line()
    line.check(pll.frequency)
    words = board.loader_words() if loader else 0
    if quad and program is None:
        raise BoardError("quad must be left out without a network in the flash")
    if loader and isinstance(program, Streamed):
        raise BoardError("write lists in the flash must be without another loader, and without a camera")
    contents = flash_contents(board, program, quad=quad) if program else None
    view = None
    if camera:
        if program is None:
            raise BoardError("network must be given for a camera")
        if isinstance(program, Streamed):
            raise BoardError("network must fit into the banks to take its images from a camera, not in stages")
        view = camera_view(board.sensor(camera), program)
    out.mkdir(parents=True, exist_ok=True)
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)
    progress("synthesis")
    counts = synthesize(board, config, pll, line, out, loader=loader, boot=contents.place if contents else None,
                        camera=camera, view=view)
    seed, placed, reached, stalled = place_best(board, range(seed, seed + seeds), out, pll.frequency, progress)
    fmax, clock = fmax_mhz(placed), pll.frequency / 1e6
    use = utilization(placed, family)
    report = {
        "board": board.name,
        "device": board.device,
        "family": family.name,
        "config": config.to_dict(),
        "loader": words,
        "flash_image_bytes": len(contents.image) if contents else 0,
        "flash_lines": contents.place.lines if contents else 0,
        "power_up_ms": contents and round(1000 * contents.power_up_cycles(pll.frequency) / pll.frequency, 2),
        "stages": len(program.stages) if isinstance(program, Streamed) else 0,
        "camera": camera,
        "binops_per_cycle": config.binops_per_cycle,
        **use,
        **counts,
        "cells_per_binop": round(use["lut"] / config.binops_per_cycle, 3),
        "pll_settings": pll.settings(),
        "clock_mhz": clock,
        "fmax_mhz": round(fmax, 2),
        "met": fmax >= clock,
        "line": line.text,
        "seed": seed,
        "fmax_mhz_by_seed": {str(seed): mhz for seed, mhz in reached.items()},
        "stalled_seeds": stalled,
        "tools": {
            "amaranth": version("amaranth"),
            "yosys": version("pyosys"),
            family.place: tool(family.place).version,
        },
        "critical_path": critical_path(placed),
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    try:
        check_clock(fmax, clock)
    except RuntimeError:
        (out / family.routed).unlink()
        raise
    progress("bitstream")
    run_tool(family.pack, [*board.chip.pack, *family.pack_options], out)
    if contents:
        bitstream = (out / family.bitstream).read_bytes()
        (out / FLASH).write_bytes(joined(bitstream, contents.image, contents.place.image_address))
    return report
