"""The tradeoff between accuracy and cycles: 8-bit and binary networks of several widths, of each vision task."""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, log
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from signum.golden.layers.int8 import quantize
from signum.golden.training.contest import CONTESTANTS, WIDTHS, contestant, kept_as, record_of
from signum.golden.training.tasks import Task
from signum.verif.runs.claims import binary_array, convolutions, graph_cycles, machines
from signum.verif.runs.task import body_graph

__all__ = ["EQUALS", "eight_bit_cycles", "network_cycles", "picture_tradeoff", "rows"]

EQUALS = {"LUT4": "cycles_equal_lut4", "operand bandwidth": "cycles_equal_bandwidth"}
"""Machines of `claims.machines`, and the key of the cycles on them."""

CALIBRATION = 4

Row = dict[str, Any]


def network_cycles(task: Task, name: str) -> dict[str, float]:
    """Cycles of an image, of a batch with an image a row, by the key of `EQUALS`: all layers of a network.

    They depend on shapes alone, so the network need not be trained. A binary network runs on the binary array with a
    threshold for each sign of its activations; the array is the same in both comparisons.
    """
    network = contestant(task, name, 0).eval()
    images, _ = task.split("test")
    if not name.startswith("int8"):
        cycles = graph_cycles(body_graph(network, images), binary_array(task.style))
        return dict.fromkeys(EQUALS.values(), sum(cycles.values()))
    layers = [layer for layer in convolutions(quantize(network, network.encode(images[:CALIBRATION])), images)
              if not layer.free]
    return {EQUALS[machine.equal]: sum(sum(graph_cycles(layer.graph(), machine.config).values()) for layer in layers)
            for machine in machines() if machine.equal in EQUALS}


def rows(task: Task) -> list[Row]:
    """A row for each recorded network: ``task``, ``network``, ``bits`` of its inner weights, ``width``, ``seeds``,
    ``accuracy`` (the mean test score) with ``std``, the cycles, and their ``ratio_...`` of `eight_bit_cycles`.

    Where no 8-bit network reaches the accuracy of a binary one, the ratio is None, and ``bound_...`` is that of the
    widest 8-bit network, which takes more cycles and is less accurate.
    """
    record = record_of(task.name)
    found: list[Row] = []
    for trained, style in (CONTESTANTS | WIDTHS).items():
        name = kept_as(trained)
        scores = [run["test"] for run in record["runs"] if run["network"] == name]
        if scores:
            found.append({"task": task.name, "network": name, "bits": 1 if style.binary else 8,
                          "width": style.multiplier, "seeds": len(scores), "accuracy": mean(scores),
                          "std": stdev(scores) if len(scores) > 1 else None, **network_cycles(task, name)})
    found.sort(key=lambda row: (-row["bits"], row["width"]))
    for row in found:
        if row["bits"] == 1:
            for key in EQUALS.values():
                least = eight_bit_cycles(found, row["accuracy"], key)
                row[key.replace("cycles", "ratio")] = None if least is None else least / row[key]
                widest = max((other[key] for other in found if other["bits"] > 1), default=None)
                row[key.replace("cycles", "bound")] = widest / row[key] if least is None and widest else None
    return found


def eight_bit_cycles(found: Sequence[Row], accuracy: float, key: str) -> float | None:
    """Cycles of an 8-bit network of an accuracy; None where no width reaches it.

    Between two widths the logarithm of the cycles is linear in the accuracy. At an accuracy below that of the narrowest
    network, its cycles: a narrower one may do.
    """
    curve: list[tuple[float, float]] = []
    for row in sorted((row for row in found if row["bits"] == 8), key=lambda row: row[key]):
        if not curve or row["accuracy"] > curve[-1][0]:     # a dearer network that is no better is not on the curve
            curve.append((row["accuracy"], row[key]))
    if not curve or accuracy > curve[-1][0]:
        return None
    if accuracy <= curve[0][0]:
        return curve[0][1]
    (low, few), (high, many) = next(pair for pair in pairwise(curve) if accuracy <= pair[1][0])
    return exp(log(few) + (accuracy - low) / (high - low) * log(many / few))


def picture_tradeoff(path: Path, found: Sequence[Row]) -> None:
    """Accuracy over the cycles on equal LUT4s, a panel for each task."""
    names = list(dict.fromkeys(row["task"] for row in found))
    figure = Figure(figsize=(3.4 * len(names), 3.6), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names), squeeze=False)[0]), names, strict=True):
        mine = [row for row in found if row["task"] == name]
        for bits, colour, text in ((8, "#7a7a7a", "8 bits"), (1, "#2c7fb8", "binary weights")):
            _curve(axes, [row for row in mine if row["bits"] == bits], colour, text)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(name.replace("_", " "), fontsize=10)
        axes.set_xlabel("cycles an image, equal LUT4s")
        axes.grid(alpha=0.3, which="both")
    figure.axes[0].set_ylabel("test score")
    figure.axes[0].legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)


def _curve(axes: Axes, mine: Sequence[Row], colour: str, text: str) -> None:
    cycles, accuracy = ([row[key] for row in mine] for key in ("cycles_equal_lut4", "accuracy"))
    axes.errorbar(cycles, accuracy, yerr=[row["std"] or 0 for row in mine], color=colour, marker="o", markersize=4,
                  capsize=2, linewidth=1.2, label=text)
    for row in mine:
        axes.annotate(f"{row['width']:g}", (row["cycles_equal_lut4"], row["accuracy"]), fontsize=7, color=colour,
                      xytext=(3, -9), textcoords="offset points")
