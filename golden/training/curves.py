"""Pictures of trainings: learning curves and the table of an ablation."""

from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.figure import Figure

__all__ = ["picture_ablation", "picture_curves"]

COLOURS = {"float": "#7a7a7a", "binary_m1": "#e08a2c", "binary_m2": "#2c7fb8"}
LABEL = 15          # letters in a line


def picture_curves(path: Path, record: dict[str, Any]) -> None:
    """Validation score over the steps: a curve for each network and seed, and the mean of the 8-bit twins."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    place = figure.add_subplot()
    for run in record["runs"]:
        if run["network"] in COLOURS:
            steps, scores = ([point[name] for point in run["curve"]] for name in ("step", "score"))
            place.plot(steps, scores, marker="o", markersize=3, color=COLOURS[run["network"]],
                       label=run["network"].replace("_", " ") if run["seed"] == record["seeds"][0] else None)
    ends = [run["validation"] for run in record["runs"] if run["network"] == "int8"]
    place.axhline(float(np.mean(ends)), color="black", linestyle=":", linewidth=1, label="8-bit, mean of the seeds")
    share = record["recipe"]["real_share"]
    if share:
        place.axvspan(0, share * record["recipe"]["steps"], color="#f3e6d5", zorder=0,
                      label="binary networks: weights still real")
    place.set_xlabel("steps")
    place.set_ylabel(f"validation {record['metric']}")
    place.set_title(f"{record['task'].replace('_', ' ')}, {len(record['seeds'])} seeds")
    place.legend(fontsize=8)
    place.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def picture_ablation(path: Path, ablation: dict[str, Any]) -> None:
    """Mean test score of each variant and width, with a dot for each seed."""
    variants = list(dict.fromkeys(run["variant"] for run in ablation["runs"]))
    multipliers = sorted({run["multiplier"] for run in ablation["runs"]})
    figure = Figure(figsize=(max(8.5, 1.1 * len(variants)), 4), layout="constrained")
    place = figure.add_subplot()
    for i, multiplier in enumerate(multipliers):
        at = np.arange(len(variants)) + (i - (len(multipliers) - 1) / 2) * 0.27
        scores = [[run["test"] for run in ablation["runs"]
                   if (run["variant"], run["multiplier"]) == (variant, multiplier)] for variant in variants]
        place.bar(at, [np.mean(found) for found in scores], 0.25, color=["#f0b878", "#d98032", "#8c4a12"][i % 3],
                  label=f"m = {multiplier:g}")
        for x, found in zip(at, scores, strict=True):
            place.plot([x] * len(found), found, "k.", markersize=4)
    everything = [run["test"] for run in ablation["runs"]]
    place.set_ylim(min(everything) - 1, max(everything) + 0.5)
    names = [fill(variant.replace(" + ", " +\u00a0"), LABEL) for variant in variants]
    place.set_xticks(range(len(variants)), names, fontsize=8)
    place.set_ylabel(f"test {ablation['metric']}")
    place.set_title(f"{ablation['task']}: what each part of a training brings ({ablation['steps']} steps)")
    place.legend(fontsize=8)
    figure.savefig(path, dpi=110)
