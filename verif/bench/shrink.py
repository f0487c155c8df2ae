"""Shrinking of a failing trial: the smallest array, network and data that still fail."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from signum.golden.compiler.answers import Answers
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.hdl.config import MAY_BE_ZERO
from signum.hdl.control.answer_geometry import AnswerKind
from signum.verif.bench.trials import INVALID, Trial

__all__ = ["shrink", "size_of"]

KEPT = {"weight_depth", "activation_depth", "threshold_depth", "program_depth", "requantize_depth", "element_bits",
        "input_depth", "input_planes", "input_levels", "input_maximum"}
"""Parameters that stay: depths tell nothing of a failure, and the others make another kind of network."""


def size_of(trial: Trial) -> tuple[int, ...]:
    """Measure of a trial: layers, segments, weights, elements of the inputs, and parameters of the array."""
    segments = [segment for layer in trial.graph.layers for segment in layer.segments]
    return (len(trial.graph.layers), len(segments), sum(segment.weights.size for segment in segments),
            sum(elements.size for elements in trial.maps.values()),
            sum(value for name, value in trial.config.to_dict().items() if name not in KEPT))


def with_layers(trial: Trial, inputs: Mapping[str, MapShape], maps: Mapping[str, np.ndarray],
                layers: Sequence[Layer]) -> Iterator[Trial]:
    """The trial with other layers, and the inputs that these read; none where they are no network.

    Where sums have become smaller, also with thresholds in their proportion.
    """
    read = {segment.source for layer in layers for segment in layer.segments}
    try:
        graph = Graph(inputs={name: shape for name, shape in inputs.items() if name in read}, layers=tuple(layers))
    except INVALID:
        return
    answers = trial.answers
    if answers and not graph.layers[-1].raw:
        answers = Answers(AnswerKind.WORDS)
    elif answers and answers.kind == AnswerKind.RANKS:
        answers = replace(answers, ranks=min(answers.ranks, max(1, graph.layers[-1].channels // answers.shuffle**2)))
    smaller = trial.replace(graph=graph, maps={name: maps[name] for name in graph.inputs}, answers=answers)
    yield smaller
    before = {layer.name: layer.top for layer in trial.graph.layers}
    scaled = tuple(layer if layer.thresholds is None or layer.top == before[layer.name] else replace(
        layer, thresholds=layer.thresholds * layer.top // max(1, before[layer.name])) for layer in graph.layers)
    if any(one is not other for one, other in zip(scaled, graph.layers, strict=True)):
        yield smaller.replace(graph=replace(graph, layers=scaled))


def fewer_images(trial: Trial) -> Iterator[Trial]:
    count = len(next(iter(trial.maps.values())))
    for size in sorted({1, count // 2, count - 1}):
        for start in range(0, count - size + 1, max(1, size)):
            if 0 < size < count:
                yield trial.replace(maps={name: maps[start:start + size] for name, maps in trial.maps.items()})


def fewer_layers(trial: Trial) -> Iterator[Trial]:
    """Without the last layers, or with the map of a layer as an input in its place."""
    layers, inputs = trial.graph.layers, trial.graph.inputs
    for count in range(1, len(layers)):
        yield from with_layers(trial, inputs, trial.maps, layers[:count])
    if len(layers) > 1:
        found, shapes = trial.graph.run(dict(trial.maps)), trial.graph.shapes
        for at in reversed(range(len(layers) - 1)):
            name = layers[at].name
            yield from with_layers(trial, {**inputs, name: shapes[name]}, {**trial.maps, name: found[name]},
                                   (*layers[:at], *layers[at + 1:]))


def with_layer(trial: Trial, at: int, layer: Layer) -> Iterator[Trial]:
    layers = trial.graph.layers
    return with_layers(trial, trial.graph.inputs, trial.maps, (*layers[:at], layer, *layers[at + 1:]))


def fewer_segments(trial: Trial) -> Iterator[Trial]:
    for at, layer in enumerate(trial.graph.layers):
        for number in range(len(layer.segments)) if len(layer.segments) > 1 else ():
            first, *others = layer.segments[:number] + layer.segments[number + 1:]
            yield from with_layer(trial, at, replace(layer, segments=(replace(first, double=False), *others)))
        if layer.combine != "sum":
            segments = tuple(replace(segment, requantize=None, gated=False) for segment in layer.segments)
            yield from with_layer(trial, at, replace(layer, segments=segments, combine="sum", gates=None,
                                                     open_thresholds=None))


def halves(length: int) -> Iterator[slice]:
    """Parts of a range: one, the first and the second half, all but the last."""
    if length > 1:
        yield slice(0, 1)
        yield slice(0, length // 2)
        yield slice(length // 2, length)
        yield slice(0, length - 1)


def taken(values: np.ndarray | None, part: slice) -> np.ndarray | None:
    """A part of the last axis."""
    return None if values is None else values[..., part]


def of_one_class(thresholds: np.ndarray) -> np.ndarray:
    """Thresholds of the first border class alone."""
    return thresholds[:1, :1]


def of_channels(segment: Segment, part: slice) -> Segment:
    """A segment of some of its input channels."""
    return replace(segment, weights=segment.weights[:, part], pad=segment.pad[part])


def of_outputs(layer: Layer, part: slice) -> Layer:
    """A layer of some of its channels."""
    segments = tuple(replace(segment, weights=segment.weights[part], requantize=segment.requantize and replace(
        segment.requantize, scale=segment.requantize.scale[part], offset=segment.requantize.offset[part]))
        for segment in layer.segments)
    return replace(layer, segments=segments, **layer.thresholds_of(lambda values: values[..., part]),
                   inverted=taken(layer.inverted, part), offset=taken(layer.offset, part))


def fewer_channels(trial: Trial) -> Iterator[Trial]:
    """Fewer channels of an input, or of a layer and of its readers."""
    graph = trial.graph
    for name, shape in graph.shapes.items():
        for part in halves(shape.channels):
            layers = [replace(layer, segments=tuple(
                of_channels(segment, part) if segment.source == name else segment for segment in layer.segments))
                for layer in graph.layers]
            layers = [of_outputs(layer, part) if layer.name == name and layer.shares is None else layer
                      for layer in layers]
            inputs, maps = dict(graph.inputs), dict(trial.maps)
            if name in inputs:
                maps[name] = maps[name][..., part]
                inputs[name] = replace(shape, channels=maps[name].shape[-1])
            yield from with_layers(trial, inputs, maps, layers)


def cut_kernels(graph: Graph, inputs: Mapping[str, MapShape]) -> list[Layer]:
    """The layers on smaller inputs; GraphError where a kernel does not fit."""
    before, shapes, layers = graph.shapes, dict(inputs), list[Layer]()
    for layer in graph.layers:
        segments = []
        for segment in layer.segments:
            old, new = before[segment.source], shapes[segment.source]
            weights = segment.weights
            if weights.shape[2:] == (old.height, old.width):
                weights = weights[:, :, :new.height, :new.width]
            segments.append(replace(segment, weights=weights))
        layers.append(replace(layer, segments=tuple(segments)))
        shapes = Graph(inputs=dict(inputs), layers=tuple(layers)).shapes
    return layers


def smaller_maps(trial: Trial) -> Iterator[Trial]:
    """Fewer lines or columns of all inputs; kernels as large as their map are cut with it."""
    graph = trial.graph
    lengths = {"height": 1, "width": 2}
    for side, axis in lengths.items():
        for part in halves(min(getattr(shape, side) for shape in graph.inputs.values())):
            maps = {name: np.take(elements, np.arange(elements.shape[axis])[part], axis=axis)
                    for name, elements in trial.maps.items()}
            inputs = {name: MapShape(*elements.shape[1:]) for name, elements in maps.items()}
            try:
                layers = cut_kernels(graph, inputs)
            except INVALID:
                continue
            yield from with_layers(trial, inputs, maps, layers)


def smaller_kernels(trial: Trial) -> Iterator[Trial]:
    for at, layer in enumerate(trial.graph.layers):
        for axis in (2, 3):
            for part in halves(layer.segments[0].weights.shape[axis]):
                segments = tuple(replace(segment, weights=np.take(
                    segment.weights, np.arange(segment.weights.shape[axis])[part], axis=axis))
                    for segment in layer.segments)
                yield from with_layer(trial, at, replace(layer, segments=segments))


def plainer_layers(trial: Trial) -> Iterator[Trial]:
    """Sums in place of bits; steps, dilations and windows of 1, no padding, and one border class."""
    plain: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1), "padding": (0, 0, 0, 0), "double": False}
    *_, last = trial.graph.layers
    if trial.answers is None and last.thresholds is not None and last.shares is None:
        yield from with_layer(trial, len(trial.graph.layers) - 1, replace(
            last, thresholds=None, border=(0, 0, 0, 0), pool=(1, 1), inverted=None,
            offset=np.zeros(last.channels, dtype=np.int64)))
    for at, layer in enumerate(trial.graph.layers):
        if layer.pool != (1, 1):
            yield from with_layer(trial, at, replace(layer, pool=(1, 1)))
        if layer.inverted is not None:
            yield from with_layer(trial, at, replace(layer, inverted=None))
        if any(layer.border) and layer.thresholds is not None:
            yield from with_layer(trial, at, replace(layer, border=(0, 0, 0, 0), **layer.thresholds_of(of_one_class)))
        if layer.bytes is not None:
            yield from with_layer(trial, at, replace(layer, bytes=None))
        for name, value in plain.items():
            if any(getattr(segment, name) != value for segment in layer.segments):
                unpadded: dict[str, Any] = {}
                if name == "padding" and layer.thresholds is not None:
                    unpadded = {"border": (0, 0, 0, 0), **layer.thresholds_of(of_one_class)}
                segments = tuple(replace(segment, **{name: value}) for segment in layer.segments)
                yield from with_layer(trial, at, replace(layer, segments=segments, **unpadded))


def plainer_data(trial: Trial) -> Iterator[Trial]:
    """Zeros in place of the inputs, of weights, thresholds and offsets."""
    if trial.stall:
        yield trial.replace(stall=0.0)
    for name, elements in trial.maps.items():
        if elements.any():
            yield trial.replace(maps={**trial.maps, name: np.zeros_like(elements)})
    for at, layer in enumerate(trial.graph.layers):
        for number, segment in enumerate(layer.segments):
            if segment.weights.any():
                segments = list(layer.segments)
                segments[number] = replace(segment, weights=np.zeros_like(segment.weights))
                yield from with_layer(trial, at, replace(layer, segments=tuple(segments)))
        for name in ("thresholds", "gates", "open_thresholds", "offset"):
            values = getattr(layer, name)
            if values is not None and values.any():
                yield from with_layer(trial, at, replace(layer, **{name: np.zeros_like(values)}))
    for name, elements in trial.maps.items():
        places = np.flatnonzero(elements)
        if len(places) > 1:
            for part in halves(len(places)):
                found = np.zeros_like(elements)
                found.flat[places[part]] = elements.flat[places[part]]
                yield trial.replace(maps={**trial.maps, name: found})


def smaller_array(trial: Trial) -> Iterator[Trial]:
    if trial.split:
        yield trial.replace(split=False)
    config = trial.config
    if config.drain_width > 1:
        yield trial.replace(config=config.replace(drain_width=1))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in KEPT:
            continue
        least = 0 if field.name in MAY_BE_ZERO else 1
        for smaller in sorted({least, (least + value) // 2, value - 1}):
            if least <= smaller < value:
                changes = {field.name: smaller}
                try:
                    yield trial.replace(config=config.replace(**changes))
                except ValueError:
                    continue


PASSES = (fewer_images, fewer_layers, fewer_segments, smaller_maps, fewer_channels, smaller_kernels, plainer_layers,
          smaller_array, plainer_data)


def shrink(trial: Trial, fails: Callable[[Trial], bool], *, most: int = 400, seconds: float = float("inf"),
           progress: Callable[[Trial, int], None] = lambda trial, tried: None) -> Trial:
    """The smallest trial found that still fails; each step of it is smaller or plainer than the one before.

    Parameters
    ----------
    trial : Trial
        One that fails.
    fails : callable
        Whether another one fails alike. Trials that cannot be compiled do not.
    most : int
        Trials to try.
    seconds : float
        Time, after which no further one is tried.
    progress : callable
        Called with each smaller trial, and the number of those tried.
    """
    tried, end, changed = 0, time.monotonic() + seconds, True
    while changed:
        changed = False
        for make in PASSES:
            again = True
            while again:
                again = False
                for candidate in make(trial):
                    if tried >= most or time.monotonic() > end:
                        return trial
                    try:
                        candidate.case()
                    except INVALID:
                        continue
                    tried += 1
                    if fails(candidate):
                        trial, again, changed = candidate, True, True
                        progress(trial, tried)
                        break
    return trial
