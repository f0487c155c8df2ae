"""From a board and a configuration to a bitstream and its report."""

import json
import re
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hdl.config import ArrayConfig
from hdl.emit import EmitError, run_yosys

from .board import Board, baud_divisor
from .netlist import part_doubled_inputs
from .pll import ICE40PLL
from .report import cells, check_clock, critical_path, fmax_mhz, utilization
from .tools import tool

__all__ = ["NAME", "BuildError", "build"]

NAME = "signum"
# No memory of ours uses what it reads in the cycle in which the same word is written, unless its read port is
# transparent. Yosys does not know and would add a register, a comparator and a multiplexer to each.
AFTER_READ = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:TRANSPARENCY_MASK=1'0 %i"
# marks of the hierarchy, which nextpnr may take for cells
AFTER_SYNTHESIS = "delete t:$scopeinfo"
OUTPUTS = (f"{NAME}.bin", f"{NAME}.asc", f"{NAME}.json", "place.json", "stat.json", "report.json")

FURTHER = 3
STALLED = "the router makes no progress"

Progress = Callable[[str], None]


class BuildError(RuntimeError):
    """A tool that failed; in one line, with its last words."""


def run_tool(name: str, arguments: list[str], folder: Path, watch: Callable[[str], bool] | None = None) -> None:
    """Run a tool of `fpga.tools` in a folder; BuildError if it fails, or when ``watch`` is true of a line it prints."""
    words = []
    with subprocess.Popen([str(tool(name).find()), *arguments], cwd=folder, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        assert run.stdout is not None
        for line in filter(None, map(str.strip, run.stdout)):
            words.append(line)
            if watch and watch(line):
                run.kill()
                raise BuildError(f"{name}: {STALLED}")
    if run.returncode:
        errors = [line for line in words if "ERROR" in line] or words[-1:]
        raise BuildError(f"{name}: {errors[0] if errors else f'exit status {run.returncode}'}")


class Stall:
    """Watches the router's table: whether it rips up the same arcs in turn, as it may do for ever."""

    ROW = re.compile(r"Info:\s+\d+ \|\s+\d+\s+\d+ \|\s+\d+\s+(\d+) \|\s+(\d+)\|")
    PATIENCE = 30
    """Rows of a thousand steps each in which no arc found a free way and none was done with."""

    def __init__(self) -> None:
        self.left, self.rows = "", 0

    def __call__(self, line: str) -> bool:
        if row := self.ROW.match(line):
            free, left = row.groups()
            self.rows = self.rows + 1 if (free, left) == ("0", self.left) else 0
            self.left = left
        return self.rows >= self.PATIENCE


def synthesize(board: Board, config: ArrayConfig, pll: ICE40PLL, baud: int, folder: Path) -> dict[str, int]:
    """Write the netlist ``signum.json`` and the pins ``signum.pcf``; returns the counts of cells."""
    plan = board.platform().build(board.design(config, pll, baud), name=NAME, do_build=False,
                                  debug_verilog=False, script_after_read=AFTER_READ,
                                  script_after_synth=AFTER_SYNTHESIS)
    plan.extract(folder)
    try:
        run_yosys(f"script {NAME}.ys\ntee -q -o stat.json stat -json\n", folder)
    except EmitError as error:
        raise BuildError(str(error)) from None
    netlist = json.loads((folder / f"{NAME}.json").read_text())
    part_doubled_inputs(netlist)
    (folder / f"{NAME}.json").write_text(json.dumps(netlist))
    return cells(json.loads((folder / "stat.json").read_text()))


def place(board: Board, seed: int, folder: Path) -> dict[str, Any]:
    """Place and route the netlist into ``signum.asc``, in time or not; returns nextpnr's report."""
    run_tool("nextpnr-ice40", [*board.place, "--json", f"{NAME}.json", "--pcf", f"{NAME}.pcf",
                               "--asc", f"{NAME}.asc", "--report", "place.json", "--seed", str(seed),
                               "--timing-allow-fail"], folder, Stall())
    return json.loads((folder / "place.json").read_text())


def place_best(board: Board, seeds: range, folder: Path, progress: Progress) -> tuple[int, dict[str, Any]]:
    """The fastest of several placements, which is the one left in the folder; its seed and report.

    Where a placement cannot be routed, one with a further seed is tried for it, at most `FURTHER` in all.
    """
    best: tuple[float, int, dict[str, Any], bytes] | None = None
    tries, further = list(seeds), 0
    for seed in tries:
        progress(f"place and route, seed {seed}")
        try:
            report = place(board, seed, folder)
        except BuildError as error:
            if STALLED not in str(error) or further == FURTHER:
                raise
            further += 1
            tries.append(tries[-1] + 1)
            continue
        if best is None or fmax_mhz(report) > best[0]:
            best = fmax_mhz(report), seed, report, (folder / f"{NAME}.asc").read_bytes()
    assert best is not None
    _, seed, report, asc = best
    (folder / f"{NAME}.asc").write_bytes(asc)
    return seed, report


def build(board: Board, config: ArrayConfig, *, out: Path, frequency: float | None = None,
          baud: int | None = None, seed: int = 1, seeds: int = 1,
          progress: Progress = lambda stage: None) -> dict[str, Any]:
    """Build the bitstream ``signum.bin`` and ``report.json`` in a folder.

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
    baud : int, optional
        Bits a second on the serial line; by default the board's.
    seed, seeds : int
        First seed of the placement, and how many are tried; the fastest result is kept.
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
    PLLError, BoardError
        If the clock or the baud rate cannot be had.
    """
    pll = board.pll(board.frequency if frequency is None else frequency)
    baud = board.baud if baud is None else baud
    baud_divisor(pll.frequency, baud)
    out.mkdir(parents=True, exist_ok=True)
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)
    progress("synthesis")
    counts = synthesize(board, config, pll, baud, out)
    seed, placed = place_best(board, range(seed, seed + seeds), out, progress)
    fmax, clock = fmax_mhz(placed), pll.frequency / 1e6
    use = utilization(placed)
    report = {
        "board": board.name,
        "device": board.device,
        "config": config.to_dict(),
        "binops_per_cycle": config.binops_per_cycle,
        **use,
        **counts,
        "cells_per_binop": round(use["lut"] / config.binops_per_cycle, 3),
        "pll_settings": {"reference_hz": pll.reference, "divr": pll.divr, "divf": pll.divf, "divq": pll.divq},
        "clock_mhz": clock,
        "fmax_mhz": round(fmax, 2),
        "met": fmax >= clock,
        "baud": baud,
        "seed": seed,
        "tools": {
            "amaranth": version("amaranth"),
            "yosys": version("pyosys"),
            "nextpnr-ice40": tool("nextpnr-ice40").version,
        },
        "critical_path": critical_path(placed),
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    try:
        check_clock(fmax, clock)
    except RuntimeError:
        (out / f"{NAME}.asc").unlink()
        raise
    progress("bitstream")
    run_tool("icepack", [f"{NAME}.asc", f"{NAME}.bin"], out)
    return report
