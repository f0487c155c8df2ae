"""What a build came to, from the JSON reports of the tools."""

from collections.abc import Mapping
from typing import Any

from .families import Family

__all__ = ["ReportError", "TimingError", "cells", "check_clock", "critical_path", "fmax_mhz", "table",
           "utilization"]


class ReportError(RuntimeError):
    """A report in which something is missing."""


class TimingError(RuntimeError):
    """A design that is too slow for its clock."""


def utilization(report: Mapping[str, Any], family: Family) -> dict[str, int]:
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


def slowest(report: Mapping[str, Any]) -> str:
    """Name of the clock that is nearest to its constraint, or furthest below it."""
    clocks = report.get("fmax", {})
    if not clocks:
        raise ReportError("the report of nextpnr must give the frequency of a clock")
    return min(clocks, key=lambda name: clocks[name]["achieved"] / clocks[name]["constraint"])


def fmax_mhz(report: Mapping[str, Any]) -> float:
    """Highest frequency in MHz of the clock that matters."""
    return float(report["fmax"][slowest(report)]["achieved"])


def critical_path(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The slowest path within the clock that matters: cells and nets in order, each with its delay in ns."""
    clock = slowest(report)
    for path in report.get("critical_paths", []):
        if path["from"].endswith(f" {clock}") and path["to"].endswith(f" {clock}"):
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
        ("serial line", f"{report['baud']} baud"),
        ("seed", str(report["seed"])),
    ]
