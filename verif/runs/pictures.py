"""Pictures of results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from signum.golden.compiler.utilization import LOSSES, LayerUse
from signum.hdl.config import ArrayConfig

__all__ = ["picture_answers", "picture_array", "picture_cycles"]

matplotlib.use("Agg")

BLUE, GREY = "#1f5fa8", "#d7dbe0"
LOSS_COLOURS = dict(zip(LOSSES, ("#e8a33d", "#d1662f", "#a83a3a", "#8f8f8f", "#c9c9c9"), strict=True))
SHOWN = 16      # elements drawn along an axis of the floor plan


def picture_array(path: Path, config: ArrayConfig, uses: Sequence[LayerUse]) -> None:
    """The floor plan of an array, and its utilisation by each layer."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    plan, bars = figure.subplots(1, 2, width_ratios=(1, 1.35))
    _floor_plan(plan, config)
    names = [f"{use.name}\n{use.cycles} cycles" for use in uses]
    left = np.zeros(len(uses))
    for kind, colour in {"useful": BLUE, **LOSS_COLOURS}.items():
        shares = np.array([100 * getattr(use, kind) for use in uses])
        bars.barh(names, shares, left=left, color=colour, label=kind, height=0.62)
        left += shares
    for i, use in enumerate(uses):
        bars.text(1.5, i, f"{100 * use.useful:.1f} %", va="center", color="white", fontweight="bold")
    bars.invert_yaxis()
    bars.set_xlim(0, 100)
    bars.set_xlabel("% of the layer's binary operations (cycles x rows x cols x lanes)")
    bars.set_title("Utilisation by layer, and where the rest goes", fontsize=11)
    bars.spines[["top", "right"]].set_visible(False)
    bars.legend(ncols=6, fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    figure.savefig(path, dpi=130)


def _floor_plan(axes: Axes, config: ArrayConfig) -> None:
    rows, cols = min(config.rows, SHOWN), min(config.cols, SHOWN)
    for c in range(cols):
        _box(axes, c, -1.15, "W", GREY)
        axes.annotate("", (c + 0.4, -0.05), (c + 0.4, -0.35), arrowprops={"arrowstyle": "->", "color": "black"})
    for r in range(rows):
        _box(axes, -1.25, r, "A", GREY)
        _box(axes, -2.35, r, "T", LOSS_COLOURS["lanes"])
        for c in range(cols):
            _box(axes, c, r, "PE", BLUE, "white")
    for edge in range(config.tile, cols, config.tile):
        axes.plot([edge - 0.1] * 2, [-0.1, rows - 0.1], "k:", linewidth=1)
    for edge in range(config.rows_per_tile, rows, config.rows_per_tile):
        axes.plot([-0.1, cols - 0.1], [edge - 0.1] * 2, "k:", linewidth=1)
    axes.set_xlim(-2.6, cols)
    axes.set_ylim(rows, -1.4)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title(f"{config.rows} rows x {config.cols} columns x {config.lanes} lanes = "
                   f"{config.binops_per_cycle} binary operations a cycle\n"
                   "W weight bank, A activation bank, T threshold unit of a row", fontsize=9)


def _box(axes: Axes, x: float, y: float, text: str, colour: str, text_colour: str = "black") -> None:
    axes.add_patch(FancyBboxPatch((x + 0.05, y + 0.05), 0.7, 0.7, boxstyle="round,pad=0.02", facecolor=colour,
                                  edgecolor="none"))
    axes.text(x + 0.4, y + 0.4, text, ha="center", va="center", color=text_colour, fontsize=7)


def picture_answers(path: Path, images: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> None:
    """Digits with the answers of the hardware: wrong ones first, then others in order.

    Images (B, 1, H, W), labels (B,), logits (B, classes).
    """
    answers = logits.argmax(axis=1)
    order = np.argsort(answers == labels, kind="stable")[:24]
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, i in zip(figure.subplots(3, 8).flat, order, strict=False):
        axes.imshow(images[i, 0], cmap="gray_r", interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        right = answers[i] == labels[i]
        title = f"{answers[i]}" if right else f"{answers[i]}, not {labels[i]}"
        axes.set_title(title, color=BLUE if right else LOSS_COLOURS["rows"], fontsize=12, fontweight="bold")
    wrong = int((answers != labels).sum())
    figure.suptitle(f"Answers of the simulated hardware: {len(labels) - wrong} of {len(labels)} held-out digits right "
                    "(the wrong ones first)", fontsize=10)
    figure.savefig(path, dpi=130)


def picture_cycles(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Ratio of 8-bit to binary cycles of each network, for each meaning of "equal"."""
    kinds = list(dict.fromkeys(row["equal"] for row in rows))
    networks = list(dict.fromkeys((row["network"], row["multiplier"]) for row in rows))
    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    place = figure.add_subplot()
    for i, (kind, colour) in enumerate(zip(kinds, ("#9ecae1", "#4292c6", "#08519c"), strict=True)):
        ratios = [row["ratio_inner"] for row in rows if row["equal"] == kind]
        at = np.arange(len(networks)) + (i - 1) * 0.27
        place.bar(at, ratios, 0.25, color=colour, label=f"equal {kind}")
        for x, ratio in zip(at, ratios, strict=True):
            place.text(x, ratio * 1.03, f"{ratio:.1f}", ha="center", fontsize=7)
    place.axhspan(2.8, 7, color="#f3d9b1", zorder=0, label="the paper's 2.8x to 7x")
    place.set_yscale("log")
    place.set_yticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
    place.set_xticks(range(len(networks)), [f"{name}\nm = {m:g}".replace("_", "\n") for name, m in networks],
                     fontsize=7)
    place.set_ylabel("times fewer cycles than 8-bit, layers on the array")
    figure.legend(fontsize=8, ncols=4, frameon=False, loc="outside upper center")
    figure.savefig(path, dpi=110)
