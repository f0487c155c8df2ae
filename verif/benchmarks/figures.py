"""Figures and tables for pages: values of the records in docs/performance, by name."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from signum.fpga.flow.boards import BOARDS
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.benchmarks.record import load, markdown
from signum.verif.plan.rows import STAGES, load_plan

__all__ = ["COMMANDS", "KEYS", "TABLES", "FigureError", "Table", "figure", "figures", "formatted"]

KEYS: Mapping[str, Sequence[str]] = {
    "area": ("family", "unit", "popcount", "lanes"),
    "boards": ("board", "preset"),
    "clock": ("board", "preset"),
    "elements": ("unit", "element_bits", "lanes", "way"),
    "exploration": ("network", "board"),
    "fuzz": ("target",),
    "generator": ("rows", "cols", "lanes", "tile"),
    "ladder": ("rung", "family"),
    "loader": ("loader",),
    "networks": ("network", "array", "mode"),
    "pins": ("board", "preset", "link", "network", "host_latency_ms"),
    "pixels": ("network", "mode"),
    "precision": ("layer", "a_bits", "w_bits"),
    "session": ("preset",),
    "simulation": ("simulator",),
    "streaming": ("network", "weights_from", "words_per_cycle"),
}
"""The key columns of each record."""

COMMANDS: Mapping[str, str] = {
    **{name: f"make bench-{name}" for name in KEYS}, "boards": "make boards", "camera": "make demo-camera",
    "coverage": "make coverage", "demo": "make demo", "faults": "make faults", "formal": "make formal",
    "fuzz": "make fuzz", "ladder": "make ladder", "mutate": "make mutate", "plan": "make plan", "soak": "make soak"}
"""The command of each record; a page that quotes a record names its command."""

EIGHT_BITS = 8

REPORTS = REPOSITORY / "docs" / "paper" / "reports.json"
"""The data of docs/paper.md."""


class FigureError(ValueError):
    """A figure that is in no record, or malformed; in one line."""


def slug(value: object) -> str:
    """A value as a part of a figure's name."""
    return re.sub(r"[^\w.]+", "-", str(value))


def flattened(prefix: str, value: Any) -> dict[str, Any]:
    """The values of nested objects by their paths, with "/" between the names."""
    if isinstance(value, Mapping):
        return {path: leaf for key, inner in value.items()
                for path, leaf in flattened(f"{prefix}/{slug(key)}", inner).items()}
    return {} if value is None or isinstance(value, list) else {prefix: value}


def element_ratios(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Ratio of the cells of an 8-bit and of a binary element, for words of the same width: the least and the largest
    over widths and families, for an element and for an operation."""
    rows = [row for row in rows if row["unit"] == "element"]
    binary = {row["word_bits"]: row for row in rows if row["element_bits"] == 1}
    ratios = [row[family] / binary[row["word_bits"]][family] for row in rows if row["element_bits"] == EIGHT_BITS
              for family in ("ice40", "ecp5")]
    return {"elements/ratio/least": min(ratios), "elements/ratio/most": max(ratios),
            "elements/operation_ratio/least": EIGHT_BITS * min(ratios),
            "elements/operation_ratio/most": EIGHT_BITS * max(ratios)}


@cache
def figures(name: str) -> Mapping[str, Any]:
    """All values of a record by their names: ``area/ice40/pe/portable/64/cells``, ``demo/cycles_measured``."""
    content = load(name)
    if name not in KEYS:
        return flattened(name, content)
    values = element_ratios(content["rows"]) if name == "elements" else {}
    for row in content["rows"]:
        key = "/".join(slug(row[column]) for column in KEYS[name] if column in row)
        values |= flattened(f"{name}/{key}", row)
    return values


def formatted(value: Any, how: str = "") -> str:
    """The text of a value by a Python format; a leading ``M`` divides by a million, and ``%`` is set apart from the
    number."""
    if how.startswith("M"):
        value, how = value / 1e6, how[1:]
    if how:
        return format(value, how).replace("%", " %")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def figure(reference: str) -> str:
    """The text of a figure by its reference: a name, and after a colon its format.

    Raises
    ------
    FigureError
        If the figure is in no record.
    """
    name, _, how = reference.partition(":")
    record = name.split("/")[0]
    values = figures(record) if record in COMMANDS else {}
    if name not in values:
        raise FigureError(f"a figure must be a value of a record of docs/performance, not {name}")
    try:
        return formatted(values[name], how)
    except (TypeError, ValueError):
        raise FigureError(f"the format of {name} must suit {values[name]!r}, not {how}") from None


def demo_table() -> str:
    report = load("demo")
    icebreaker = ArrayConfig.from_dict(report["config"])
    accuracies = ", ".join(f"{100 * report[f'accuracy_{which}']:.4g} %" for which in ("float", "pytorch", "rtl"))
    return markdown(["the digits network on an iCEBreaker (iCE40 UP5K), by `make demo`", ""], [
        ["binary operations a cycle", icebreaker.binops_per_cycle],
        [f"accuracy on {report['images']} held-out digits: float, binary, binary on RTL", accuracies],
        ["logits that differ from PyTorch's", f"{report['mismatches']} of {report['logits']:,}"],
        ["cycles an image, predicted and measured",
         f"{report['cycles_predicted']:,.0f}, {report['cycles_measured']:,.0f}"],
        ["utilisation of the array, all layers", f"{100 * report['utilization']:.1f} %"],
        ["logic cells, block RAMs", f"{report['lut']:,} of {report['lut_capacity']:,}, "
                                    f"{report['ram']} of {report['ram_capacity']}"],
        [f"Fmax; images a second at {report['clock_mhz']:.0f} MHz",
         f"{report['fmax_mhz']:.1f} MHz; {report['images_per_s']:,.0f}"],
    ])


def elements_table() -> str:
    rows = [row for row in load("elements")["rows"] if row["unit"] == "element"]
    by_width: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_width.setdefault(row["word_bits"], []).append(row)
    cells = []
    for width, pair in by_width.items():
        line: list[Any] = [width]
        for row in sorted(pair, key=lambda row: row["element_bits"]):
            line += [f"{row['lanes']} lane{'s' * (row['lanes'] > 1)}", f"{row['ice40']:,}", f"{row['ecp5']:,}"]
        cells.append(line)
    return markdown(["bits of a word", "1-bit elements", "iCE40", "ECP5", "8-bit elements", "iCE40", "ECP5"], cells)


def precision_table() -> str:
    cells = [[row["layer"], row["taps"], row["a_bits"], row["w_bits"], f"{row['cycles']:,}", f"{row['lower_bound']:,}",
              f"{row['cycles'] / row['lower_bound']:.3f}", row["mismatches"]] for row in load("precision")["rows"]]
    return markdown(["layer", "taps", "bits of an activation", "bits of a weight", "cycles", "steps at least", "ratio",
                     "mismatches"], cells)


def pixels_table() -> str:
    return markdown(
        ["network", "preset", "mode", "operations a cycle", "bytes in", "words of the host", "cycles of a run",
         "interval", "latency"],
        [[row["network"], f"`{row['preset']}`", row["mode"], f"{row['binops_per_cycle']:,}", f"{row['bytes_in']:,}",
          f"{row['host_words_in']:,}", f"{row['host_cycles']:,.1f}", f"{row['interval_cycles']:,.1f}",
          f"{row['latency_cycles']:,}"] for row in load("pixels")["rows"]])


def stream_units_table() -> str:
    return markdown(["preset", "unit", "iCE40", "ECP5", "Gowin"], [
        [f"`{row['preset']}`", row["unit"], *(f"{row[family]:,}" for family in ("ice40", "ecp5", "gowin"))]
        for row in load("pixels")["units"]])


def ladder_table() -> str:
    return markdown(["rung", "family", "logits", "wrong", "cycles of a run", "predicted", "cycles a second"], [
        [row["rung"], row["family"], row["logits"], row["wrong"], f"{row['cycles']:,}", f"{row['cycles_predicted']:,}",
         f"{row['cycles_per_s']:,}"] for row in load("ladder")["rows"]])


def pins_table() -> str:
    return markdown(
        ["board", "array", "link", "network", "clock, MHz", "latency of the host, ms", "images/s at the pins",
         "of the array", "of the line", "one image, ms", "power-up to the first answer, ms", "binds"],
        [[f"`{row['board']}`", f"`{row['preset']}`", row["link"], row["network"], f"{row['clock_mhz']:g}",
          f"{row['host_latency_ms']:g}",
          f"{row['images_per_s']:,}", f"{row['array_images_per_s']:,}", f"{row['line_images_per_s']:,}",
          *("" if row[name] is None else f"{row[name]:g}" for name in ("latency_ms", "power_up_ms")), row["binds"]]
         for row in load("pins")["rows"]])


def camera_table() -> str:
    found = load("camera")
    return markdown(["board and sensor", "frames", "answers unlike golden's", "broken frames, dropped",
                     "program in the flash", "begin of the program", "first answer", "frames a second"],
                    [[f"`{found['board']}`, {found['sensor'].upper()}", str(found["frames"]), str(found["mismatches"]),
                      f"{found['broken_frames']}, {found['broken_frames_dropped']}",
                      f"{found['flash_image_bytes']:,} bytes", f"{found['boot_ms']:g} ms",
                      f"{found['power_up_ms']:g} ms", f"{found['frames_per_s']:g}"]])


def faults_table() -> str:
    counts = load("faults")
    kinds = counts["kinds"]
    of_bytes = sum(kinds[kind] for kind in ("lost", "doubled", "flipped", "invented"))
    of_files = sum(count for kind, count in kinds.items() if kind.startswith("file, "))
    of_datagrams = sum(count for kind, count in kinds.items() if kind.startswith("datagram, "))
    return markdown(
        ["injected", "of bytes", "of datagrams", "of files", "resets, power, death, other array", "sent again",
         "loaded again",
         "refused", "answers taken", "wrong", "hangs"],
        [[f"{value:,}" for value in (
            counts["injected"], of_bytes, of_datagrams, of_files,
            counts["injected"] - of_bytes - of_datagrams - of_files, counts["retried"], counts["reloaded"],
            counts["refused"], counts["answers"], counts["wrong_accepted"], counts["hangs"])]])


def fuzz_table() -> str:
    return markdown(["target", "inputs", "accepted", "refused", "tracebacks", "hangs", "other faults"], [
        [f"`{row['target']}`", *(f"{row[name]:,}" for name in (
            "inputs", "accepted", "refused", "tracebacks", "hangs", "broken"))] for row in load("fuzz")["rows"]])


def formal_table() -> str:
    counts = Counter((row["unit"], row["method"]) for row in load("formal")["names"])
    return markdown(["unit", "method", "properties"], [[f"`{unit}`", method, count]
                                                       for (unit, method), count in counts.items()])


def plan_table() -> str:
    return markdown(["stage", "what it is", "rows"],
                    [[stage, STAGES[stage], f"{rows:,}"] for stage, rows in load("plan")["stages"].items()])


def gaps_table() -> str:
    return markdown(["feature", "corner", "stage", "why there is no test"], [
        [row.feature, row.corner, row.stage, row.gap] for row in load_plan().rows if not row.tests])


def tasks_table() -> str:
    """Scores of each task, and the cycles of its 8-bit network over those of its binary network, on equal LUT4s."""
    data = json.loads(REPORTS.read_text())
    cycles = {(row["network"], row["multiplier"]): row["ratio"] for row in data["cycles"] if row["equal"] == "LUT4"}
    return markdown(["task", "metric", "8-bit", "binary weights, m = 1", "fewer cycles", "m = 2", "fewer cycles"], [
        [name.replace("_", " "), report["metric"], f"{report['int8']:.1f}",
         *(text for m in (1, 2) for text in (f"{report[f'binary_m{m}']:.1f}", f"{cycles[name, m]:.1f}x"))]
        for name, report in data["tasks"].items()])


def mutate_table() -> str:
    report = load("mutate")
    sums = [{"unit": f"all of {name}", "level": "", **report[where]} for name, where in (
        ("the array", "array"), ("the hardware", "hardware"), ("the sources", "source"))]
    return markdown(["unit", "mutants", "equivalent", "killed", "survived", "score"], [
        [f"`{row['unit']}`" if row["level"] else row["unit"], *(f"{row[name]:,}" for name in (
            "mutants", "equivalent", "killed", "survived")), f"{100 * row['score']:.1f} %"]
        for row in (*report["rows"], *sums) if row["mutants"]])


def coverage_table() -> str:
    report = load("coverage")

    def of(row: Mapping[str, Any], part: str, whole: str) -> str:
        return f"{row[part]:,} of {row[whole]:,}" if row[whole] else ""

    return markdown(["unit", "lines", "toggles"], [
        [f"`{row['unit']}`" if "unit" in row else "all", of(row, "covered", "lines"), of(row, "toggled", "toggles")]
        for row in (*report["rows"], report)])


def uncovered_table() -> str:
    return markdown(["missed line", "source"], [
        [f"`{each['file']}:{each['line']}`", f"`{each['source']}`"]
        for each in load("coverage")["missed"]])


def unjudged_table() -> str:
    return markdown(["not judged in this record"], [[", ".join(f"`{name}`" for name in load("mutate")["missing"])]])


def survivors_table() -> str:
    return markdown(["unit", "change", "line", "reason"], [
        [f"`{each['unit']}`", *(f"`{text}`" if text else "" for text in (
            each["change"].replace("-module unit ", ""), each.get("line", ""))),
         each["reason"]] for each in load("mutate")["survivors"]])


def boards_table() -> str:
    return markdown(["board", "device", "crystal", "default clock", "default preset", "lines"], [
        [f"`{board.name}`", board.device, f"{board.crystal_frequency / 1e6:g} MHz", f"{board.frequency / 1e6:g} MHz",
         f"`{board.preset}`", ", ".join(f"`{name}`" for name in board.line_names)] for board in BOARDS.values()])


def builds_table() -> str:
    return markdown(["board", "preset", "operations a cycle", "logic cells", "block RAMs", "Fmax", "clock"], [
        [f"`{row['board']}`", f"`{row['preset']}`", f"{row['binops_per_cycle']:,}",
         f"{row['lut']:,} of {row['lut_capacity']:,}", f"{row['ram']} of {row['ram_capacity']}",
         f"{row['fmax_mhz']:.1f} MHz", f"{row['clock_mhz']:.0f} MHz"] for row in load("boards")["rows"]])


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Parameters
    ----------
    source : str
        The record, or the module, of its data.
    make : callable
        Returns its Markdown.
    """

    source: str
    make: Callable[[], str]


TABLES: Mapping[str, Table] = {
    "demo": Table("demo", demo_table),
    "elements": Table("elements", elements_table),
    "precision": Table("precision", precision_table),
    "pixels": Table("pixels", pixels_table),
    "stream units": Table("pixels", stream_units_table),
    "ladder": Table("ladder", ladder_table),
    "camera": Table("camera", camera_table),
    "faults": Table("faults", faults_table),
    "formal": Table("formal", formal_table),
    "fuzz": Table("fuzz", fuzz_table),
    "mutate": Table("mutate", mutate_table),
    "coverage": Table("coverage", coverage_table),
    "uncovered": Table("coverage", uncovered_table),
    "unjudged": Table("mutate", unjudged_table),
    "survivors": Table("mutate", survivors_table),
    "plan": Table("plan", plan_table),
    "gaps": Table("verif/plan", gaps_table),
    "pins": Table("pins", pins_table),
    "tasks": Table("docs/paper/reports.json", tasks_table),
    "boards": Table("fpga/flow/boards.py", boards_table),
    "builds": Table("boards", builds_table),
}
