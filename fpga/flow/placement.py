"""Placement and routing by nextpnr, with several seeds, and routers that make no progress."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from .board_record import Board
from .report import fmax_mhz
from .tools import BuildError, run_tool

__all__ = ["STALLED", "Placed", "Progress", "place", "place_best"]

FURTHER = 3
DENSE = 0.9
STALLED = "the router makes no progress"

Progress = Callable[[str], None]
"""Called with the name of each stage as it begins."""


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


class Expected:
    """Notes the clocks that nextpnr expects of a placement, as in its report."""

    CLOCK = re.compile(r"Info: Max frequency for clock\s+'([^']+)':\s+([\d.]+) MHz \(\w+ at ([\d.]+) MHz\)")

    def __init__(self) -> None:
        self.report: dict[str, Any] = {"fmax": {}}

    def __call__(self, line: str) -> str:
        if found := self.CLOCK.match(line):
            self.report["fmax"][found[1]] = {"achieved": float(found[2]), "constraint": float(found[3])}
        return ""


def dense(board: Board, folder: Path) -> bool:
    """Whether the netlist takes more than the share `DENSE` of the block RAMs, of a family with options for that."""
    if not board.family.dense_options:
        return False
    counts = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    rams = sum(count for kind, count in counts.items() if kind.startswith(board.family.rams))
    return rams > DENSE * board.capacity.rams


def place(board: Board, seed: int, folder: Path, clock: float) -> dict[str, Any]:
    """Place and route the netlist for a clock in Hz, in time or not; returns nextpnr's report."""
    run_tool(board.family.place, [*options(board, seed, folder, clock), "--report", "place.json"], folder, Stall())
    return json.loads((folder / "place.json").read_text())


def options(board: Board, seed: int, folder: Path, clock: float) -> list[str]:
    """The options of nextpnr for a placement."""
    family = board.family
    further = family.dense_options if dense(board, folder) else ()
    return [*board.chip.place, *family.place_options, *further, "--freq", str(clock / 1e6), "--seed", str(seed),
            "--timing-allow-fail"]


def expected_mhz(board: Board, seed: int, folder: Path, clock: float) -> float:
    """Place without routing; returns the clock in MHz that nextpnr expects."""
    expected = Expected()
    run_tool(board.family.place, [*options(board, seed, folder, clock), "--no-route"], folder, expected)
    return round(fmax_mhz(expected.report, clock / 1e6), 2)


class Placed(NamedTuple):
    """The fastest of several placements, with nextpnr's report; the MHz of each seed, and seeds that did not route.

    Of a dense design also the MHz that nextpnr expects of each seed without routing.
    """

    seed: int
    report: dict[str, Any]
    reached: dict[int, float]
    stalled: list[int]
    expected: dict[int, float]


def place_best(board: Board, seeds: range, folder: Path, clock: float, progress: Progress) -> Placed:
    """Place several times; the fastest placement is the one left in the folder.

    Where a placement cannot be routed, one with a further seed is tried for it, at most `FURTHER` in all. Routing a
    dense design takes hours: of its placements only the one of which nextpnr expects the fastest clock is routed, or,
    where it cannot be, the next one.
    """
    routed = folder / board.family.routed
    best: tuple[int, dict[str, Any], bytes] | None = None
    reached: dict[int, float] = {}
    stalled: list[int] = []
    tries, most = list(seeds), len(seeds)
    expected: dict[int, float] = {}
    if most > 1 and dense(board, folder):
        for seed in seeds:
            progress(f"place, seed {seed}")
            expected[seed] = expected_mhz(board, seed, folder, clock)
        tries, most = sorted(seeds, key=lambda seed: -expected[seed]), 1
    for seed in tries:
        if len(reached) == most:
            break
        progress(f"place and route, seed {seed}")
        try:
            report = place(board, seed, folder, clock)
        except BuildError as error:
            if STALLED not in str(error) or len(stalled) == FURTHER:
                raise
            stalled.append(seed)
            tries.append(max(tries) + 1)
            continue
        reached[seed] = round(fmax_mhz(report, clock / 1e6), 2)
        if best is None or reached[seed] > reached[best[0]]:
            best = seed, report, routed.read_bytes()
    assert best is not None
    seed, report, content = best
    routed.write_bytes(content)
    return Placed(seed, report, reached, stalled, expected)
