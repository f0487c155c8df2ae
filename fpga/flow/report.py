"""The results of a build, from the JSON reports of the tools."""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any

from signum.hdl.config import ArrayConfig
from signum.hdl.lib.folders import REPOSITORY
from signum.hdl.presets import PRESETS

from .families.family import BoardFamily, Family

__all__ = ["BOARDS_REPORT", "RECORDED_BOARDS", "ReportError", "TimingError", "board_row", "boards_table", "cells",
           "check_clock", "critical_path", "fmax_mhz", "keep_board_row", "load_board_rows", "save_board_rows", "table",
           "utilization"]

BOARDS_REPORT = Path("build/boards/report.json")
"""Results of `signum build`, a row for each board and preset."""

RECORDED_BOARDS = REPOSITORY / "docs" / "performance" / "boards.json"
"""Results of earlier builds; their rows fill in for boards without a build here."""

SAME = 0.01     # relative difference of two numbers for one clock


class ReportError(RuntimeError):
    """A report in which something is missing."""


class TimingError(RuntimeError):
    """A design that is too slow for its clock."""


def utilization(report: Mapping[str, Any], family: BoardFamily) -> dict[str, int]:
    """Used and available resources of nextpnr's report: ``lut`` (logic cells), ``lut_capacity``, and so on.

    A resource that the device lacks counts as 0 of 0.

    Raises
    ------
    ReportError
        If the report says nothing of logic cells.
    """
    found = report.get("utilization", {})
    if family.resources["lut"][0] not in found:
        raise ReportError(f"the report of nextpnr must give the use of {family.resources['lut'][0]}")
    counts = {}
    for name, kinds in family.resources.items():
        counts[name] = sum(int(found.get(kind, {}).get("used", 0)) for kind in kinds)
        counts[f"{name}_capacity"] = int(found.get(kinds[0], {}).get("available", 0))
    return counts


def cells(statistics: Mapping[str, Any], family: Family) -> dict[str, int]:
    """Cells in Yosys's ``stat -json``: ``ff``, ``carry``, ``lut4`` without carries, and ``lut4_equivalents`` with them.
    """
    counts = statistics.get("design", {}).get("num_cells_by_type")
    if counts is None:
        raise ReportError("the statistics of Yosys must give the number of cells of each type")
    luts = sum(worth * counts.get(kind, 0) for kind, worth in family.luts.items())
    carries = sum(worth * counts.get(kind, 0) for kind, worth in family.carries.items())
    return {
        "ff": sum(count for kind, count in counts.items() if kind.startswith(family.flop)),
        "carry": sum(counts.get(kind, 0) for kind in family.carries),
        "lut4": luts,
        "lut4_equivalents": luts + carries,
    }


def slowest(report: Mapping[str, Any], clock: float) -> str:
    """Name of the clock that limits a design of ``clock`` MHz.

    The clock furthest below its constraint; where all are met, the slowest of those that run with the design. A line
    may have a clock of its own, of a fixed frequency.
    """
    clocks = report.get("fmax", {})
    if not clocks:
        raise ReportError("the report of nextpnr must give the frequency of a clock")

    def share(name: str) -> float:
        return float(clocks[name]["achieved"] / clocks[name]["constraint"])

    worst = min(clocks, key=share)
    own = [name for name in clocks if isclose(clocks[name]["constraint"], clock, rel_tol=SAME)]
    return worst if share(worst) < 1 else min(own or clocks, key=share)


def fmax_mhz(report: Mapping[str, Any], clock: float) -> float:
    """Highest frequency in MHz of a design of ``clock`` MHz.

    Of a clock of another frequency that misses its constraint, the same share of the design's: too little for it, too.
    """
    name = slowest(report, clock)
    limit = report["fmax"][name]
    same = isclose(limit["constraint"], clock, rel_tol=SAME)
    return float(limit["achieved"] if same else clock * limit["achieved"] / limit["constraint"])


def critical_path(report: Mapping[str, Any], clock: float) -> list[dict[str, Any]]:
    """The slowest path within the clock that limits a design of ``clock`` MHz: cells and nets in order, each with its
    delay in ns."""
    name = slowest(report, clock)
    for path in report.get("critical_paths", []):
        if path["from"].endswith(f" {name}") and path["to"].endswith(f" {name}"):
            return [{"kind": step["type"], "ns": round(step["delay"], 3), "from": step["from"]["cell"],
                     "to": step["to"]["cell"], "net": step.get("net", "")} for step in path["path"]]
    return []


def check_clock(fmax: float, clock: float) -> None:
    """TimingError, which says by how much, if a clock (MHz) is faster than the design."""
    if fmax < clock:
        raise TimingError(f"the clock must be at most {fmax:.2f} MHz, not {clock:.2f}: "
                          f"misses by {clock - fmax:.2f} MHz")


def table(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of a table for people: name and value."""
    def used(name: str) -> str:
        return f"{report[name]} of {report[f'{name}_capacity']}"

    array = report["config"]
    return [
        ("board", f"{report['board']} ({report['device']})"),
        ("array", f"{array['rows']} x {array['cols']} elements of {array['lanes']} lanes"),
        ("binary operations a cycle", str(report["binops_per_cycle"])),
        ("logic cells", f"{used('lut')} ({report['cells_per_binop']:.2f} a binary operation)"),
        ("flip-flops, carries", f"{report['ff']}, {report['carry']}"),
        ("block RAMs", used("ram")),
        ("clock", f"{report['clock_mhz']:.3f} MHz, at most {report['fmax_mhz']:.2f}"),
        ("line", report["line"]),
        ("seed", str(report["seed"])),
        *([("image in the flash", f"{report['flash_image_bytes']:,} bytes, read on {report['flash_lines']} lines"
            + (f", {report['stages']} stages" if report["stages"] else "")),
           ("power-up to the first answer", f"{report['power_up_ms']} ms")] if report.get("flash_image_bytes") else []),
    ]


def board_row(report: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a build's report in the table of boards; ``preset`` is empty for another configuration."""
    config = ArrayConfig.from_dict(report["config"])
    named = [name for name in PRESETS if ArrayConfig.preset(name) == config]
    kept = ("binops_per_cycle", "lut", "lut_capacity", "ram", "ram_capacity", "fmax_mhz", "clock_mhz", "seed")
    return {"board": report["board"], "device": report["device"], "family": report["family"],
            "preset": named[0] if named else "", **{name: report[name] for name in kept}}


def load_board_rows(path: Path = BOARDS_REPORT) -> list[dict[str, Any]]:
    """The rows that were kept, and those of `RECORDED_BOARDS`, marked as ``recorded``, for other boards and presets."""
    rows = {}
    for source, mark in ((RECORDED_BOARDS, True), (path, False)):
        for row in json.loads(source.read_text())["rows"] if source.exists() else []:
            if mark or not row.get("recorded"):
                rows[row["board"], row["preset"]] = row | {"recorded": mark}
    return [rows[key] for key in sorted(rows)]


def save_board_rows(rows: Iterable[Mapping[str, Any]], path: Path = BOARDS_REPORT) -> None:
    """Write the rows of the table of boards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rows": [dict(row) for row in rows]}, indent=1) + "\n")


def keep_board_row(row: Mapping[str, Any], path: Path = BOARDS_REPORT) -> None:
    """Add a row of a build, in place of that of the same board and preset."""
    rows = {(each["board"], each["preset"]): each for each in load_board_rows(path)}
    rows[row["board"], row["preset"]] = dict(row) | {"recorded": False}
    save_board_rows((rows[key] for key in sorted(rows)), path)


def boards_table(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Rows of a table for people, the first one its head: binary operations a cycle, and at the clock in units of
    10**9 a second, where a multiplication and its addition are two."""
    head = ("board", "preset", "a cycle", "LUT", "RAM", "Fmax, MHz", "clock, MHz", "peak, GOPS", "built")
    return [head, *((row["board"], row["preset"] or "-", str(row["binops_per_cycle"]),
                     f"{row['lut'] / row['lut_capacity']:.0%}", f"{row['ram'] / row['ram_capacity']:.0%}",
                     f"{row['fmax_mhz']:.1f}", f"{row['clock_mhz']:.1f}",
                     f"{2 * row['binops_per_cycle'] * row['clock_mhz'] / 1000:.1f}",
                     "before" if row["recorded"] else "here") for row in rows)]
