"""docs/performance.md from the records of the benchmarks: goals, and a row for each network, family and board."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signum.fpga.flow.boards import BOARDS
from signum.verif.benchmarks.figures import figure, formatted
from signum.verif.benchmarks.record import RECORDED, Row, load, markdown

__all__ = ["GOALS", "PAGE", "Goal", "goal_rows", "page", "recorded_page"]

PAGE = RECORDED.parent / "performance.md"
SHOWN, SHOWN_TEXT = "2x32x32, drain 8", "2 x 32 elements of 32 lanes with a drain of 8, 2,048 operations a cycle"
CLOCK = BOARDS["ulx3s-12f"].frequency

DEFINITION = (
    "A *cell* is a logic cell as nextpnr packs it on iCE40: a LUT4, its flip-flop and its carry, whichever of them are "
    "used. On ECP5 and Gowin a cell is a LUT4 of Yosys's netlist; a CCU2C of ECP5 counts as two and an ALU of Gowin as "
    "one. All areas on these pages are cells, unless \"before packing\" stands beside them.")

Rows = list[Row]


@dataclass(frozen=True)
class Goal:
    """A goal for a figure.

    Parameters
    ----------
    benchmark : str
    text : str
        The goal.
    value : callable
        The figure from the benchmark's rows, or None where it was not measured.
    bound : float
    most : bool
        The bound is an upper bound, not a lower bound.
    binds : str
        The obstacle between the figure and the goal, or the basis of the figure; names of figures in braces.
    """

    benchmark: str
    text: str
    value: Callable[[Rows], float | None]
    bound: float
    most: bool = False
    binds: str = ""

    def met(self, value: float) -> bool:
        return value <= self.bound if self.most else value >= self.bound


def only(rows: Rows, /, **wanted: Any) -> Rows:
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def extreme(pick: Callable[[Iterable[float]], float], name: str, /, **wanted: Any) -> Callable[[Rows], float | None]:
    """The smallest or the largest value of a column over some rows."""
    def value(rows: Rows) -> float | None:
        found = [row[name] for row in only(rows, **wanted) if row.get(name) is not None]
        return pick(found) if found else None
    return value


def percent(value: Callable[[Rows], float | None]) -> Callable[[Rows], float | None]:
    def scaled(rows: Rows) -> float | None:
        found = value(rows)
        return None if found is None else 100 * found
    return scaled


def fmax(prefix: str, operations: int) -> Callable[[Rows], float | None]:
    """The best median clock of an array of at least ``operations`` a cycle, on boards with a prefix of their names."""
    def value(rows: Rows) -> float | None:
        found = [row["fmax_mhz_median"] for row in rows
                 if row["board"].startswith(prefix) and row["binops_per_cycle"] >= operations]
        return max(found) if found else None
    return value


def tera_operations(rows: Rows) -> float | None:
    """The most binary operations a second, two for a lane and cycle."""
    found = [2e-6 * row["binops_per_cycle"] * row["fmax_mhz_best"] for row in rows if row["board"].startswith("ulx3s")]
    return max(found) if found else None


def whole_network(name: str, mode: str, binops: int) -> Callable[[Rows], float | None]:
    return extreme(min, "cycles", network=name, mode=mode, binops_per_cycle=binops)


def utilizations(mode: str, binops: int, *networks: str) -> Callable[[Rows], float | None]:
    """The least utilisation over networks, on the best array of a size, of all layers but the first, in per cent."""
    def value(rows: Rows) -> float | None:
        best = [extreme(max, "utilization", network=name, mode=mode, binops_per_cycle=binops)(rows)
                for name in networks]
        known = [found for found in best if found is not None]
        return 100 * min(known) if known else None
    return value


def packed_cells(family: str, unit: str, popcount: str) -> Callable[[Rows], float | None]:
    """Cells a binary operation at 64 lanes, after packing by nextpnr where available."""
    def value(rows: Rows) -> float | None:
        which = {"family": family, "unit": unit, "popcount": popcount, "lanes": 64}
        found = extreme(min, "packed_cells_per_binop", **which)(rows)
        return extreme(min, "cells_per_binop", **which)(rows) if found is None else found
    return value


AREA_NOTES = {
    "ice40": "logic cells after packing",
    "ecp5": "after packing",
    "gowin": "counted by Yosys; packing was not",
}
AREA_GOALS = (("ice40", "portable", "pe", 2.5), ("gowin", "portable", "pe", 2.5), ("ecp5", "portable", "pe", 2.8),
              ("ecp5", "mapped", "pe", 2.2), ("ice40", "portable", "array", 2.8), ("gowin", "portable", "array", 2.8),
              ("ecp5", "mapped", "array", 2.6))

CONVOLUTIONAL = ("digits", "lfc", "cnv", "vgg_small", "resnet18")

GOALS = (
    *(Goal("area", f"{family}, {popcount}: cells a binary operation, {unit}, 64 lanes",
           packed_cells(family, unit, popcount), bound, most=True, binds=AREA_NOTES[family])
      for family, popcount, unit, bound in AREA_GOALS),
    Goal("clock", "iCE40 UP5K, 1,024 operations a cycle: MHz", fmax("icebreaker", 1024), 36,
         binds="does not fit: 512 operations take {demo/lut} of {demo/lut_capacity} logic cells, and run at "
               "{clock/icebreaker/icebreaker/fmax_mhz_median} MHz"),
    Goal("clock", "ECP5, 2,048 operations a cycle: MHz", fmax("ulx3s", 2048), 150,
         binds="the path of a word from a tile to the next one, and the first level of a popcount there"),
    Goal("clock", "ECP5, 16,384 operations a cycle: MHz", fmax("ulx3s", 16384), 120,
         binds="when it was measured, the reset's path to a register at the far end of the chip; that register is no "
               "longer reset"),
    Goal("clock", "Gowin GW1NR-9: MHz", fmax("tang_nano_9k", 1), 100),
    Goal("clock", "ECP5, most binary operations a second: 10^12", tera_operations, 8,
         binds="16,384 operations on an LFE5U-85F, in {clock/ulx3s-85f/ecp5_85f/lut} of its "
               "{clock/ulx3s-85f/ecp5_85f/lut_capacity} logic cells; the goal would take 24,576 at 163 MHz"),
    Goal("networks", "about 2,048, in a batch, all layers but the first: %",
         utilizations("batch", 2048, *CONVOLUTIONAL), 97),
    Goal("networks", "about 2,048, in a batch, SFC: %", utilizations("batch", 2048, "sfc"), 97,
         binds="the pauses between its short layers, in which the last word travels to the banks and the next layer's "
               "first pixel is dispatched, and the end of a run"),
    Goal("networks", "about 2,048, one image alone, CNV: %", utilizations("split", 2048, "cnv"), 92),
    Goal("networks", "about 2,048, one image alone, ResNet-18 and VGG-small: %",
         utilizations("split", 2048, "resnet18", "vgg_small"), 92),
    Goal("networks", "about 2,048, one image alone, digits: %", utilizations("split", 2048, "digits"), 92,
         binds="the pauses between its four short layers, and a last layer of 10 channels on 32 columns"),
    Goal("networks", "about 2,048, one image alone, fully connected networks: %",
         utilizations("split", 2048, "sfc", "lfc"), 92,
         binds="their maps have one pixel, so only an array of one row is full; there the layers of SFC are about as "
               "short as the pause between two"),
    Goal("networks", "about 2,048, CNV in a batch, first layer included: cycles an image",
         whole_network("cnv", "batch", 2048), 34000, most=True,
         binds="thermometer code of 7 levels a colour, the 189 taps of a window packed into 6 words by the host"),
    Goal("networks", "16,384, in a batch: %", utilizations("batch", 16384, *CONVOLUTIONAL), 90),
    Goal("networks", "16,384, in a batch, SFC: %", utilizations("batch", 16384, "sfc"), 90,
         binds="the same pause between layers, of which each takes half as long"),
    Goal("generator", "64 x 64 elements of 32 lanes: seconds", extreme(min, "seconds", rows=64, cols=64, lanes=32), 5,
         most=True),
    Goal("generator", "64 x 64 elements of 32 lanes: bytes", extreme(min, "bytes", rows=64, cols=64, lanes=32), 300000,
         most=True),
    Goal("simulation", "Verilator without cocotb, times the rate of cocotb's default flags",
         extreme(max, "ratio", simulator="Verilator without cocotb"), 5),
)
"""In the order of the page."""

MISSING = (
    "Streaming (`golden/compiler/weight_streaming.py`) loads a stage's weights while the one before runs; programs, "
    "thresholds and maps still come between the two. A loader sends a word in two cycles, so layers that use a weight "
    "once are bound by it. The cycles of `make bench-networks` leave loading out, those of "
    "`make bench-streaming` include it.",
    "Layers do not overlap: the next one begins when the last result of the one before is stored.",
)


def bound_by(goal: Goal) -> str:
    """The bottleneck of a goal, with its figures."""
    return re.sub(r"\{(.+?)\}", lambda found: figure(found[1]), goal.binds)


def goal_rows(found: Mapping[str, Rows]) -> list[list[str]]:
    """Each goal, its bound, our figure, whether it is met, the command, and its bottleneck."""
    table = []
    for goal in GOALS:
        value = goal.value(found[goal.benchmark]) if goal.benchmark in found else None
        table.append([goal.text, f"{'at most' if goal.most else 'at least'} {formatted(goal.bound)}",
                      f"**{formatted(float(value))}**" if value is not None else "not measured",
                      ("yes" if goal.met(value) else "no") if value is not None else "",
                      f"`make bench-{goal.benchmark}`", bound_by(goal)])
    return table


def network_rows(rows: Rows) -> list[list[str]]:
    """Each network on the array of `SHOWN`: an image of a batch, and an image alone."""
    table = []
    for name in dict.fromkeys(row["network"] for row in rows):
        line = [name]
        for mode in ("batch", "split"):
            row, = only(rows, network=name, array=SHOWN, mode=mode)
            line += [f"{row['cycles']:,.0f}", f"{100 * row['utilization']:.1f} %",
                     f"{100 * row['utilization_whole']:.1f} %", f"{CLOCK / row['cycles']:,.0f}"]
        table.append(line)
    return table


def area_rows(rows: Rows) -> list[list[str]]:
    """Each family and popcount: elements of 32 and 64 lanes, and cells for an operation."""
    table = []
    for family, popcount in dict.fromkeys((row["family"], row["popcount"]) for row in rows):
        of_family = only(rows, family=family, popcount=popcount)
        small, = only(of_family, unit="pe", lanes=32)
        large, = only(of_family, unit="pe", lanes=64)
        array, = only(of_family, unit="array", lanes=64)
        table.append([family, popcount, str(small["cells"]), str(large["cells"]), f"{large['cells_per_binop']:.2f}",
                      f"{array['cells_per_binop']:.2f}", f"{large['baseline_cells_per_binop']:.2f}"])
    return table


def clock_rows(rows: Rows) -> list[list[str]]:
    """Each board and preset."""
    return [[row["board"], row["preset"], f"{row['binops_per_cycle']:,}",
             f"{row['lut']:,} of {row['lut_capacity']:,}", f"{row['fmax_mhz_median']:.1f}",
             f"{row['fmax_mhz_best']:.1f}", str(len(row["seeds"])), row["placer"]]
            for row in sorted(rows, key=lambda row: (row["binops_per_cycle"], row["board"]))]


def tools_of(content: Mapping[str, Any]) -> str:
    return ", ".join(f"{tool} {version}" for tool, version in content["tools"].items())


def page(contents: Mapping[str, Mapping[str, Any]]) -> str:
    """The page from the JSON of benchmarks, by name."""
    found = {name: content["rows"] for name, content in contents.items()}
    sections = [
        "# Performance\n\nThe cost of the array and its speed. `make bench` measures all of it again, "
        "`make bench-NAME` one benchmark. Every measured row is in "
        "`docs/performance/NAME.json`, and `make bench-table NAME=networks` prints the rows of one record as a table. "
        "This page has the goals and a summary; `make pages` writes it from the records. Areas and cycles repeat "
        "exactly, and the tests hold the records against them; seconds and clocks are those of one machine.\n\n"
        + DEFINITION + "\n\n## Goals\n\n"
        + markdown(["goal", "bound", "reached", "met", "command", "limit"], goal_rows(found)),
        "\nNot there yet:\n\n" + "".join(f"* {line}\n" for line in MISSING)]
    if "networks" in found:
        sections.append(
            f"\n## Networks\n\n`make bench-networks`. On {SHOWN_TEXT}: cycles an image with the first layer, "
            f"utilisation of the layers behind the first and of all layers, and images a second at {CLOCK / 1e6:g} MHz,"
            " the clock of the ECP5 boards. In a *batch* each row has an image of its own; an image *alone* is split "
            "over the rows. Memories are large enough for the whole network. Inputs: digits 16 levels, CNV and "
            "VGG-small 7 levels a colour, ResNet-18 eight bit planes, SFC and LFC black and white. The record has nine "
            "arrays of four sizes, and the losses of each.\n\n"
            + markdown(["network", "batch: cycles", "behind the first", "all", "images/s",
                        "alone: cycles", "behind the first", "all", "images/s"], network_rows(found["networks"])))
    if "area" in found:
        sections.append(
            f"\n## Area\n\n`make bench-area` ({tools_of(contents['area'])}). Cells of an element with one register "
            "stage in its popcount and an accumulator of 12 bits; an array is 8 x 8 elements with the registers between"
            " its tiles. The plain element is a `sum()` in Amaranth with the default flags of each flow. The record has"
            " rows and whole accelerators, and 16 and 128 lanes, too.\n\n"
            + markdown(["family", "popcount", "element, 32 lanes", "element, 64 lanes", "an operation: element of 64",
                        "array of 64", "plain element of 64"], area_rows(found["area"])))
    if "clock" in found:
        sections.append(
            "\n## Clock\n\n`make bench-clock`. Fmax in MHz of the whole accelerator with its serial link, over the "
            "seeds of the placement.\n\n"
            + markdown(["board", "preset", "operations a cycle", "logic cells", "median", "best", "seeds", "placer"],
                       clock_rows(found["clock"])))
    return "".join(sections)


def recorded_page(folder: Path = RECORDED) -> str:
    """The page from all records."""
    return page({name: load(name, folder) for name in ("area", "clock", "networks", "generator", "simulation")})
