"""The integer layer graph: a network as bits, thresholds and integer sums, or as 8-bit numbers; its plain evaluation.

A graph describes the computation alone: no words, no banks, no cycles. `golden.compiler.fold` makes a graph from a
PyTorch network, `golden.compiler.compile` compiles the graph to a program.

The type of the weights selects the kind. With bool, weights and the elements of all maps are bits; with int8, the
elements of maps are uint8, products replace equal bits, and every layer but a raw one is "residual".
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from signum.golden.reference.encoding import ELEMENT_TYPES, MapShape, border_class, border_counts
from signum.hdl.control.combine import COMBINES, Combine

__all__ = ["Graph", "GraphError", "Layer", "MapShape", "Requantize", "Segment", "zero_padding_border"]


class GraphError(ValueError):
    """A graph whose parts do not fit together."""


@dataclass(frozen=True, eq=False)
class Requantize:
    """Requantization of a sum: ``(p*scale + offset) >> shift``.

    The paper's residual add uses the INT4 number of a popcount p, ``clip(..., -8, 7) + 8``. The 8 keeps the sum of two
    unsigned; thresholds contain it.

    Parameters
    ----------
    scale : int64 (N,)
        One for each channel, none negative: where the result falls with p, the channel's weights are inverted.
    offset : int64 (N,)
        One for each channel.
    shift : int
        Bits dropped, the same for all channels; the shift rounds towards minus infinity.

    Raises
    ------
    GraphError
        If the sizes differ, or a scale or the shift is negative.
    """

    scale: np.ndarray
    offset: np.ndarray
    shift: int

    def __post_init__(self) -> None:
        if self.scale.ndim != 1 or self.scale.shape != self.offset.shape:
            raise GraphError(f"scale and offset must be one number for each channel, not of the shapes "
                             f"{self.scale.shape} and {self.offset.shape}")
        if self.scale.size and int(self.scale.min()) < 0:
            raise GraphError(f"scale must be at least 0, not {int(self.scale.min())}")
        if self.shift < 0:
            raise GraphError(f"shift must be at least 0, not {self.shift}")

    def scaled(self, sums: np.ndarray) -> np.ndarray:
        """Numbers without clipping: int64 (..., N) to int64 (..., N)."""
        return sums * self.scale.astype(np.int64) + self.offset.astype(np.int64) >> self.shift

    def levels(self, popcounts: np.ndarray) -> np.ndarray:
        """INT4 levels 0..15 of popcounts: int64 (..., N) to int64 (..., N)."""
        return np.clip(self.scaled(popcounts), -8, 7) + 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """A convolution over one map; a fully connected layer has a kernel as large as its map.

    Parameters
    ----------
    source : str
        Name of the input map.
    weights : bool or int8 (N, C, KH, KW)
        True for +1.
    stride, dilation : (int, int)
        Along height and width.
    padding : (int, int, int, int)
        Positions added at the top, left, bottom and right.
    pad : bool or uint8 (C,)
        The element at padded positions, for each input channel.
    requantize : Requantize, or None
        Summand of a "residual" layer in place of the popcount or dot product.
    double : bool
        The sum of the segments before is doubled before this segment's is added: bit planes, those of the largest
        weight first.
    gated : bool
        The sum counts only where the gate of the layer is open: the last segments of a "gated" layer.
    """

    source: str
    weights: np.ndarray
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    requantize: Requantize | None = None
    double: bool = False
    gated: bool = False

    @property
    def taps(self) -> int:
        """Taps of one dot product, with padded ones."""
        return int(np.prod(self.weights.shape[1:]))

    def output_size(self, shape: MapShape) -> tuple[int, int]:
        """Height and width of the result on a map of this shape; GraphError where it is empty."""
        top, left, bottom, right = self.padding
        if min(self.stride) < 1:
            raise GraphError(f"the strides on map {self.source} must be at least 1, not {self.stride}")
        height = shape.height + top + bottom - (self.weights.shape[2] - 1) * self.dilation[0] - 1
        width = shape.width + left + right - (self.weights.shape[3] - 1) * self.dilation[1] - 1
        if height < 0 or width < 0:
            raise GraphError(f"the kernel must fit into map {self.source} ({shape.height} x {shape.width} with "
                             f"padding {self.padding}), not be {self.weights.shape[2]} x {self.weights.shape[3]}")
        return height // self.stride[0] + 1, width // self.stride[1] + 1

    @property
    def element_bits(self) -> int:
        """Bits of the input elements: 1 or 8."""
        return 1 if self.weights.dtype == bool else 8

    def sums(self, elements: np.ndarray) -> np.ndarray:
        """The sums of the array: `popcounts` or `dots`, (B, H, W, C) to int64 (B, OH, OW, N)."""
        return self.popcounts(elements) if self.element_bits == 1 else self.dots(elements, self.weights, self.pad)

    def popcounts(self, bits: np.ndarray) -> np.ndarray:
        """Number of equal pairs: bool (B, H, W, C) to int64 (B, OH, OW, N)."""
        signs, values, pad = (np.where(part, 1, -1) for part in (self.weights, bits, self.pad))
        return (self.dots(values, signs, pad) + self.taps) // 2

    def dots(self, values: np.ndarray, weights: np.ndarray, pad: np.ndarray) -> np.ndarray:
        """Dot products of numbers with this geometry: (B, H, W, C) to int64 (B, OH, OW, N)."""
        top, left, bottom, right = self.padding
        batch, height, width, channels = values.shape
        padded = np.empty((batch, height + top + bottom, width + left + right, channels))
        if self.padding != (0, 0, 0, 0):
            padded[:] = pad
        padded[:, top:top + height, left:left + width] = values
        oh, ow = self.output_size(MapShape(height, width, channels))
        outputs, _, kernel_h, kernel_w = weights.shape
        factors = weights.astype(np.float64)        # sums of these are exact
        dots = np.zeros((batch, oh, ow, outputs))
        for ky in range(kernel_h):
            for kx in range(kernel_w):
                y, x = ky * self.dilation[0], kx * self.dilation[1]
                window = padded[:, y:y + (oh - 1) * self.stride[0] + 1:self.stride[0],
                                x:x + (ow - 1) * self.stride[1] + 1:self.stride[1]]
                dots += window @ factors[:, :, ky, kx].T
        return np.rint(dots).astype(np.int64)

    def reach(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest sum of each channel, int64 (N,)."""
        if self.element_bits == 1:
            return np.zeros(len(self.weights), dtype=np.int64), np.full(len(self.weights), self.taps)
        weights = 255 * self.weights.astype(np.int64).reshape(len(self.weights), -1)
        return np.minimum(weights, 0).sum(axis=1), np.maximum(weights, 0).sum(axis=1)

    def operands(self, sums: np.ndarray) -> np.ndarray:
        """The summands of sums, int64 (..., N): themselves, or requantized."""
        if self.requantize is None:
            return sums
        return self.requantize.levels(sums) if self.element_bits == 1 else self.requantize.scaled(sums)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer: segments, how their sums combine, and the use of the result.

    Parameters
    ----------
    name : str
        Name of the output map (or of the raw result).
    segments : tuple of Segment
        With equal output sizes and equal N.
    combine : str
        A row of `hdl.control.combine.COMBINES`: S as a function of the sums p of the segments, in order. A requantized
        row takes ``requantize.levels(p)``, or with elements of 8 bits ``requantize.scaled(p)``.
    thresholds : int (CY, CX, N), or None
        A bit is ``S >= thresholds[border class of y, border class of x]``; None gives the raw sums.
        CY = CX = 1 unless the padding counts as zero. An element of 8 bits is S clipped to 0..255. Of a "gated" layer
        where the gate is closed.
    gates, open_thresholds : int (CY, CX, N), or None
        Of a "gated" layer: its gate is open where the sum of the segments before the gated ones, before a doubling, is
        at least ``gates``, as a threshold: ``S > G`` of FracBNN with G + 1. Its bits there are ``S >=
        open_thresholds``. Where it is closed, gated segments add nothing; S is doubled as where it is open.
    border : (int, int, int, int)
        Output positions of the convolution (before pooling) of the top, left, bottom and right
        whose thresholds differ; see `golden.reference.encoding.border_class`.
    pool : (int, int)
        Window of the OR over the bits (the largest element), and its stride. Positions left over at the end are
        dropped.
    inverted : bool (N,), or None
        Channels stored inverted in the map; readers of the map as a result invert them back.
    offset : int (N,), or None
        For a raw layer: its values are ``step*S + offset``, with elements of 8 bits ``S + offset``.
    step : 1 or 2
        2, or 1 where a segment reads bit planes.
    shares : int (M,), or None
        For each of M channels of the map, to which thresholds and inversions then belong, the channel of its sum; by
        default each has a sum of its own.
    bytes : (int, int), or None
        For a raw layer: the factor and the shift by which its values become 8 bits; see `golden.layers.binary.Bytes`.
    """

    name: str
    segments: tuple[Segment, ...]
    combine: str = "sum"
    thresholds: np.ndarray | None = None
    border: tuple[int, int, int, int] = (0, 0, 0, 0)
    pool: tuple[int, int] = (1, 1)
    inverted: np.ndarray | None = None
    offset: np.ndarray | None = None
    step: int = 2
    shares: np.ndarray | None = None
    bytes: tuple[int, int] | None = None
    gates: np.ndarray | None = None
    open_thresholds: np.ndarray | None = None

    @property
    def outputs(self) -> int:
        """Channels of the sums."""
        return self.segments[0].weights.shape[0]

    @property
    def channels(self) -> int:
        """Channels of the map, or of the raw sums."""
        return self.outputs if self.shares is None else len(self.shares)

    @property
    def element_bits(self) -> int:
        return self.segments[0].element_bits

    @property
    def raw(self) -> bool:
        """The sums themselves are the result."""
        return self.thresholds is None and (self.element_bits == 1 or not self.row.requantized)

    @property
    def row(self) -> Combine:
        """The row of ``combine``."""
        return COMBINES[self.combine]

    def picked(self, name: str, channels: np.ndarray) -> "Layer":
        """A layer of some channels, int64 (M,), of a layer without shared sums, and without their raw values."""
        segments = tuple(replace(segment, weights=segment.weights[channels]) for segment in self.segments)
        return replace(self, name=name, segments=segments, **self.thresholds_of(lambda values: values[..., channels]),
                       inverted=None if self.inverted is None else self.inverted[channels])

    def thresholds_of(self, function: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
        """A function of thresholds, gates and open thresholds, each (CY, CX, N), by the name of the parameter."""
        found = {name: getattr(self, name) for name in ("thresholds", "gates", "open_thresholds")}
        return {name: None if values is None else function(values) for name, values in found.items()}

    def ordered(self, elements: np.ndarray) -> np.ndarray:
        """Elements (..., M) of the map of the layer in the network's order, where channels with shared sums are in that
        of the hardware: levels of one sum come in rising order, so the n-th of a channel is its level n."""
        return elements if self.shares is None else elements[..., np.argsort(self.shares, kind="stable")]

    def placed(self, elements: np.ndarray) -> np.ndarray:
        """Elements (..., M) in the network's order, each in its place in the hardware: the inverse of `ordered`."""
        return elements if self.shares is None else elements[..., np.argsort(self.ordered(np.arange(self.channels)))]

    def _combined(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """S of the sums of each segment."""
        return np.asarray(self.row.total(
            (segment.operands(part) for segment, part in zip(self.segments, parts, strict=True)),
            (segment.double for segment in self.segments)))

    @property
    def bottom(self) -> int:
        """The least reachable sum of all channels."""
        return int(self._combined(segment.reach()[0] for segment in self.segments).min())

    @property
    def top(self) -> int:
        """The largest reachable sum of all channels; of INT4 levels, for any weights."""
        if self.row.requantized and self.element_bits == 1:
            return int(self.row.total([15] * len(self.segments)))
        return int(self._combined(segment.reach()[1] for segment in self.segments).max())

    def sums(self, maps: dict[str, np.ndarray]) -> np.ndarray:
        """Combined sums S of all positions before pooling, int64 (B, OH, OW, N)."""
        return self._gated_sums(maps)[0]

    def _gated_sums(self, maps: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Combined sums, and where the gate is open, bool (B, OH, OW, N)."""
        parts = [segment.sums(maps[segment.source]) for segment in self.segments]
        if self.gates is None:
            return self._combined(parts), np.zeros(parts[0].shape, dtype=bool)
        first = sum(not segment.gated for segment in self.segments)
        before = self.row.total(parts[:first], (segment.double for segment in self.segments))
        opens = before >= self._of_positions(self.gates, before)
        return self._combined([*parts[:first], *(part * opens for part in parts[first:])]), opens

    def _of_positions(self, thresholds: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """The thresholds (CY, CX, N) of the border class of each position of sums (B, OH, OW, N): (OH, OW, N)."""
        _, oh, ow, _ = sums.shape
        top, left, bottom, right = self.border
        class_y = border_class(np.arange(oh), oh, top, bottom)
        class_x = border_class(np.arange(ow), ow, left, right)
        found: np.ndarray = thresholds[class_y[:, None], class_x[None, :]]
        return found

    def evaluate(self, maps: dict[str, np.ndarray]) -> np.ndarray:
        """The elements, bool or uint8 (B, PH, PW, N), or the raw sums, int64 (B, OH, OW, N)."""
        sums, opens = self._gated_sums(maps)
        if self.raw:
            return sums
        _, oh, ow, _ = sums.shape
        if self.thresholds is None:
            elements = np.clip(sums, 0, 255).astype(ELEMENT_TYPES[self.element_bits])
        else:
            if self.shares is not None:
                sums, opens = sums[..., self.shares], opens[..., self.shares]
            elements = sums >= self._of_positions(self.thresholds, sums)
            if self.open_thresholds is not None:
                elements = np.where(opens, sums >= self._of_positions(self.open_thresholds, sums), elements)
        ph, pw = oh // self.pool[0], ow // self.pool[1]
        elements = elements[:, :ph * self.pool[0], :pw * self.pool[1]]
        return elements.reshape(-1, ph, self.pool[0], pw, self.pool[1], self.channels).max(axis=(2, 4))

    def values(self, sums: np.ndarray) -> np.ndarray:
        """Integer results of a raw layer from its sums, any shape (..., N)."""
        assert self.offset is not None
        values = (self.step if self.element_bits == 1 else 1) * np.asarray(sums, dtype=np.int64) + self.offset
        if self.bytes is None:
            return values
        factor, shift = self.bytes
        return np.clip(values * factor + (1 << shift - 1) >> shift, 0, 255)


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """Layers in an order in which each reads only inputs and earlier maps; the last layer is the result.

    Raises
    ------
    GraphError
        If a map is missing or sizes do not agree; the message names the layer.
    """

    inputs: dict[str, MapShape]
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        shapes = dict(self.inputs)
        for layer in self.layers:
            if layer.combine not in COMBINES:
                raise GraphError(f"layer {layer.name} must combine by {' or '.join(COMBINES)}, not by {layer.combine}")
            self._check_elements(layer)
            sizes = set()
            for segment in layer.segments:
                if (segment.requantize is not None) != layer.row.requantized:
                    raise GraphError(f"the segments of layer {layer.name} must "
                                     f"{'all' if layer.row.requantized else 'not'} requantize, "
                                     f"for it is {layer.combine}")
                if segment.requantize is not None and segment.requantize.scale.size != segment.weights.shape[0]:
                    raise GraphError(f"layer {layer.name} must requantize {segment.weights.shape[0]} channels, "
                                     f"not {segment.requantize.scale.size}")
                if segment.source not in shapes:
                    raise GraphError(f"layer {layer.name} must read an input or an earlier map, "
                                     f"not {segment.source}")
                if segment.weights.shape[1] != shapes[segment.source].channels:
                    raise GraphError(f"layer {layer.name} must have {shapes[segment.source].channels} input "
                                     f"channels for map {segment.source}, not {segment.weights.shape[1]}")
                sizes.add((segment.output_size(shapes[segment.source]), segment.weights.shape[0]))
            if layer.segments[0].double:
                raise GraphError(f"the first segment of layer {layer.name} must not double, "
                                 "for no sum stands before it")
            if not layer.row.doubles and any(segment.double for segment in layer.segments):
                raise GraphError(f"the segments of layer {layer.name} must not double, for it is {layer.combine}")
            if layer.row.requantized and any(layer.border):
                raise GraphError(f"layer {layer.name} must not have border classes, for it is {layer.combine}: "
                                 "zeros that are padded would move its levels")
            self._check_gates(layer)
            if len(sizes) != 1:
                raise GraphError(f"the segments of layer {layer.name} must have equal output sizes")
            if layer.name in shapes:
                raise GraphError(f"the name {layer.name} must be used once")
            shapes[layer.name] = self._shape(layer, shapes)

    @staticmethod
    def _check_gates(layer: Layer) -> None:
        gated = [segment.gated for segment in layer.segments]
        if not layer.row.gates:
            if any(gated) or layer.gates is not None or layer.open_thresholds is not None:
                raise GraphError(f"layer {layer.name} must not have gates or gated segments, for it is {layer.combine}")
            return
        if layer.thresholds is None or layer.gates is None or layer.open_thresholds is None:
            raise GraphError(f"the gated layer {layer.name} must have gates, thresholds and open thresholds, not raw "
                             "sums: their value differs with the gate")
        if gated[0] or not gated[-1] or gated != sorted(gated):
            raise GraphError(f"the gated segments of layer {layer.name} must be one or more, behind all others, "
                             "for its gate is decided once")
        if layer.shares is not None:
            raise GraphError(f"the channels of the gated layer {layer.name} must not share sums")
        if not layer.thresholds.shape == layer.gates.shape == layer.open_thresholds.shape:
            raise GraphError(f"gates, thresholds and open thresholds of layer {layer.name} must be of one shape, not "
                             f"{layer.gates.shape}, {layer.thresholds.shape} and {layer.open_thresholds.shape}")

    def _check_elements(self, layer: Layer) -> None:
        expected = "bool" if self.element_bits == 1 else "int8"
        for segment in layer.segments:
            if segment.weights.dtype != expected:
                raise GraphError(f"the weights of layer {layer.name} must be of type {expected}, "
                                 f"not {segment.weights.dtype}")
        if self.element_bits > 1 and layer.thresholds is not None:
            raise GraphError(f"layer {layer.name} must not have thresholds, for its elements have 8 bits")
        if self.element_bits not in layer.row.element_bits:
            names = [row.name for row in COMBINES.values() if self.element_bits in row.element_bits]
            raise GraphError(f"layer {layer.name} must combine by {' or '.join(names)}, not by {layer.combine}, "
                             f"for its elements have {self.element_bits} bits")

    @property
    def element_bits(self) -> int:
        """Bits of the elements of all maps: 1 or 8."""
        return self.layers[0].element_bits

    def sums_size(self, layer: Layer) -> tuple[int, int]:
        """Height and width of a layer's sums, before pooling."""
        segment = layer.segments[0]
        return segment.output_size(self.shapes[segment.source])

    @staticmethod
    def _shape(layer: Layer, shapes: dict[str, MapShape]) -> MapShape:
        height, width = layer.segments[0].output_size(shapes[layer.segments[0].source])
        if height < layer.pool[0] or width < layer.pool[1]:
            raise GraphError(f"the pooling window of layer {layer.name} must be at most {height} x {width}, "
                             f"not {layer.pool[0]} x {layer.pool[1]}")
        return MapShape(height // layer.pool[0], width // layer.pool[1], layer.channels)

    @property
    def shapes(self) -> dict[str, MapShape]:
        """Sizes of all maps by name, the inputs' included."""
        shapes = dict(self.inputs)
        for layer in self.layers:
            shapes[layer.name] = self._shape(layer, shapes)
        return shapes

    @property
    def weight_bits(self) -> int:
        return sum(segment.weights.size * segment.element_bits for layer in self.layers for segment in layer.segments)

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All maps and raw sums by name, from input maps bool or uint8 (B, H, W, C)."""
        maps = {name: np.asarray(inputs[name], dtype=ELEMENT_TYPES[self.element_bits]) for name in self.inputs}
        for layer in self.layers:
            maps[layer.name] = layer.evaluate(maps)
        return maps


def zero_padding_border(segment: Segment, shape: MapShape) -> tuple[int, int, int, int]:
    """`Layer.border` of a segment with zero padding: top, left, bottom, right."""
    oh, ow = segment.output_size(shape)
    top, left, _, _ = segment.padding
    y = border_counts(shape.height, segment.weights.shape[2], segment.stride[0], top, oh, segment.dilation[0])
    x = border_counts(shape.width, segment.weights.shape[3], segment.stride[1], left, ow, segment.dilation[1])
    return y[0], x[0], y[1], x[1]
