"""The Pareto front of candidates in size and speed, and its picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

__all__ = ["pareto_front", "picture_candidates"]

matplotlib.use("Agg")

APART = 1.4
BLUE, ORANGE, GREY = "#1f5fa8", "#d1662f", "#b9bec5"


def size(row: dict[str, Any]) -> int:
    """LUTs: counted by synthesis, or else estimated."""
    return (row["measured"] or row)["lut"]


def pareto_front(rows: Sequence[dict[str, Any]], speed: str) -> list[dict[str, Any]]:
    """The fitting candidates that no candidate of equal or fewer LUTs beats in ``rows[speed]``; smallest first.

    Larger ``images_per_s`` is better, and smaller ``latency_ms``.
    """
    sign = -1 if speed == "images_per_s" else 1
    front: list[dict[str, Any]] = []
    for row in sorted((row for row in rows if row["fits"]), key=lambda row: (size(row), sign * row[speed])):
        if not front or sign * row[speed] < sign * front[-1][speed]:
            front.append(row)
    return front


def picture_candidates(path: Path, rows: Sequence[dict[str, Any]], speed: str, capacity: int, title: str) -> None:
    """LUTs and speed of all candidates with known cycles, fitting or not, and the front with its arrays.

    Parameters
    ----------
    path : Path
        The PNG file.
    rows : sequence of dict
        See `fpga.explore.candidates.candidate`.
    speed : str
        ``images_per_s`` or ``latency_ms``.
    capacity : int
        LUTs of the device.
    title : str
    """
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    place = figure.add_subplot()
    known = [row for row in rows if row[speed] is not None]
    for fits, colour, label in ((False, GREY, "does not fit"), (True, BLUE, "fits")):
        chosen = [row for row in known if row["fits"] == fits]
        place.scatter([size(row) for row in chosen], [row[speed] for row in chosen], s=9, color=colour, label=label,
                      zorder=2 + fits)
    front = pareto_front(rows, speed)
    place.plot([size(row) for row in front], [row[speed] for row in front], color=BLUE, linewidth=0.8, zorder=3)
    free = float("inf")
    for row in reversed(front):
        if size(row) * APART < free:        # overlapping names are omitted
            free = size(row)
            config = row["config"]
            place.annotate(f"{config['rows']}x{config['cols']}x{config['lanes']} {row['mode']}",
                           (size(row), row[speed]), xytext=(5, -9), textcoords="offset points", fontsize=7)
    synthesized = [row for row in known if row["measured"]]
    place.scatter([size(row) for row in synthesized], [row[speed] for row in synthesized], s=60, marker="D",
                  facecolor="none", edgecolor=ORANGE, linewidth=1.5, label="synthesized", zorder=5)
    place.axvline(capacity, color="black", linestyle=":", linewidth=1, label="LUTs of the device")
    place.set_xscale("log")
    place.set_yscale("log")
    place.set_xlabel("LUT4s, carries counted (rows x columns x lanes beside the points)")
    place.set_ylabel({"images_per_s": "images a second", "latency_ms": "ms until the answer"}[speed])
    place.set_title(title, fontsize=11)
    place.spines[["top", "right"]].set_visible(False)
    place.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)
