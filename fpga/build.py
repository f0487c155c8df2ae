"""From a board and a configuration to a bitstream and its report."""

import json
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hdl.config import ArrayConfig
from hdl.emit import EmitError, run_yosys

from .board import Board, baud_divisor
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

Progress = Callable[[str], None]


class BuildError(RuntimeError):
    """A tool that failed; in one line, with its last words."""


def run_tool(name: str, arguments: list[str], folder: Path) -> None:
    """Run a tool of `fpga.tools` in a folder; BuildError if it fails."""
    run = subprocess.run([str(tool(name).find()), *arguments], cwd=folder, text=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode:
        lines = [line.strip() for line in run.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line] or lines[-1:]
        raise BuildError(f"{name}: {errors[0] if errors else f'exit status {run.returncode}'}")


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


def part_doubled_inputs(netlist: dict[str, Any]) -> None:
    """Take a signal off both inputs of an iCE40 LUT whose carry cell has it on both; in place.

    Where the popcount passes a lane on to the next adder of a carry chain, both operands are that lane, and the
    sum is the carry from below alone. If LUT and carry cell stay together, nextpnr's routers rip up the two arcs
    of the one signal for ever.
    """
    for module in netlist["modules"].values():
        for cell in module["cells"].values():
            pins = cell["connections"]
            if cell["type"] == "SB_LUT4" and pins["I1"] == pins["I2"] and isinstance(pins["I1"][0], int):
                truth = int(cell["parameters"]["LUT_INIT"], 2)
                # bits 1 and 2 of a row's number are I1 and I2: only if they change nothing together
                rows = [truth >> i & 1 for i in range(16)]
                if all(rows[i] == rows[i | 6] for i in (0, 1, 8, 9)):
                    cell["parameters"]["LUT_INIT"] = "".join(str(rows[i & 9]) for i in reversed(range(16)))
                    pins["I1"] = pins["I2"] = ["0"]


def place(board: Board, seed: int, folder: Path) -> dict[str, Any]:
    """Place and route the netlist into ``signum.asc``, in time or not; returns nextpnr's report."""
    run_tool("nextpnr-ice40", [*board.place, "--json", f"{NAME}.json", "--pcf", f"{NAME}.pcf",
                               "--asc", f"{NAME}.asc", "--report", "place.json", "--seed", str(seed),
                               "--timing-allow-fail", "--quiet"], folder)
    return json.loads((folder / "place.json").read_text())


def place_best(board: Board, seeds: range, folder: Path, progress: Progress) -> tuple[int, dict[str, Any]]:
    """The fastest of several placements, which is the one left in the folder; its seed and report."""
    best: tuple[float, int, dict[str, Any], bytes] | None = None
    for seed in seeds:
        progress(f"place and route, seed {seed}")
        report = place(board, seed, folder)
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
