"""Functional coverage of random programs: the cross of the properties of a layer, and its holes.

A point of the cross has a bin of each axis of `AXES`. A layer of a program reaches the point of its segments, its
thresholds, and the array's divisibility. `excluded` names the points that no program can have, by rules and not one by
one; every other point that no layer has reached is a hole.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from itertools import combinations, product

from signum.golden.compiler.graph import Graph, Layer
from signum.golden.compiler.shared_sums import levels_of, share_sums
from signum.hdl.config import ArrayConfig

__all__ = ["AXES", "Point", "coverage", "excluded", "exclusions", "holes", "points", "reachable"]

Point = tuple[str, ...]

PARTS = "whole", "partial"

AXES: dict[str, tuple[str, ...]] = {
    "kernel": ("1x1", "square", "oblong", "map"),
    "stride": ("1", "2", "1 and 2"),
    "padding": ("none", "value", "zero"),
    "pooling": ("none", "max"),
    "mode": ("batch", "split"),
    "precision": ("bits", "bit planes", "levels", "gated", "8 bits"),
    "rows": PARTS,
    "columns": PARTS,
    "lanes": PARTS,
}
"""The bins of each axis. "map": a kernel as large as its map; "zero": thresholds of their own at borders; "levels":
several thresholds of a sum; "gated": a plane that counts where a gate is open; "partial": the last group of positions
of a map, block of channels, or word of taps leaves rows, columns, or lanes free."""


def excluded(point: Point) -> str:
    """Why no program has the layer of a point; "" where one may have it."""
    at = dict(zip(AXES, point, strict=True))
    rules = {
        "a kernel as large as its map has one position: no stride, padding or pooling":
            at["kernel"] == "map" and (at["stride"], at["padding"], at["pooling"]) != ("1", "none", "none"),
        "a batch fills the rows": at["mode"] == "batch" and at["rows"] == "partial",
        "8-bit elements have no thresholds, so none of borders":
            at["precision"] == "8 bits" and at["padding"] == "zero",
    }
    return next((rule for rule, holds in rules.items() if holds), "")


@cache
def reachable() -> frozenset[Point]:
    """The points that are not excluded."""
    return frozenset(point for point in product(*AXES.values()) if not excluded(point))


def _kernel(layer: Layer, height: int, width: int) -> str:
    kernel = layer.segments[0].weights.shape[2:]
    if kernel == (1, 1):
        return "1x1"
    if kernel == (height, width) and not any(layer.segments[0].padding):
        return "map"
    return "square" if kernel[0] == kernel[1] else "oblong"


def _precision(layer: Layer) -> str:
    if layer.element_bits > 1:
        return "8 bits"
    if levels_of(layer) > 1:
        return "levels"
    if layer.row.gates:
        return "gated"
    return "bit planes" if any(segment.double for segment in layer.segments) else "bits"


def points(graph: Graph, config: ArrayConfig, split: bool) -> Iterator[Point]:
    """The point of each layer of a network on an array."""
    shared = share_sums(graph, config)
    for layer in shared.layers:
        segment = layer.segments[0]
        source, made = shared.shapes[segment.source], shared.sums_size(layer)
        strides = set(segment.stride) if made != (1, 1) else {1}
        found = {
            "kernel": _kernel(layer, source.height, source.width),
            "stride": " and ".join(str(stride) for stride in sorted(strides)),
            "padding": "zero" if any(layer.border) else "value" if any(segment.padding) else "none",
            "pooling": "none" if layer.pool == (1, 1) else "max",
            "mode": "split" if split else "batch",
            "precision": _precision(layer),
            "rows": PARTS[split and made[0] * made[1] % config.rows > 0],
            "columns": PARTS[layer.outputs % config.cols > 0],
            "lanes": PARTS[segment.taps % config.lanes > 0],
        }
        yield tuple(found[axis] for axis in AXES)


def holes(reached: Collection[Point]) -> list[Point]:
    """The points that are neither excluded nor reached, in the order of the axes."""
    return [point for point in product(*AXES.values()) if point in reachable() and point not in reached]


def coverage(reached: Iterable[Point], size: int = len(AXES)) -> dict[str, tuple[int, int]]:
    """Reached and reachable points of the cross of each ``size`` of the axes, by their names."""
    names, found = list(AXES), set(reached) & reachable()
    table: dict[str, tuple[int, int]] = {}
    for chosen in combinations(range(len(names)), size):
        there = {tuple(point[i] for i in chosen) for point in reachable()}
        here = {tuple(point[i] for i in chosen) for point in found}
        table[" x ".join(names[i] for i in chosen)] = len(here), len(there)
    return table


def exclusions() -> dict[str, int]:
    """The points that no program can have, by the rule."""
    return dict(Counter(rule for point in product(*AXES.values()) if (rule := excluded(point))))
