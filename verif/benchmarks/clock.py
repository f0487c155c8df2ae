"""The highest clock of whole accelerators with their host link, over several seeds of the placement.

`make bench-clock` places the cases of `QUICK`. The larger presets take minutes to an hour a seed; each is measured by
`signum clock --board ulx3s-12f --preset ecp5_2k`, which adds its row to
build/bench/clock.json, or taken with `--built build/BOARD` from the report of `make bitstream BOARD=... SEEDS=5`.
"""

import statistics
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.build import synthesize
from signum.fpga.flow.families import BOARD_FAMILIES
from signum.fpga.flow.placement import STALLED, place
from signum.fpga.flow.report import ReportError, board_row, critical_path, fmax_mhz, utilization
from signum.fpga.flow.tools import BuildError, tool
from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks.record import BUILD, RECORDED, Row, load, save, versions

__all__ = ["QUICK", "SEEDS", "built", "case", "keep", "measure"]

SEEDS = 5
QUICK = (("ice40_hx8k_b_evn", "small", 48e6), ("ulx3s-12f", "small_registered", 150e6),
         ("tang_nano_9k", "small_registered", 108e6))
"""Boards, presets that place in a minute a seed, and target clocks in Hz."""


def case(name: str, preset: str, seeds: Iterable[int], console: Console, *, frequency: float | None = None,
         folder: Path = BUILD) -> Path:
    """Place a preset on a board once for each seed, for a clock in Hz (by default the board's), into ``clock.json``.

    The row is written after each seed. A seed on which the router stalls is listed and left out.
    """
    board, config = board_named(name), ArrayConfig.preset(preset)
    pll, line = board.pll(board.frequency if frequency is None else frequency), board.line()
    placer = f"{board.family.place} {tool(board.family.place).version}"
    reached: dict[int, float] = {}
    stalled = []
    path = ""
    with tempfile.TemporaryDirectory() as place_name:
        place_folder = Path(place_name)
        synthesize(board, board.design(config, pll, line), line, place_folder)
        for seed in seeds:
            try:
                report = place(board, seed, place_folder, pll.frequency)
            except BuildError as error:
                if STALLED not in str(error):
                    raise
                stalled.append(seed)
                continue
            use = utilization(report, board.family)
            reached[seed] = round(fmax_mhz(report, pll.frequency / 1e6), 2)
            if reached[seed] == max(reached.values()):
                path = path_text(critical_path(report, pll.frequency / 1e6))
            console.print(f"{name} {preset}, seed {seed}: {reached[seed]} MHz", highlight=False)
            written = keep(clock_row(name, preset, pll.frequency / 1e6, reached, stalled, use, path, placer), folder)
    if not reached:
        raise BuildError(f"{board.family.place}: {STALLED} with any seed")
    return written


def path_text(path: Sequence[Mapping[str, Any]]) -> str:
    """Begin and end of a critical path, and its number of cells."""
    cells = list(dict.fromkeys(step["to"] for step in path))
    return f"{cells[0]} to {cells[-1]}, {len(cells)} cells" if cells else ""


def clock_row(board: str, preset: str, wanted: float, reached: Mapping[Any, float], stalled: Sequence[int],
              use: Mapping[str, int], path: str, placer: str) -> Row:
    """A row of the table: the MHz of each seed, the requested MHz, the slowest path of the best seed,
    and the placement tool with its version."""
    return {"board": board, "preset": preset, "binops_per_cycle": ArrayConfig.preset(preset).binops_per_cycle,
            "fmax_mhz_median": round(statistics.median(reached.values()), 2),
            "fmax_mhz_best": max(reached.values()), "wanted_mhz": round(wanted, 2),
            "seeds": [int(seed) for seed in reached], "stalled_seeds": list(stalled), "lut": use["lut"],
            "lut_capacity": use["lut_capacity"], "placer": placer, "critical_path_of_best": path}


def built(report: Mapping[str, Any], folder: Path = BUILD) -> Path:
    """Take the row from the report of a build (`fpga.flow.build.build`) of a preset."""
    preset = board_row(report)["preset"]
    if not preset:
        raise ReportError(f"the build for {report['board']} must be of a preset")
    place_tool = BOARD_FAMILIES[report["family"]].place
    return keep(clock_row(report["board"], preset, report["clock_mhz"], report["fmax_mhz_by_seed"],
                          report["stalled_seeds"], report, path_text(report["critical_path"]),
                          f"{place_tool} {report['tools'][place_tool]}"), folder)


def replaced(row: Row, rows: Sequence[Row]) -> list[Row]:
    """The rows with ``row`` in place of the row of its board and preset."""
    key = row["board"], row["preset"]
    return [*(each for each in rows if (each["board"], each["preset"]) != key), row]


def keep(row: Row, folder: Path = BUILD) -> Path:
    """Add a row to ``clock.json`` in a folder; the file is a copy of the recorded rows at first."""
    known = load("clock", folder if (folder / "clock.json").exists() else RECORDED)["rows"]
    tools = versions("yosys", *(family.place for family in BOARD_FAMILIES.values()))
    return save("clock", replaced(row, known), tools, folder)


def measure(console: Console) -> Path:
    """Measure `QUICK` into build/bench/clock.json; rows of other cases are kept."""
    for name, preset, frequency in QUICK:
        path = case(name, preset, range(1, SEEDS + 1), console, frequency=frequency)
    return path
