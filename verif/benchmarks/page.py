"""docs/performance.md, from the recorded JSON of every benchmark: how far each goal is met, and the tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signum.verif.benchmarks.record import RECORDED, Row, load

__all__ = ["GOALS", "PAGE", "Goal", "goal_rows", "page", "write"]

PAGE = RECORDED.parent / "performance.md"

Rows = list[Row]


@dataclass(frozen=True)
class Goal:
    """A figure that is wanted.

    Parameters
    ----------
    benchmark : str
    text : str
        What is wanted.
    value : callable
        Of the benchmark's rows; the figure, or None where it was not measured.
    bound : float
    most : bool
        The bound is the largest figure that will do, not the least.
    binds : str
        What stands between the figure and the goal, or what the figure rests on.
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
    """The best median clock of an array of at least so many operations a cycle, on boards whose names begin so."""
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
    """The least over networks of what the best array of a size makes of all layers but the first, in per cent."""
    def value(rows: Rows) -> float | None:
        best = [extreme(max, "utilization", network=name, mode=mode, binops_per_cycle=binops)(rows)
                for name in networks]
        known = [found for found in best if found is not None]
        return 100 * min(known) if known else None
    return value


def packed_cells(family: str, unit: str, popcount: str) -> Callable[[Rows], float | None]:
    """Cells a binary operation at 64 lanes: as nextpnr packs them, where that was counted."""
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
         binds="does not fit: 4 x 8 elements of 32 lanes take 5,160 LUT4s before packing, with 2,806 flip-flops, and "
               "the UP5K has 5,280 logic cells; 512 operations run at 38 MHz"),
    Goal("clock", "ECP5, 2,048 operations a cycle: MHz", fmax("ulx3s", 2048), 150,
         binds="a word that a tile hands to the next one, and the first level of an element's popcount there"),
    Goal("clock", "ECP5, 16,384 operations a cycle: MHz", fmax("ulx3s", 16384), 120,
         binds="the reset's way to a register of the array at the other end of the chip, which is not reset any more "
               "since"),
    Goal("clock", "Gowin GW1NR-9: MHz", fmax("tang_nano_9k", 1), 100),
    Goal("clock", "ECP5, most binary operations a second: 10^12", tera_operations, 8,
         binds="16,384 operations on an LFE5U-85F, in 44,728 of its 83,640 logic cells; the goal would take 24,576 at "
               "163 MHz"),
    Goal("networks", "about 2,048, in a batch, all layers but the first: %",
         utilizations("batch", 2048, *CONVOLUTIONAL), 97),
    Goal("networks", "about 2,048, in a batch, SFC: %", utilizations("batch", 2048, "sfc"), 97,
         binds="its layers take 512, 512 and 24 cycles, the pause between two 21, in which the last word is on its way "
               "to the banks and the next layer's first pixel is dealt, and the end of a run 40"),
    Goal("networks", "about 2,048, one image alone, CNV: %", utilizations("split", 2048, "cnv"), 92),
    Goal("networks", "about 2,048, one image alone, ResNet-18 and VGG-small: %",
         utilizations("split", 2048, "resnet18", "vgg_small"), 92),
    Goal("networks", "about 2,048, one image alone, digits: %", utilizations("split", 2048, "digits"), 92,
         binds="the pauses between its four short layers, and a last layer of 10 channels on 32 columns"),
    Goal("networks", "about 2,048, one image alone, fully connected networks: %",
         utilizations("split", 2048, "sfc", "lfc"), 92,
         binds="their maps have one pixel, so only an array of one row is full; SFC's layers take 8 to 32 cycles on "
               "it, and the pause between two 18"),
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
    "once are bound by it. The cycles of the table of networks do not hold what is loaded, those of weight "
    "streaming do.",
    "Layers do not overlap: the next one begins when the last result of the one before is stored.",
)


def figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def goal_rows(found: dict[str, Rows]) -> list[list[str]]:
    """Each goal, its bound, our figure, whether it is met, and what binds it."""
    table = []
    for goal in GOALS:
        value = goal.value(found[goal.benchmark]) if goal.benchmark in found else None
        table.append([goal.text, f"{'at most' if goal.most else 'at least'} {figure(goal.bound)}",
                      f"**{figure(value)}**" if value is not None else "not measured",
                      ("yes" if goal.met(value) else "no") if value is not None else "",
                      goal.binds])
    return table


def markdown(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def value_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in value.items() if share >= 0.0005) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"
    return "" if value is None else str(value).replace("_", " ")


TITLES = {
    "area": "Area",
    "clock": "Clock",
    "networks": "Networks",
    "streaming": "Weight streaming",
    "generator": "Generator",
    "simulation": "Simulation",
}

NOTES = {
    "area": "LUT4s, with 2 for a CCU2C of ECP5 and 1 for an ALU of Gowin; on iCE40 logic cells after packing. One "
            "register stage in each popcount. The baseline is a plain `sum()` in Amaranth with each flow's default "
            "flags.",
    "clock": "Fmax over several seeds of the placement, whole accelerator with its host link.",
    "networks": "Cycles an image with the first layer; utilisation of all other layers, of the first one, and of all; "
                "what is lost behind the first layer, and to what. *split* is one image on all rows, *batch* one on "
                "each. Where `confirmed in rtl` says so, the RTL's own counter was equal in the same run. Inputs: "
                "digits 16 levels, CNV and VGG-small 7 levels a colour, ResNet-18 eight bit planes, SFC and LFC black "
                "and white.",
    "streaming": "An image alone, with random weights. CNV, VGG-small and ResNet-18 on 2 x 32 elements of 32 lanes "
                 "that hold nothing of the network before: a stage's weights come over a link of so many 32-bit words "
                 "a cycle while the stage before runs; between two come programs, thresholds and maps. 0.5 is the bus "
                 "at its fastest, at 50 MHz the others are 100 and 6 Mbit/s. The digits network and SFC on the "
                 "smallest board, over a serial line of 1 Mbaud at 30 MHz: all of it over that line for each image, or "
                 "from a loader in the UP5K's single-port RAMs (32,768 words), with only maps and results over the "
                 "line.",
    "generator": "Wall time of `make verilog`, and how long Yosys and Verilator take to read the file.",
    "simulation": "Cycles a second of 8 x 8 elements of 32 lanes that run the digits network; the ratio is to cocotb's "
                  "runner with its default flags, in the same run.",
}


def section(name: str, content: dict[str, Any]) -> str:
    rows: Rows = content["rows"]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    versions = ", ".join(f"{tool} {version}" for tool, version in content["tools"].items())
    tools = f" ({versions})" if versions else ""
    table = markdown([column.replace("_", " ") for column in columns],
                     ([value_text(row.get(column)) for column in columns] for row in rows))
    return f"\n## {TITLES[name]}\n\n`make bench-{name}`{tools}. {NOTES[name]}\n\n{table}"


def page(contents: dict[str, dict[str, Any]]) -> str:
    """The page of some benchmarks' JSON, by name."""
    found = {name: content["rows"] for name, content in contents.items()}
    goals = markdown(["goal", "bound", "figure", "met", "what binds it"], goal_rows(found))
    missing = "".join(f"* {line}\n" for line in MISSING)
    return ("# Performance\n\nWhat the array costs and how fast it is. `make bench` measures everything again and "
            "writes this page; `make bench-NAME` measures one table, and the figures are in "
            "`docs/performance/NAME.json`. Areas and cycles repeat exactly, and the tests hold them against "
            "these files; seconds are those of one machine.\n\n"
            f"{goals}\nNot there yet:\n\n{missing}"
            + "".join(section(name, contents[name]) for name in TITLES if name in contents))


def write(path: Path = PAGE, folder: Path = RECORDED) -> Path:
    """Write the page from what is recorded."""
    contents = {name: load(name, folder) for name in TITLES if (folder / f"{name}.json").exists()}
    path.write_text(page(contents))
    return path
