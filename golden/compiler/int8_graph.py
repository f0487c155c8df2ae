"""The 8-bit twin as an integer graph, for an array of 8-bit elements.

A convolution with its ReLU becomes one layer whose sums are requantised to the scale of the next convolution's input;
a block becomes one layer of two segments, added after requantisation. The graph rounds in fixed point, the twin in
floats, so some results differ by one step; graph, interpreter and hardware agree exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from signum.golden.layers.blocks import FloatBlock
from signum.golden.layers.int8 import Int8Conv2d

from .graph import Graph, Layer, MapShape, Requantize, Segment

__all__ = ["Int8Graph", "Int8GraphError", "convolution_segment", "int8_graph"]

SCALE_BITS = 16
"""Bits of the multipliers."""

OFFSET_BITS = 32
"""Bits of the offset of a product, in two's complement."""


class Int8GraphError(ValueError):
    """A network with modules other than convolutions, ReLU and blocks."""


@dataclass(frozen=True, eq=False)
class Int8Graph:
    """An integer graph of 8-bit elements, and the scales of its input and results.

    Members
    -------
    graph : Graph
    first : Int8Conv2d
        The convolution that reads the input.
    scale : float64 (N,)
        Factors from the graph's results to the network's.
    shift : int
        The shift of all requantisations.
    """

    graph: Graph
    first: Int8Conv2d
    scale: np.ndarray
    shift: int

    def maps(self, x: Tensor) -> dict[str, np.ndarray]:
        """Input maps, uint8 (B, H, W, C), of a network's input (B, C, H, W)."""
        with torch.no_grad():
            integers = self.first.integers(x)
        return {"input": integers.permute(0, 2, 3, 1).numpy().astype(np.uint8)}

    def results(self, x: Tensor) -> np.ndarray:
        """Results of the graph for a network's input: float64 (B, N, H, W)."""
        layer = self.graph.layers[-1]
        values = layer.values(self.graph.run(self.maps(x))[layer.name])
        return (values * self.scale).transpose(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class _Step:
    """Convolutions to be added, with the maps that they read; ``last`` where no ReLU follows."""

    name: str
    parts: tuple[tuple[str, Int8Conv2d], ...]
    last: bool = False


def _flat(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential):
        for child, part in module.named_children():
            yield from _flat(part, f"{name}.{child}" if name else child)
    elif not isinstance(module, nn.Identity):
        yield name, module


def _steps(modules: list[tuple[str, nn.Module]], source: str) -> Iterator[_Step]:
    """The layers of successive modules."""
    behind = [module for _, module in modules[1:]] + [None]
    for (name, module), following in zip(modules, behind, strict=True):
        if isinstance(module, Int8Conv2d):
            yield _Step(name, ((source, module),), not isinstance(following, nn.ReLU))
            source = name
        elif isinstance(module, FloatBlock):
            body, skip = list(_flat(module.body, f"{name}.body")), list(_flat(module.skip, f"{name}.skip"))
            *inner, end = _steps(body, source)
            yield from inner
            (beside,) = _steps(skip, source)
            yield _Step(name, end.parts + beside.parts)
            source = name
        elif not isinstance(module, nn.ReLU):
            raise Int8GraphError(f"{name} ({type(module).__name__}) must be an 8-bit convolution, a ReLU or a block")


def int8_graph(body: nn.Module, input_shape: tuple[int, int, int]) -> Int8Graph:
    """The integer graph of a quantised network.

    Parameters
    ----------
    body : Module
        From `golden.layers.int8.quantize`: convolutions, ReLU and `FloatBlock` in an ``nn.Sequential``; the sums of the
        last convolution are the results.
    input_shape : (C, H, W)

    Raises
    ------
    Int8GraphError
        If a module is of another kind, or a map has values below zero.
    """
    steps = list(_steps(list(_flat(body, "")), "input"))
    readers: dict[str, Int8Conv2d] = {}
    for step in steps:
        for source, conv in step.parts:
            readers.setdefault(source, conv)
            if conv.signed:
                raise Int8GraphError(f"the input of {step.name} must not have values below zero")
    factors = {step.name: [(conv.weight_scale * conv.input_scale).double().numpy() / _scale(readers, step)
                           for _, conv in step.parts] for step in steps}
    largest = max(factor.max() for step in steps[:-1] for factor in factors[step.name])
    furthest = max(float(conv.bias.double().abs().max()) / _scale(readers, step)
                   for step in steps[:-1] for _, conv in step.parts)
    # the largest scale, and the largest offset, must fit their registers
    shift = int(np.floor(np.log2(min(((1 << SCALE_BITS) - 1) / largest, (1 << OFFSET_BITS - 2) / (furthest + 1)))))
    layers = []
    for step in steps:
        segments = []
        for (source, conv), factor in zip(step.parts, factors[step.name], strict=True):
            offset = conv.bias.double().numpy() / _scale(readers, step) * 2.0**shift + 2.0**(shift - 1)
            requantize = None if step is steps[-1] else Requantize(
                np.floor(factor * 2.0**shift + 0.5).astype(np.int64), np.rint(offset).astype(np.int64), shift)
            segments.append(convolution_segment(source, conv, requantize))
        if step is steps[-1]:
            bias = np.rint(step.parts[0][1].bias.double().numpy() / factors[step.name][0]).astype(np.int64)
            layers.append(Layer(name=step.name, segments=tuple(segments), offset=bias))
        elif step.last:
            raise Int8GraphError(f"{step.name} must be followed by a ReLU, or be the last one")
        else:
            layers.append(Layer(name=step.name, segments=tuple(segments), combine="residual"))
    channels, height, width = input_shape
    graph = Graph(inputs={"input": MapShape(height, width, channels)}, layers=tuple(layers))
    return Int8Graph(graph, readers["input"], factors[steps[-1].name][0], shift)


def _scale(readers: dict[str, Int8Conv2d], step: _Step) -> float:
    """The value of an integer in a step's map; 1 for the results."""
    return float(readers[step.name].input_scale) if step.name in readers else 1.0


def convolution_segment(source: str, conv: Int8Conv2d, requantize: Requantize | None) -> Segment:
    """The segment of an 8-bit convolution of a map, padded with zeros."""
    (height, width), (stride_y, stride_x), (dilation_y, dilation_x) = (
        (int(size[0]), int(size[1])) for size in (conv.padding, conv.stride, conv.dilation))
    return Segment(source=source, weights=conv.weight.numpy(), stride=(stride_y, stride_x),
                   dilation=(dilation_y, dilation_x), padding=(height, width, height, width),
                   pad=np.zeros(conv.weight.shape[1], dtype=np.uint8), requantize=requantize)
