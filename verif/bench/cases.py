"""Random arrays and random layers, drawn from a seed: the cases of the regression and of the soak run."""

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from signum.golden.compiler.compile import CapacityError, compile_graph
from signum.golden.compiler.graph import Graph, GraphError, Layer, MapShape, Requantize, Segment, zero_padding_border
from signum.golden.compiler.program import Program
from signum.golden.reference.encoding import ELEMENT_TYPES, border_class
from signum.hdl.config import ArrayConfig
from signum.hdl.control.combine import COMBINES, Combine
from signum.hdl.stages import multiply_levels, popcount_levels

__all__ = ["Case", "draw_case", "draw_config", "draw_graph", "draw_maps"]

BINARY_PADDING, ZERO_PADDING = "binary", "zero"


@dataclass(frozen=True)
class Case:
    """A compiled random graph, and input maps for one run of it."""

    program: Program
    graph: Graph
    maps: dict[str, np.ndarray]

    def __str__(self) -> str:
        layers = ", ".join(
            f"{layer.name}: {layer.combine} of " + " and ".join(
                f"{'gated, ' if s.gated else ''}{'twice the sum, ' if s.double else ''}{s.weights.shape} "
                f"stride {s.stride} dilation {s.dilation} padding {s.padding} on {s.source}"
                for s in layer.segments) + f", border {layer.border}, pool {layer.pool}"
            for layer in self.graph.layers)
        return f"{self.program.config}, split {self.program.split}, inputs {self.graph.inputs}, {layers}"


def draw_config(rng: np.random.Generator, element_bits: int | None = None) -> ArrayConfig:
    """An array of any small size, binary or, in a third of the draws, of 8-bit elements; sizes of 1 are frequent."""
    if element_bits is None:
        element_bits = int(rng.choice([1, 1, 8]))
    # drain width: any divisor of the lanes
    wide = int(rng.choice([1, 1, 2, 4])) if element_bits == 1 else int(rng.choice([1, 1, 2]))
    further = rng.spawn(1)[0]       # a stream of its own: what follows from a seed stays the same
    common: dict[str, Any] = {
        "rows": rng.integers(1, 6), "cols": rng.integers(1, 8) * wide, "tile": rng.integers(1, 5) * wide,
        "drain_width": wide, "memory_registers": rng.integers(0, 3), "fetch_width": rng.choice([1, 2, 5, 8, 32]),
        "weight_depth": 4096, "activation_depth": 4096, "threshold_depth": 4096, "program_depth": 512,
        "access_patterns": rng.integers(1, 4), "zero_padding": rng.integers(0, 2), "scale_bits": rng.integers(14, 19),
        "element_bits": element_bits, "weight_repeats": rng.integers(0, 2),
        "parity": further.random() < 0.3,
        "gate": element_bits == 1 and further.random() < 0.3}
    if not common["zero_padding"] and not common["gate"] and further.random() < 0.6:
        common["raw_depth"] = 2048
    common["tile_height"] = int(further.choice([0, 0, 1, 2, 3]))
    if element_bits == 1:
        lanes = int(rng.choice([lanes for lanes in (1, 2, 3, 5, 7, 8, 12, 16, 24, 32, 33, 40, 64, 70)
                                if lanes % wide == 0]))
        common |= {"lanes": lanes, "pipeline": rng.integers(0, popcount_levels(lanes) + 2), "sum_bits": 20,
                   "acc_bits": max(lanes.bit_length(), rng.integers(6, 11 + 4 * (shift := int(rng.integers(0, 2))))),
                   "accumulator_shift": shift,
                   "requantize_depth": rng.choice([0, 64, 300, 300]), "requantize_shift": rng.integers(7, 13),
                   "threshold_levels": rng.choice([1, 2, 3])}
    else:
        lanes = int(rng.choice([lanes for lanes in (1, 2, 3, 4, 5, 8) if lanes % wide == 0]))
        common |= {"lanes": lanes, "pipeline": rng.integers(0, multiply_levels(lanes) + 1), "sum_bits": 32,
                   "acc_bits": rng.choice([20, 24, 28, 32]), "requantize_depth": 300,
                   "requantize_shift": rng.integers(16, 20)}
    return ArrayConfig(**{name: int(value) for name, value in common.items()})


def draw_thresholds(rng: np.random.Generator, layer: Layer, classes: tuple[int, int]) -> np.ndarray:
    """Thresholds near the middle of the reachable sums; some are never reached, some always."""
    middle, width = layer.top / 2, max(1.0, layer.top ** 0.5 / 2)
    drawn = np.rint(rng.normal(middle, width, (*classes, layer.channels))).astype(np.int64)
    drawn = np.where(rng.random(drawn.shape) < 0.05, 0, drawn)
    drawn = np.where(rng.random(drawn.shape) < 0.05, layer.top + 1, drawn)
    return np.clip(drawn, 0, layer.top + 1)


def draw_elements(rng: np.random.Generator, shape: tuple[int, ...], element_bits: int) -> np.ndarray:
    """Bits, or numbers of 0..255, many at the ends of the range."""
    if element_bits == 1:
        return rng.random(shape) < 0.5
    return np.clip(rng.integers(-40, 296, shape), 0, 255).astype(ELEMENT_TYPES[element_bits])


def draw_weights(rng: np.random.Generator, shape: tuple[int, ...], element_bits: int) -> np.ndarray:
    """Bits, or numbers of -128..127, many at the ends of the range."""
    if element_bits == 1:
        return rng.random(shape) < 0.5
    return np.clip(rng.integers(-150, 150, shape), -128, 127).astype(np.int8)


def draw_segment(rng: np.random.Generator, source: str, shape: MapShape, channels: int, padding: str,
                 element_bits: int) -> Segment:
    kernel = rng.choice([1, 1, 2, 3, 3, 5], 2) if rng.random() < 0.3 else np.repeat(rng.choice([1, 2, 3, 3, 5]), 2)
    pads = rng.integers(0, np.maximum(1, kernel // 2 + 1)).repeat(2).reshape(2, 2)
    if rng.random() < 0.2:
        pads[:, 1] = 0
    further = rng.spawn(1)[0]       # a stream of its own: what follows from a seed stays the same
    if not pads.any() and further.random() < 0.15:      # wider than half of the kernel: windows of padding alone
        pads = further.integers(0, 3, (2, 2))
    pad = draw_elements(rng, (shape.channels,), element_bits)
    if padding == ZERO_PADDING:
        pad = np.zeros_like(pad)
    return Segment(
        source=source, weights=draw_weights(rng, (channels, shape.channels, *kernel), element_bits),
        stride=(int(rng.choice([1, 1, 2])), int(rng.choice([1, 1, 2]))),
        dilation=(1, 1) if rng.random() < 0.8 else (int(rng.integers(1, 3)), int(rng.integers(1, 3))),
        padding=(int(pads[0, 0]), int(pads[1, 0]), int(pads[0, 1]), int(pads[1, 1])), pad=pad)


def draw_requantize(rng: np.random.Generator, segment: Segment) -> Requantize:
    """Scales and offsets with results over the whole range; some channels saturate."""
    channels, taps = len(segment.weights), segment.taps
    if segment.element_bits > 1:
        shift = int(rng.integers(12, 17))
        slope = rng.uniform(0, 250, channels) / (80 * 150 * taps ** 0.5)
        offset = rng.integers(-50 << shift, 250 << shift, channels)
        return Requantize(np.rint(slope * 2**shift).astype(np.int64), offset, shift)
    shift = int(rng.integers(0, 8))
    slope = rng.uniform(1, 30) / (taps ** 0.5 + 1)
    scale = np.rint(slope * rng.uniform(0, 2, channels) * 2**shift).astype(np.int64)
    offset = np.rint(rng.normal(0, 4 << shift, channels)).astype(np.int64) - scale * taps // 2
    far = np.where(rng.random(channels) < 0.5, 1, -1) << int(rng.integers(20, 60))
    return Requantize(scale, np.where(rng.random(channels) < 0.05, far, offset), shift)


def draw_combine(rng: np.random.Generator, element_bits: int, raw: bool) -> Combine:
    """A combine for a layer of these elements; a layer of 8 bits requantizes unless it is raw."""
    rows = [row for row in COMBINES.values()
            if element_bits in row.element_bits and (element_bits == 1 or row.requantized != raw) and not row.gates]
    return rows[int(rng.integers(len(rows)))]


def draw_gate(rng: np.random.Generator, layer: Layer) -> Layer:
    """The layer with its last segments gated, one of them further if it has but one; gates near the middle of S."""
    assert layer.thresholds is not None
    first = int(rng.integers(1, max(2, len(layer.segments))))
    segments = [*layer.segments]
    if len(segments) == 1:
        weights = draw_weights(rng, segments[0].weights.shape, 1)
        segments.append(dataclasses.replace(segments[0], weights=weights, double=bool(rng.random() < 0.5)))
    segments[first:] = [dataclasses.replace(part, gated=True) for part in segments[first:]]
    classes = layer.thresholds.shape[:2]
    decided = dataclasses.replace(layer, segments=tuple(segments[:first]))
    layer = dataclasses.replace(layer, segments=tuple(segments), combine=next(
        row.name for row in COMBINES.values() if row.gates))
    return dataclasses.replace(
        layer, gates=draw_thresholds(rng, decided, classes), thresholds=draw_thresholds(rng, layer, classes),
        open_thresholds=draw_thresholds(rng, layer, classes))


def draw_layer(rng: np.random.Generator, name: str, maps: dict[str, MapShape], raw: bool, element_bits: int,
               levels: int = 1, gate: bool = False) -> Layer:
    """A layer over some of the maps: a convolution, a fully connected layer, or several combined by any row.

    As many neighbouring channels as ``levels`` have equal weights. With ``gate`` half of the sums are gated.
    """
    further = np.random.default_rng(copy.deepcopy(rng).integers(1 << 62))
    source = str(rng.choice(list(maps)))
    shape = maps[source]
    channels = int(rng.integers(1, 20)) if levels == 1 else levels * int(rng.choice([4, 8, 12, 20]))
    combine = draw_combine(rng, element_bits, raw)
    alone = COMBINES["sum"].name == combine.name and rng.random() < 0.7
    padding = BINARY_PADDING if combine.requantized else str(rng.choice([BINARY_PADDING, ZERO_PADDING]))
    segment = draw_segment(rng, source, shape, channels, padding, element_bits)
    if alone and rng.random() < 0.3:
        segment = Segment(source=source, weights=draw_weights(
            rng, (channels, shape.channels, shape.height, shape.width), element_bits))
    segments = [segment]
    if not alone:
        same = [other for other in maps if maps[other] == shape]
        for _ in range(int(rng.integers(1, 4))):
            other = str(rng.choice(same))
            weights = draw_weights(rng, segment.weights.shape, element_bits)
            segments.append(Segment(source=other, weights=weights, stride=segment.stride, dilation=segment.dilation,
                                    padding=segment.padding, pad=segment.pad))
    if combine.doubles and rng.random() < 0.5:
        segments[1:] = [dataclasses.replace(part, double=bool(rng.random() < 0.6)) for part in segments[1:]]
    if levels > 1:
        segments = [dataclasses.replace(part, weights=part.weights[::levels].repeat(levels, axis=0))
                    for part in segments]
    if rng.random() < 0.15:         # behind average pooling all positions have the same weights
        segments = [dataclasses.replace(part, weights=np.broadcast_to(part.weights[:, :, :1, :1], part.weights.shape))
                    for part in segments]
    if combine.requantized:
        segments = [dataclasses.replace(part, requantize=draw_requantize(rng, part)) for part in segments]
    height, width = segment.output_size(shape)
    pool = (1, 1) if raw or rng.random() < 0.5 else (int(rng.integers(1, min(3, height) + 1)),
                                                     int(rng.integers(1, min(3, width) + 1)))
    border = (0, 0, 0, 0)
    if padding == ZERO_PADDING and any(segment.padding) and not raw:
        border = zero_padding_border(segment, shape)
    classes = (int(border_class(height - 1, height, border[0], border[2])) + 1,
               int(border_class(width - 1, width, border[1], border[3])) + 1)
    layer = Layer(name=name, segments=tuple(segments), combine=combine.name,
                  border=border, pool=pool, offset=np.zeros(channels, dtype=np.int64) if raw else None)
    if raw or element_bits > 1:
        return layer
    layer = Layer(name=name, segments=layer.segments, combine=layer.combine, border=border, pool=pool,
                  thresholds=draw_thresholds(rng, layer, classes))
    return draw_gate(further, layer) if gate and not combine.requantized and further.random() < 0.5 else layer


def draw_graph(rng: np.random.Generator, layers: int = 2, element_bits: int = 1, levels: int = 1,
               gate: bool = False) -> Graph:
    """One to ``layers`` random layers over one or two input maps; GraphError where sizes do not fit.

    In layers before the last up to ``levels`` neighbouring channels have equal weights. With ``gate`` half of the sums
    are gated.
    """
    shape = MapShape(int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 40)))
    inputs = {"input": shape}
    if rng.random() < 0.3:
        inputs["other"] = shape
    maps = dict(inputs)
    made: list[Layer] = []
    count = int(rng.integers(1, layers + 1))
    for i in range(count):
        last = i == count - 1
        made.append(draw_layer(rng, f"layer{i}", maps, raw=last and rng.random() < 0.4, element_bits=element_bits,
                               levels=1 if last else int(rng.integers(1, max(1, levels) + 1)), gate=gate))
        if i < count - 1:
            maps[made[-1].name] = Graph(inputs=inputs, layers=tuple(made)).shapes[made[-1].name]
    return Graph(inputs=inputs, layers=tuple(made))


def draw_maps(rng: np.random.Generator, graph: Graph, images: int) -> dict[str, np.ndarray]:
    """Input maps, bool or uint8 (images, H, W, C)."""
    return {name: draw_elements(rng, (images, shape.height, shape.width, shape.channels), graph.element_bits)
            for name, shape in graph.inputs.items()}


def draw_case(rng: np.random.Generator, config: ArrayConfig, layers: int = 2) -> Case:
    """A random graph that fits the array; others are drawn again."""
    while True:
        try:
            graph = draw_graph(rng, layers, config.element_bits, config.threshold_levels, bool(config.gate))
            program = compile_graph(graph, config, split=bool(rng.random() < 0.5))
        except (GraphError, CapacityError):
            continue
        return Case(program, graph, draw_maps(rng, graph, program.images))
