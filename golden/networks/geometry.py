"""Networks of the literature by their shapes alone: graphs of blank weights, with the cycles of trained networks.

The cycles of a layer depend on sizes, strides and channels, never on values.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from signum.golden.compiler.graph import Graph, Layer, MapShape, Requantize, Segment

__all__ = ["REACTNET_BLOCKS", "Builder", "TrunkUpdate", "cnv", "fully_connected", "reactnet_a", "resnet18", "vgg_small",
           "with_random_weights"]


class Builder:
    """Collects layers of blank weights, of bits or of 8-bit elements.

    Parameters
    ----------
    element_bits : 1 or 8
    inputs : dict of str to MapShape
    """

    def __init__(self, element_bits: Literal[1, 8], inputs: dict[str, MapShape]) -> None:
        self.element_bits = element_bits
        self.inputs = inputs
        self.shapes = dict(inputs)
        self.layers: list[Layer] = []

    def _segment(self, source: str, outputs: int, kernel: int, stride: int, requantized: bool, valid: bool,
                 double: bool) -> Segment:
        channels = self.shapes[source].channels
        bits = self.element_bits == 1
        padding = 0 if valid else (kernel - 1) // 2
        blank = Requantize(np.ones(outputs, dtype=np.int64), np.zeros(outputs, dtype=np.int64), 0)
        return Segment(
            source=source, weights=np.zeros((outputs, channels, kernel, kernel), dtype=bool if bits else np.int8),
            stride=(stride, stride), padding=(padding, padding, padding, padding),
            pad=np.zeros(channels, dtype=bool if bits else np.uint8), requantize=blank if requantized else None,
            double=double)

    def layer(self, name: str, *parts: tuple[str, int, int], outputs: int, pool: int = 1,
              planes: bool = False, valid: bool = False, raw: bool = False) -> str:
        """Append a layer that adds convolutions, each (source, kernel, stride); returns its name.

        Padding keeps the size of the maps but for the stride; ``valid`` convolutions have none. ``raw`` sums are the
        network's results. The sources of ``planes`` are the bits of numbers, most significant first.
        """
        bits = self.element_bits == 1
        residual = not planes and (not bits or len(parts) > 1)
        segments = tuple(self._segment(source, outputs, kernel, stride, residual, valid, planes and number > 0)
                         for number, (source, kernel, stride) in enumerate(parts))
        thresholds = np.zeros((1, 1, outputs), dtype=np.int64) if bits and not raw else None
        self.layers.append(Layer(name=name, segments=segments, combine="residual" if residual else "sum",
                                 thresholds=thresholds, pool=(pool, pool)))
        self.shapes[name] = self.graph.shapes[name]
        return name

    def dense(self, name: str, source: str, outputs: int, raw: bool = False) -> str:
        """A fully connected layer: a kernel as large as the map."""
        return self.layer(name, (source, self.shapes[source].height, 1), outputs=outputs, valid=True, raw=raw)

    @property
    def graph(self) -> Graph:
        return Graph(inputs=self.inputs, layers=tuple(self.layers))


def cnv(levels: int = 7, planes: int = 0) -> Graph:
    """FINN's CNV (Umuroglu et al., 2017) for images of 32x32x3.

    Each colour is in thermometer code of ``levels`` bits, or in so many bit ``planes``.
    """
    names = [f"input.{plane}" for plane in reversed(range(planes))] or ["input"]
    builder = Builder(1, dict.fromkeys(names, MapShape(32, 32, 3 if planes else 3 * levels)))
    last = builder.layer("conv1", *((name, 3, 1) for name in names), outputs=64, planes=True, valid=True)
    for number, (outputs, pool) in enumerate(((64, 2), (128, 1), (128, 2), (256, 1), (256, 1)), start=2):
        last = builder.layer(f"conv{number}", (last, 3, 1), outputs=outputs, pool=pool, valid=True)
    for number, outputs in enumerate((512, 512, 10), start=1):
        last = builder.dense(f"linear{number}", last, outputs, raw=outputs == 10)
    return builder.graph


def fully_connected(width: int) -> Graph:
    """FINN's SFC (``width`` 256) or LFC (1024): 784 black and white pixels, three layers, 10 classes."""
    builder = Builder(1, {"input": MapShape(1, 1, 784)})
    last = "input"
    for number in range(1, 4):
        last = builder.dense(f"linear{number}", last, width)
    builder.dense("linear4", last, 10, raw=True)
    return builder.graph


def vgg_small(levels: int = 7) -> Graph:
    """VGG-small for images of 32x32x3, as in many papers on binary networks: six convolutions and a classifier."""
    builder = Builder(1, {"input": MapShape(32, 32, 3 * levels)})
    last = "input"
    for number, (outputs, pool) in enumerate(((128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2)), start=1):
        last = builder.layer(f"conv{number}", (last, 3, 1), outputs=outputs, pool=pool)
    builder.dense("linear", last, 10, raw=True)
    return builder.graph


def resnet18(element_bits: Literal[1, 8], multiplier: float = 1.0, size: int = 224) -> Graph:
    """ResNet-18 without its classifier.

    Of bits: BiNeal's network, with a 1x1 convolution on every skip path, INT4 residuals, and the stem on eight bit
    planes. Of 8-bit elements: the usual network without its identity skips, as if their addition were free. The stem
    pools over 2x2.
    """
    bits = element_bits == 1
    planes = [f"input.{k}" for k in reversed(range(8))] if bits else ["input"]
    builder = Builder(element_bits, dict.fromkeys(planes, MapShape(size, size, 3)))
    width = round(64 * multiplier)
    last = builder.layer("stem", *((plane, 7, 2) for plane in planes), outputs=width, pool=2, planes=bits)
    for group, base in enumerate((64, 128, 256, 512)):
        width = round(base * multiplier)
        for block in range(2):
            stride = 2 if group and not block else 1
            name = f"group{group + 1}.block{block + 1}"
            first = builder.layer(f"{name}.conv1", (last, 3, stride), outputs=width)
            skip = [(last, 1, stride)] if bits or stride > 1 else []
            last = builder.layer(f"{name}.conv2", (first, 3, 1), *skip, outputs=width)
    return builder.graph


REACTNET_BLOCKS = ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2),
                   *[(512, 512, 1)] * 5, (512, 1024, 2), (1024, 1024, 1))
"""Input channels, output channels and stride of ReActNet-A's blocks: MobileNet's (Liu et al., 2020)."""


@dataclass(frozen=True)
class TrunkUpdate:
    """Real-valued elements of ReActNet's trunk to which the results of a convolution are added."""

    layer: str
    elements: int


def reactnet_a(size: int = 224) -> tuple[Graph, list[TrunkUpdate]]:
    """The binary convolutions of ReActNet-A, and the updates of its real-valued trunk.

    A block is a binary 3x3 convolution and a binary 1x1 convolution (two of them, concatenated, where channels
    double), each followed by a batch norm, a sum with the trunk, an RPReLU and an RSign. The first layer, 3x3 with
    stride 2 from 3 to 32 channels, has binary weights on eight bit planes here.
    """
    side = size // 2
    planes = [f"input.{k}" for k in reversed(range(8))]
    builder = Builder(1, dict.fromkeys(planes, MapShape(size, size, 3)))
    last = builder.layer("stem", *((plane, 3, 2) for plane in planes), outputs=32, planes=True)
    updates = []
    for number, (inputs, outputs, stride) in enumerate(REACTNET_BLOCKS):
        side //= stride
        spatial = builder.layer(f"block{number + 1}.3x3", (last, 3, stride), outputs=inputs)
        last = builder.layer(f"block{number + 1}.1x1", (spatial, 1, 1), outputs=outputs)
        updates += [TrunkUpdate(spatial, side * side * inputs), TrunkUpdate(last, side * side * outputs)]
    return builder.graph, updates


def with_random_weights(graph: Graph, seed: int) -> Graph:
    """A graph of bits with random weights and thresholds, for uses in which their values matter."""
    rng = np.random.default_rng(seed)
    layers = []
    for layer in graph.layers:
        segments = tuple(replace(part, weights=rng.random(part.weights.shape) < 0.5) for part in layer.segments)
        taps = sum(segment.weights[0].size for segment in segments)
        if layer.thresholds is None:
            layers.append(replace(layer, segments=segments, offset=np.full(layer.channels, -taps)))
        else:
            drawn = rng.integers(taps + 1, size=layer.thresholds.shape)
            layers.append(replace(layer, segments=segments, thresholds=drawn))
    return Graph(inputs=graph.inputs, layers=tuple(layers))
