"""The integer graph against a loop over single bits, and the errors of inconsistent graphs."""

import dataclasses
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from signum.golden.compiler.graph import Graph, GraphError, Layer, MapShape, Requantize, Segment, zero_padding_border
from signum.golden.reference.encoding import border_class


def slow_popcount(segment: Segment, bits: np.ndarray, y: int, x: int, channel: int) -> int:
    """Equal pairs of one dot product, bit by bit; ``bits`` is one image (H, W, C)."""
    height, width, channels = bits.shape
    count = 0
    for c, ky, kx in itertools.product(range(channels), *map(range, segment.weights.shape[2:])):
        row = y * segment.stride[0] + ky * segment.dilation[0] - segment.padding[0]
        column = x * segment.stride[1] + kx * segment.dilation[1] - segment.padding[1]
        inside = 0 <= row < height and 0 <= column < width
        bit = bits[row, column, c] if inside else segment.pad[c]
        count += bool(bit) == bool(segment.weights[channel, c, ky, kx])
    return count


def slow_output_size(segment: Segment, shape: MapShape) -> tuple[int, int]:
    """The number of positions of a kernel, by trial."""
    sizes = []
    for axis, size in enumerate((shape.height, shape.width)):
        whole = segment.padding[axis] + size + segment.padding[axis + 2]
        reach = (segment.weights.shape[2 + axis] - 1) * segment.dilation[axis]
        sizes.append(sum(start + reach < whole for start in range(0, whole, segment.stride[axis])))
    return sizes[0], sizes[1]


def random_segment(rng: np.random.Generator, source: str, channels: int, outputs: int) -> Segment:
    kernel = rng.choice([1, 2, 3, 5], 2)
    return Segment(source=source, weights=rng.integers(0, 2, (outputs, channels, *kernel)).astype(bool),
                   stride=(int(rng.integers(1, 3)), int(rng.integers(1, 4))),
                   dilation=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
                   padding=tuple(rng.integers(0, 4, 4).tolist()),
                   pad=rng.integers(0, 2, channels).astype(bool))


@pytest.mark.parametrize("seed", range(25))
def test_popcounts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = MapShape(int(rng.integers(1, 8)), int(rng.integers(1, 8)), int(rng.integers(1, 6)))
    segment = random_segment(rng, "input", shape.channels, 3)
    bits = rng.integers(0, 2, (2, shape.height, shape.width, shape.channels)).astype(bool)
    oh, ow = slow_output_size(segment, shape)
    if oh == 0 or ow == 0:
        with pytest.raises(GraphError, match=r"^the kernel must fit into map input \("):
            segment.output_size(shape)
        return
    assert segment.output_size(shape) == (oh, ow)
    assert segment.taps == segment.weights[0].size
    found = segment.popcounts(bits)
    assert found.dtype == np.int64
    assert found.shape == (2, oh, ow, 3)
    for b, y, x, n in np.ndindex(found.shape):
        assert found[b, y, x, n] == slow_popcount(segment, bits[b], y, x, n)


@pytest.mark.parametrize("doubles", [(False, False), (True, True), (True, False), (False, True)])
@pytest.mark.parametrize("pool", [(1, 1), (2, 2), (3, 2), (5, 7)])
def test_a_layer(doubles: tuple[bool, bool], pool: tuple[int, int]) -> None:
    """Three segments over two maps, thresholds by border class, pooling with a remainder."""
    rng = np.random.default_rng(pool[0])
    maps = {"a": rng.integers(0, 2, (2, 5, 7, 3)).astype(bool),
            "b": rng.integers(0, 2, (2, 10, 14, 2)).astype(bool)}
    outputs, border = 4, (1, 2, 2, 1)
    segments = tuple(
        Segment(source=source, weights=rng.integers(0, 2, (outputs, channels, 3, 3)).astype(bool),
                stride=stride, padding=(1, 1, 1, 1), pad=rng.integers(0, 2, channels).astype(bool), double=double)
        for source, channels, stride, double in (
            ("a", 3, (1, 1), False), ("b", 2, (2, 2), doubles[0]), ("a", 3, (1, 1), doubles[1])))
    factors = [1 + doubles[0], 1 + doubles[1]]
    top = (27 * factors[0] + 18) * factors[1] + 27
    thresholds = rng.integers(top // 3, top, (4, 4, outputs))
    layer = Layer(name="l", segments=segments, thresholds=thresholds, border=border, pool=pool)
    assert layer.top == top
    assert layer.channels == outputs
    found = layer.evaluate(maps)
    assert found.shape == (2, 5 // pool[0], 7 // pool[1], outputs)
    seen = set()
    for b, py, px, n in np.ndindex(found.shape):
        want = False
        for dy, dx in np.ndindex(pool):
            y, x, total = py * pool[0] + dy, px * pool[1] + dx, 0
            for segment in segments:
                total = total * (2 if segment.double else 1)
                total += slow_popcount(segment, maps[segment.source][b], y, x, n)
            row = [0, 1, 1, 2, 3][y]            # one border row above, two below
            column = [0, 1, 2, 2, 2, 2, 3][x]   # two columns at the left, one at the right
            want |= total >= thresholds[row, column, n]
        seen.add(want)
        assert found[b, py, px, n] == want
    assert len(seen) == 2 or pool == (5, 7)


def gated_layer(rng: np.random.Generator, double: bool = False) -> Layer:
    """A sum of two segments of 18 taps, and a gated one of 27, by border class; every third channel inverted."""
    segments = tuple(
        Segment(source=source, weights=rng.random((6, channels, 3, 3)) < 0.5, padding=(1, 1, 1, 1),
                pad=rng.random(channels) < 0.5, double=doubles, gated=gated)
        for source, channels, doubles, gated in (("a", 2, False, False), ("a", 2, True, False), ("b", 3, double, True)))
    return Layer(name="l", segments=segments, combine="gated", border=(1, 0, 0, 2), pool=(2, 1),
                 inverted=np.arange(6) % 3 == 0, gates=rng.integers(20, 35, (2, 3, 6)),
                 thresholds=rng.integers(20, 35, (2, 3, 6)) << double,
                 open_thresholds=(rng.integers(20, 35, (2, 3, 6)) << double) + 13)


@pytest.mark.parametrize("double", [False, True])
def test_a_gated_layer(double: bool) -> None:
    """The light plane counts where the sum before it, not yet doubled, reaches the gate, and T follows the gate."""
    rng = np.random.default_rng(5)
    maps = {name: rng.random((2, 6, 5, channels)) < 0.5 for name, channels in (("a", 2), ("b", 3))}
    layer = gated_layer(rng, double)
    gates, closed_thresholds, open_thresholds = layer.gates, layer.thresholds, layer.open_thresholds
    assert gates is not None
    assert closed_thresholds is not None
    assert open_thresholds is not None
    assert (layer.bottom, layer.top) == (0, 54 * (1 + double) + 27)
    found = layer.evaluate(maps)
    assert found.shape == (2, 3, 5, 6)
    seen = set()
    for b, py, x, n in np.ndindex(found.shape):
        want = False
        for y in (2 * py, 2 * py + 1):
            one, two, light = (slow_popcount(segment, maps[segment.source][b], y, x, n) for segment in layer.segments)
            place = int(y > 0), [0, 0, 0, 1, 2][x], n
            opens = 2 * one + two >= gates[place]
            total = (2 * one + two) * (1 + double) + light * opens
            want |= total >= (open_thresholds if opens else closed_thresholds)[place]
            seen.add((bool(opens), bool(want)))
        assert found[b, py, x, n] == want
    assert len(seen) == 4


def test_a_layer_of_some_channels() -> None:
    rng = np.random.default_rng(6)
    maps = {name: rng.random((2, 6, 5, channels)) < 0.5 for name, channels in (("a", 2), ("b", 3))}
    layer, channels = gated_layer(rng), np.array([4, 0, 3])
    part = layer.picked("part", channels)
    assert part.name == "part"
    np.testing.assert_array_equal(part.evaluate(maps), layer.evaluate(maps)[..., channels])
    assert part.inverted is not None
    assert part.inverted.tolist() == [False, True, True]


def test_levels() -> None:
    """Both ends of the clip, a shift that rounds down below zero, and a scale of zero."""
    numbers = Requantize(np.array([3, 100, 0]), np.array([-9, -32 * 8, -1]), 2)
    assert numbers.levels(np.array([[0, 0, 7], [1, 2, 8], [3, 3, 9]])).tolist() == [[5, 0, 7], [6, 0, 7], [8, 15, 7]]
    wide = Requantize(np.array([2**17]), np.array([-2**31]), 12)
    assert wide.levels(np.array([2**14 - 1, 2**14, 2**14 + 1])).tolist() == [0, 8, 15]


def test_a_residual_layer() -> None:
    """Two segments on one position: the levels add, and the pair may cancel."""
    weights = np.ones((2, 3, 1, 1), dtype=bool)
    segments = (Segment(source="a", weights=weights, requantize=Requantize(np.array([4, 1]), np.array([-4, 0]), 1)),
                Segment(source="b", weights=weights, requantize=Requantize(np.array([2, 9]), np.array([-6, 0]), 0)))
    layer = Layer(name="l", segments=segments, combine="residual", thresholds=np.full((1, 1, 2), 16))
    maps = {"a": np.array([[[[True, True, False]], [[True, False, False]]]]),
            "b": np.array([[[[True, False, False]], [[True, True, True]]]])}
    # p is 2 and 1 at the first position, 1 and 3 at the second
    assert layer.sums(maps).tolist() == [[[[8 + 2 + 8 - 4, 8 + 1 + 8 + 7]], [[8 + 0 + 8 + 0, 8 + 0 + 8 + 7]]]]
    assert layer.evaluate(maps).tolist() == [[[[False, True]], [[True, True]]]]
    assert layer.top == 30


@pytest.mark.parametrize(("scale", "offset", "shift", "message"), [
    ([1], [1, 2], 0, "scale and offset must be one number for each channel, not of the shapes (1,) and (2,)"),
    ([1, -2], [1, 2], 0, "scale must be at least 0, not -2"),
    ([1], [1], -1, "shift must be at least 0, not -1"),
])
def test_refused_numbers(scale: list[int], offset: list[int], shift: int, message: str) -> None:
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        Requantize(np.array(scale), np.array(offset), shift)


def test_raw_sums_and_values() -> None:
    segment = Segment(source="a", weights=np.array([[[[True]], [[False]]]]))
    layer = Layer(name="l", segments=(segment,), offset=np.array([5]))
    sums = layer.evaluate({"a": np.array([[[[True, False], [False, True]]]])})
    assert sums.tolist() == [[[[2], [0]]]]
    assert layer.values(sums).tolist() == [[[[9], [5]]]]


def test_a_graph_runs_in_order() -> None:
    """A layer that inverts its channel, then a layer that reads both this map and the input."""
    invert = Segment(source="input", weights=np.array([[[[False]]]]))
    first = Layer(name="not", segments=(invert,), thresholds=np.full((1, 1, 1), 1))
    both = tuple(Segment(source=source, weights=np.array([[[[True]]]])) for source in ("input", "not"))
    graph = Graph(inputs={"input": MapShape(1, 2, 1)}, layers=(first, Layer(name="sum", segments=both)))
    maps = graph.run({"input": np.array([[[[0], [1]]]])})
    assert maps["input"].dtype == bool
    assert maps["not"].astype(int).tolist() == [[[[1], [0]]]]
    assert maps["sum"].tolist() == [[[[1], [1]]]]
    assert graph.shapes == dict.fromkeys(("input", "not", "sum"), MapShape(1, 2, 1))
    assert graph.weight_bits == 3


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_border_classes_see_the_same_padding(kernel: int, stride: int, dilation: int) -> None:
    """Two output positions of one class have the same taps on padding, for every padding and size."""
    for size, low, high in itertools.product(range(1, 7), range(4), range(4)):
        segment = Segment(source="input", weights=np.zeros((1, 1, kernel, 1), dtype=bool),
                          stride=(stride, 1), dilation=(dilation, 1), padding=(low, 0, high, 0),
                          pad=np.zeros(1, dtype=bool))
        shape = MapShape(size, 3, 1)
        out = slow_output_size(segment, shape)[0]
        if out == 0:
            continue
        top, left, bottom, right = zero_padding_border(segment, shape)
        assert (left, right) == (0, 0)
        seen: dict[int, list[bool]] = {}
        for position, at in enumerate(border_class(np.arange(out), out, top, bottom).tolist()):
            rows = [position * stride - low + k * dilation for k in range(kernel)]
            pads = [row < 0 or row >= size for row in rows]
            assert seen.setdefault(at, pads) == pads
        assert sorted(seen) == list(range(len(seen)))


def slow_dot(segment: Segment, elements: np.ndarray, y: int, x: int, channel: int) -> int:
    """One dot product of 8-bit numbers, tap by tap; ``elements`` is one image (H, W, C)."""
    height, width, channels = elements.shape
    total = 0
    for c, ky, kx in itertools.product(range(channels), *map(range, segment.weights.shape[2:])):
        row = y * segment.stride[0] + ky * segment.dilation[0] - segment.padding[0]
        column = x * segment.stride[1] + kx * segment.dilation[1] - segment.padding[1]
        inside = 0 <= row < height and 0 <= column < width
        total += int(elements[row, column, c] if inside else segment.pad[c]) * int(segment.weights[channel, c, ky, kx])
    return total


@pytest.mark.parametrize("pool", [(1, 1), (2, 2), (3, 2)])
def test_a_layer_of_8_bit_elements(pool: tuple[int, int]) -> None:
    """A convolution and a skip path, requantized, added, clipped, pooled; and the raw sums of both."""
    rng = np.random.default_rng(pool[0])
    maps = {"a": rng.integers(0, 256, (2, 6, 8, 3)).astype(np.uint8)}
    numbers = Requantize(rng.integers(0, 6, 5), rng.integers(0, 90000, 5), 10)
    segments = [Segment(source="a", weights=rng.integers(-128, 128, (5, 3, kernel, kernel)).astype(np.int8),
                        stride=(1, 2), padding=(pads,) * 4, pad=rng.integers(0, 256, 3).astype(np.uint8))
                for kernel, pads in ((3, 1), (1, 0))]
    raw = Layer(name="raw", segments=tuple(segments), offset=np.arange(5))
    layer = Layer(name="l", segments=tuple(dataclasses.replace(segment, requantize=numbers) for segment in segments),
                  combine="residual", pool=pool)
    assert raw.raw
    assert not layer.raw
    sums, found = raw.evaluate(maps), layer.evaluate(maps)
    assert found.dtype == np.uint8
    for b, py, px, n in np.ndindex(found.shape):
        largest = 0
        for dy, dx in np.ndindex(pool):
            y, x = py * pool[0] + dy, px * pool[1] + dx
            dots = [slow_dot(segment, maps["a"][b], y, x, n) for segment in segments]
            assert sums[b, y, x, n] == sum(dots)
            assert raw.values(sums)[b, y, x, n] == sum(dots) + n
            total = sum((dot * int(numbers.scale[n]) + int(numbers.offset[n])) // 1024 for dot in dots)
            assert layer.bottom <= total <= layer.top
            largest = max(largest, min(max(total, 0), 255))
        assert found[b, py, px, n] == largest
    assert found.shape == (2, 6 // pool[0], 4 // pool[1], 5)
    assert (found % 255 > 0).mean() > 0.2


def test_the_reach_of_8_bit_sums_is_reached() -> None:
    weights = np.array([[[[3]], [[-5]]], [[[127]], [[127]]]], dtype=np.int8)
    segment = Segment(source="a", weights=weights)
    least, most = segment.reach()
    assert least.tolist() == [-5 * 255, 0]
    assert most.tolist() == [3 * 255, 254 * 255]
    ends = np.array([[[[255, 0], [0, 255], [255, 255]]]], dtype=np.uint8)
    sums = segment.sums(ends)
    assert (sums[..., 0].min(), sums[..., 0].max(), sums[..., 1].max()) == (least[0], most[0], most[1])


def layer(name: str = "l", source: str = "input", shape: tuple[int, int, int, int] = (1, 2, 1, 1),
          pool: tuple[int, int] = (1, 1), combine: Literal["sum", "residual"] = "sum",
          requantize: Requantize | None = None, double: bool = False) -> Layer:
    segment = Segment(source=source, weights=np.zeros(shape, dtype=bool), requantize=requantize, double=double)
    return Layer(name=name, segments=(segment,), combine=combine, pool=pool)


def gated(segments: tuple[bool, ...], **further: Any) -> Layer:
    one, entry = layer().segments[0], np.zeros((1, 1, 1))
    made = Layer(name="l", segments=tuple(replace(one, gated=part) for part in segments), combine="gated",
                 gates=entry, thresholds=entry, open_thresholds=entry)
    return replace(made, **further)


def graph_of(*layers: Layer) -> Callable[[], Graph]:
    return lambda: Graph(inputs={"input": MapShape(4, 5, 2)}, layers=layers)


@pytest.mark.parametrize(("make", "message"), [
    (graph_of(layer(source="x")), "layer l must read an input or an earlier map, not x"),
    (graph_of(layer(shape=(1, 3, 1, 1))), "layer l must have 2 input channels for map input, not 3"),
    (graph_of(layer(shape=(1, 2, 5, 5))),
     "the kernel must fit into map input (4 x 5 with padding (0, 0, 0, 0)), not be 5 x 5"),
    (graph_of(layer(name="input")), "the name input must be used once"),
    (graph_of(layer(), layer(source="l", shape=(1, 1, 1, 1))), "the name l must be used once"),
    (graph_of(Layer(name="l", segments=layer().segments + layer(shape=(1, 2, 2, 2)).segments)),
     "the segments of layer l must have equal output sizes"),
    (graph_of(Layer(name="l", segments=layer().segments + layer(shape=(2, 2, 1, 1)).segments)),
     "the segments of layer l must have equal output sizes"),
    (graph_of(layer(combine="residual")),
     "the segments of layer l must all requantize, for it is residual"),
    (graph_of(layer(requantize=Requantize(np.ones(1), np.ones(1), 0))),
     "the segments of layer l must not requantize, for it is sum"),
    (graph_of(layer(double=True)), "the first segment of layer l must not double, for no sum stands before it"),
    (graph_of(Layer(name="l", segments=tuple(
        layer(requantize=Requantize(np.ones(1), np.ones(1), 0), double=double).segments[0]
        for double in (False, True)), combine="residual")),
     "the segments of layer l must not double, for it is residual"),
    (graph_of(layer(combine="residual", requantize=Requantize(np.ones(2), np.ones(2), 0))),
     "layer l must requantize 1 channels, not 2"),
    (graph_of(Layer(name="l", segments=layer(requantize=Requantize(np.ones(1), np.ones(1), 0)).segments,
                    combine="residual", border=(0, 0, 0, 1))),
     "layer l must not have border classes, for it is residual: zeros that are padded would move its levels"),
    (graph_of(layer(), Layer(name="m", segments=(Segment(source="l", weights=np.zeros((1, 1, 1, 1), np.int8)),))),
     "the weights of layer m must be of type bool, not int8"),
    (graph_of(Layer(name="l", segments=(Segment(source="input", weights=np.zeros((1, 2, 1, 1), np.int8)),
                                        layer().segments[0]))),
     "the weights of layer l must be of type int8, not bool"),
    (graph_of(Layer(name="l", segments=(Segment(source="input", weights=np.zeros((1, 2, 1, 1), np.int8)),),
                    thresholds=np.zeros((1, 1, 1)))),
     "layer l must not have thresholds, for its elements have 8 bits"),
    (graph_of(replace(layer(), gates=np.zeros((1, 1, 1)))),
     "layer l must not have gates or gated segments, for it is sum"),
    (graph_of(gated((False, True), thresholds=None)),
     "the gated layer l must have gates, thresholds and open thresholds, not raw sums: their value differs with the "
     "gate"),
    *((graph_of(gated(segments)), "the gated segments of layer l must be one or more, behind all others, "
       "for its gate is decided once") for segments in ((True, True), (False, False), (False, True, False))),
    (graph_of(gated((False, True), gates=np.zeros((1, 2, 1)))),
     "gates, thresholds and open thresholds of layer l must be of one shape, not (1, 2, 1), (1, 1, 1) and (1, 1, 1)"),
    (graph_of(gated((False, True), shares=np.zeros(1, dtype=np.int64))),
     "the channels of the gated layer l must not share sums"),
    (graph_of(layer(pool=(2, 6))), "the pooling window of layer l must be at most 4 x 5, not 2 x 6"),
])
def test_what_is_refused(make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        make()
