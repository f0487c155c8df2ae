"""Allocation of a network's maps in the activation banks, and packing of its input maps."""

import dataclasses
from collections.abc import Collection

import numpy as np

from signum.hdl.config import ArrayConfig

from .graph import Graph, MapShape, Segment
from .packing import Packing, pack_segment, packings, window_of
from .program import MapAllocation

__all__ = ["CapacityError", "allocate_maps", "border_of", "need", "pack_inputs", "pad_of"]


class CapacityError(ValueError):
    """A network that does not fit; the message names the resource, the excess, and the parameter to enlarge.

    ``excess`` is the amount.
    """

    def __init__(self, message: str, excess: int = 0) -> None:
        super().__init__(message)
        self.excess = excess


def need(what: str, needed: int, has: int, parameter: str, least: int | None = None) -> None:
    """Refuse an amount above the capacity.

    Raises
    ------
    CapacityError
        If ``needed`` is more than ``has``.
    """
    if needed > has:
        raise CapacityError(f"{what} must be at most {has}, not {needed} ({needed - has} too many): "
                            f"{parameter} of {needed if least is None else least} would make it fit", needed - has)


def pack_inputs(graph: Graph, lanes: int, choice: int, packable: Collection[str],
                ) -> tuple[Graph, dict[str, Packing]]:
    """The graph with its packable input maps packed, and the packings by the name of the map."""
    inputs = dict(graph.inputs)
    packed: dict[str, Packing] = {}
    readers: dict[str, list[Segment]] = {name: [] for name in inputs}
    for layer in graph.layers:
        for segment in layer.segments:
            if segment.source in readers:
                readers[segment.source].append(segment)
    replaced: dict[int, Segment] = {}
    for name, segments in readers.items():
        if len({window_of(segment) for segment in segments}) != 1 or name not in packable:
            continue
        shape = inputs[name]
        both = packings(segments[0], shape, lanes)[choice][2]
        if both is None:
            continue
        for segment in segments:
            packed[name], replaced[id(segment)] = pack_segment(segment, both)
        out_h, out_w = segments[0].output_size(shape)
        inputs[name] = MapShape(out_h if both else shape.height, out_w, replaced[id(segments[0])].weights.shape[1])
    layers = tuple(dataclasses.replace(layer, segments=tuple(replaced.get(id(s), s) for s in layer.segments))
                   for layer in graph.layers)
    return Graph(inputs=inputs, layers=layers), packed


def readers_of(graph: Graph, name: str) -> list[Segment]:
    return [segment for layer in graph.layers for segment in layer.segments if segment.source == name]


def border_of(graph: Graph, name: str) -> tuple[int, int, int, int]:
    """The stored border of a map: the largest padding of its readers."""
    paddings = [segment.padding for segment in readers_of(graph, name)]
    top, left, bottom, right = (max((p[i] for p in paddings), default=0) for i in range(4))
    return top, left, bottom, right


def pad_of(graph: Graph, name: str) -> np.ndarray:
    """The elements of a map's border, (C,); CapacityError where its readers need different ones."""
    pads = {tuple(segment.pad.tolist()) for segment in readers_of(graph, name) if any(segment.padding)}
    if len(pads) > 1:
        raise CapacityError(f"map {name} must be padded with one value, not with {len(pads)} different ones")
    return np.array(pads.pop())


def allocate_maps(graph: Graph, config: ArrayConfig, lasting: Collection[str] = (), second: bool = False,
                  ) -> tuple[dict[str, MapAllocation], dict[str, MapAllocation]]:
    """Addresses for all maps, and with ``second`` for another place of each lasting map.

    Maps with disjoint lifetimes may share words, if they have no border. A border is written once, before the first
    run, so its words are never shared; nor are those of ``lasting`` maps.
    """
    order = {layer.name: i for i, layer in enumerate(graph.layers)}
    placed: list[tuple[int, int, MapAllocation]] = []        # (born, last read, place)
    places: dict[str, MapAllocation] = {}
    others: dict[str, MapAllocation] = {}
    top = 0
    wanted = [(places, name, shape) for name, shape in graph.shapes.items()]
    if second:
        wanted += [(others, name, graph.shapes[name]) for name in lasting]
    for into, name, shape in wanted:
        if name in order and graph.layers[order[name]].raw:
            continue
        border = border_of(graph, name)
        place = MapAllocation(shape, 0, border, config.lanes, config.element_bits)
        born = order.get(name, -1)
        reads = [i for i, layer in enumerate(graph.layers) if any(s.source == name for s in layer.segments)]
        died = max(reads, default=len(graph.layers))
        if any(border) or name in lasting:
            born, died = -1, len(graph.layers)
        start = 0
        for other_born, other_died, other in sorted(placed, key=lambda entry: entry[2].start):
            meets = born <= other_died and other_born <= died
            if meets and start < other.start + other.size and other.start < start + place.size:
                start = other.start + other.size
        place = dataclasses.replace(place, start=start)
        top = max(top, start + place.size)
        placed.append((born, died, place))
        into[name] = place
    need("words of the maps in an activation bank", top, config.activation_depth, "activation_depth")
    return places, others
