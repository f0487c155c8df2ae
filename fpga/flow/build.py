"""From a board and a configuration to a bitstream and its report."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from signum.golden.compiler.program import Program
from signum.golden.compiler.weight_streaming import Streamed
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import EmitError, run_yosys

from .board_record import Board
from .boot_image import joined
from .camera_view import camera_view
from .families import BOARD_FAMILIES
from .families.family import NAME
from .flash_contents import flash_contents
from .lines.board_line import BoardError, BoardLine
from .placement import Progress, place_best
from .platform_top import PlatformTop
from .report import cells, check_clock, critical_path, fmax_mhz, utilization
from .tools import BuildError, run_tool, tool

__all__ = ["AFTER_READ", "AFTER_SYNTHESIS", "FLASH", "build", "synthesize"]

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

FLASH = "flash.bin"

def synthesize(board: Board, design: PlatformTop, line: BoardLine, folder: Path, *, camera: str = "") -> dict[str, int]:
    """Write the netlist and the pins of a board's design with a line; returns the counts of cells."""
    family = board.family
    platform = board.platform_with(camera)
    for file, text in line.sources().items():
        platform.add_file(file, text)
    before, after = (f"{APART}\n", f"{TOGETHER}\n") if family.elements_apart else ("", "")
    plan = platform.build(design, name=NAME, do_build=False, debug_verilog=False,
                          script_after_read=f"{AFTER_READ}\n{before}{family.mapping(design.top.config)}",
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
        If the clock, the line or the loader cannot be had, parts do not go together, or the flash cannot hold the
        program; nothing is written or removed.
    """
    family = board.family
    pll = board.pll(board.frequency if frequency is None else frequency)
    line = line or board.line()
    if quad and program is None:
        raise BoardError("quad must be left out without a network in the flash")
    contents = flash_contents(board, program, quad=quad) if program else None
    view = None
    if camera:
        if program is None:
            raise BoardError("network must be given for a camera")
        if isinstance(program, Streamed):
            raise BoardError("network must fit into the banks to take its images from a camera, not in stages")
        view = camera_view(board.sensor(camera), program)
    design = board.design(config, pll, line, loader=loader, boot=contents.place if contents else None, camera=view)
    out.mkdir(parents=True, exist_ok=True)
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)
    progress("synthesis")
    counts = synthesize(board, design, line, out, camera=camera)
    tries = range(seed, seed + seeds)
    seed, placed, reached, stalled, expected = place_best(board, tries, out, pll.frequency, progress)
    clock = pll.frequency / 1e6
    fmax = fmax_mhz(placed, clock)
    use = utilization(placed, family)
    report = {
        "board": board.name,
        "device": board.device,
        "family": family.name,
        "config": config.to_dict(),
        "loader": board.loader_words() if loader else 0,
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
        "expected_mhz_by_seed": {str(seed): mhz for seed, mhz in expected.items()},
        "tools": {
            "amaranth": version("amaranth"),
            "yosys": version("pyosys"),
            family.place: tool(family.place).version,
        },
        "critical_path": critical_path(placed, clock),
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
