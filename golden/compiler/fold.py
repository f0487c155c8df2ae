"""Exact folding of a trained PyTorch network into an integer layer graph: the traversal of its modules.

`golden.compiler.lowering` turns the modules between two signs into one layer.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from signum.golden.layers.binary import (
    BinaryConv2d,
    BinaryLinear,
    BinaryWeights,
    ChannelFunction,
    Logits,
    MaxPool,
    Paths,
    Sign,
    SumPool,
)
from signum.golden.layers.encoder import Encoder
from signum.golden.layers.gated import GatedConv2d
from signum.golden.layers.residual import Int4
from signum.hdl.control.combine import COMBINES

from .graph import Graph, Layer
from .lowering import FoldError, Part, Source, Sums

__all__ = ["FoldError", "fold"]


def fold(model: nn.Module, encoder: Encoder, input_shape: tuple[int, int, int]) -> Graph:
    """The integer layer graph of a network in evaluation mode.

    Parameters
    ----------
    model : Module
        An ``nn.Sequential``, nested at will, of the modules of `golden.layers.binary`, `golden.layers.quant`,
        `golden.layers.gains`, `golden.layers.gated` and `golden.layers.residual`, ``nn.Flatten``, ``nn.Identity`` and
        ``nn.Dropout``. Left unchanged. A layer has the name of the module that computes its sums; where a `GatedConv2d`
        reads its bits, the names of a map for each of them are this name and the number of the bit.
    encoder : Encoder
        Encoder of images as the maps of the graph and as the input of ``model``.
    input_shape : (C, H, W)
        Shape of one image.

    Returns
    -------
    Graph
        Its last layer is raw if the model does not end in a `Sign`.

    Raises
    ------
    FoldError
        If a module cannot be folded.
    """
    model = copy.deepcopy(model).eval()
    shape = encoder.shape(input_shape)
    source = Source(encoder.names, shape, np.zeros(shape.channels, dtype=bool), encoder.planes)
    folder = _Folder()
    with torch.no_grad():
        state = folder.visit(_modules(model, ""), source)
        if isinstance(state, Sums):
            folder.finish(state)
    if not folder.layers:
        raise FoldError("the network must have a binary layer, not none")
    read = {segment.source for layer in folder.layers for segment in layer.segments}
    layers = tuple(layer for layer in folder.layers if layer.name in read or layer is folder.layers[-1])
    return Graph(inputs=dict.fromkeys(encoder.names, shape), layers=layers)


def _modules(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Modules in the order of the forward pass, with their names; sequences are flattened."""
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for child, part in module.named_modules(remove_duplicate=False):
            if child and "." not in child:
                yield from _modules(part, f"{name}.{child}" if name else child)
    else:
        yield name or type(module).__name__.lower(), module


def _title(name: str, module: nn.Module) -> str:
    return f"{name} ({type(module).__name__})"


def unknown(name: str, module: nn.Module) -> str:
    """The error of a module that cannot be folded at all."""
    return (f"{_title(name, module)} must be of golden.layers.binary, quant, gains, gated or residual, or Flatten, "
            "Identity or Dropout, in an nn.Sequential")


class _Folder:
    """The layers found so far."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []

    def visit(self, modules: Iterator[tuple[str, nn.Module]], source: Source) -> Source | Sums:
        """Fold modules that start at the maps ``source``; returns the open end."""
        state: Source | Sums = source
        for name, module in modules:
            if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
                continue
            if isinstance(module, BinaryConv2d | BinaryLinear | Paths | SumPool | nn.Flatten):
                state = self.start(name, module, self.source_before(name, module, state))
            elif isinstance(state, Sums):
                _extend(name, module, state)
            elif not isinstance(module, ChannelFunction | MaxPool | Logits | Int4):
                raise FoldError(unknown(name, module))
            else:
                raise FoldError(f"{_title(name, module)} must follow a binary convolution or linear layer")
        return state

    def source_before(self, name: str, module: nn.Module, state: Source | Sums) -> Source:
        if isinstance(state, Source):
            return state
        if state.sign is None:
            raise FoldError(f"{_title(name, module)} must follow a Sign, not the sums of {state.name}")
        return self.finish(state)

    def finish(self, sums: Sums) -> Source:
        """Close a layer; returns its map."""
        layer = sums.layer()
        self.layers.append(layer)
        return sums.source(layer)

    def start(self, name: str, module: nn.Module, source: Source) -> Source | Sums:
        """Begin a layer, or flatten or pool a map."""
        if isinstance(module, nn.Flatten):
            if (module.start_dim, module.end_dim) != (1, -1):
                raise FoldError(f"{_title(name, module)} must flatten the axes 1 to -1, "
                                f"not {module.start_dim} to {module.end_dim}")
            return replace(source, flat=True)
        if isinstance(module, SumPool):
            return _pooled(name, module, source)
        if isinstance(module, GatedConv2d):
            return self.gated(name, module, source)
        if isinstance(module, BinaryConv2d):
            return Sums(name, [_convolution(name, module, source)])
        if isinstance(module, BinaryLinear):
            return Sums(name, [_linear(name, module, source)])
        assert isinstance(module, Paths)
        return self.paths(name, module, source)

    def gated(self, name: str, module: GatedConv2d, source: Source) -> Sums:
        """The sums of a heavy and of a light plane, each bit of a channel read from a map of its own.

        Of the three bits of a level, which is their sum, the middle one is the heavy plane. The light plane is the sum
        of the other two less the middle one, which counts twice where the gate is closed.
        """
        if source.flat or source.window != (1, 1):
            raise FoldError(f"{_title(name, module)} must not follow Flatten or SumPool")
        weights = weight_planes(module)
        if weights.shape[2] != source.channels:
            raise FoldError(f"{_title(name, module)} must have {source.channels} input channels, "
                            f"not {weights.shape[2]}")
        if module.unsigned:
            if len(source.names) != 2:
                raise FoldError(f"{_title(name, module)} must read pixels of 2 bit planes, for it is unsigned")
            planes = [replace(source, names=source.names[i:i + 1]) for i in range(2)]
        else:
            if source.planes or source.copies != 3 or not source.middle:
                raise FoldError(f"{_title(name, module)} must follow an activation of 4 levels about 0, "
                                "as of Levels(3)")
            planes = self.bits(source)
        parts = [Part(plane, weights ^ plane.inverted[:, None, None], module.stride, module.dilation, module.padding,
                      np.sign(module.pad).item(), (int(module.unsigned and number == 0),))
                 for number, plane in enumerate(planes)]
        return Sums(name, parts, next(row for row in COMBINES.values() if row.gates), gate=module)

    def bits(self, source: Source) -> list[Source]:
        """The maps of the bits of each channel, in place of the map of all: the middle bits, the first, the last."""
        [layer] = (layer for layer in self.layers if layer.name == source.names[0])
        found: list[Source] = []
        for bit in (1, 0, 2):
            name = f"{layer.name}.{bit}"
            if name not in {other.name for other in self.layers}:
                self.layers.insert(self.layers.index(layer) + 1 + len(found),
                                   layer.picked(name, np.arange(bit, layer.channels, source.copies)))
            found.append(replace(source, names=(name,), copies=1, inverted=source.inverted[bit::source.copies],
                                 shape=replace(source.shape, channels=source.channels)))
        return found

    def paths(self, name: str, module: Paths, source: Source) -> Sums:
        """The sums of several paths as the sums of one layer."""
        combine = COMBINES[module.combine]
        ending = "a binary convolution and Int4" if combine.requantized else "a binary convolution"
        sums = Sums(name, [], combine)
        for i, path in enumerate(module.paths):
            end = self.visit(_modules(path, f"{name}.paths.{i}"), source)
            if not isinstance(end, Sums) or not end.bare or len(end.int4) != combine.requantized:
                raise FoldError(f"{name}.paths.{i} of a {type(module).__name__} must end with {ending}")
            if len(end.parts) > 1 and end.combine is not combine:
                raise FoldError(f"{name}.paths.{i} of a {type(module).__name__} must not end with paths that combine "
                                f"by {end.combine.name}")
            sums.parts += end.parts
            sums.int4 += end.int4
        if not combine.doubles and any(len(part.weights) > 1 or part.source.planes or part.source.copies > 1
                                       for part in sums.parts):
            raise FoldError(f"the paths of {_title(name, module)} must have weights of 1 bit and read single bits, "
                            f"for they combine by {combine.name}")
        sizes = {(part.channels, *part.output_size) for part in sums.parts}
        if len(sizes) != 1:
            raise FoldError(f"the paths of {_title(name, module)} must give sums of one size, "
                            f"not {' and '.join(' x '.join(map(str, size)) for size in sorted(sizes))}")
        return sums


def _extend(name: str, module: nn.Module, sums: Sums) -> None:
    """Add a module that follows the sums of a layer."""
    if sums.logits is not None:
        raise FoldError(f"{_title(name, module)} must not follow Logits")
    if isinstance(module, MaxPool):
        if sums.pool is not None:
            raise FoldError(f"{_title(name, module)} must be the only pooling of layer {sums.name}")
        sums.pool = module.size
    elif isinstance(module, Logits):
        if not sums.bare:
            raise FoldError(f"{_title(name, module)} must stand right behind the sums of {sums.name}")
        sums.logits = module
    elif isinstance(module, Int4):
        if not sums.bare or sums.int4 or len(sums.parts) > 1:
            raise FoldError(f"{_title(name, module)} must stand right behind a binary convolution")
        sums.int4.append(module)
    elif not isinstance(module, ChannelFunction):
        raise FoldError(unknown(name, module))
    elif sums.sign is not None:
        raise FoldError(f"{_title(name, module)} must stand before the Sign of layer {sums.name}")
    elif isinstance(module, Sign):
        sums.sign = module
    elif sums.pool is None:
        sums.before.append(module)
    else:
        sums.after.append(module)


def weight_planes(module: BinaryWeights) -> np.ndarray:
    """The bits b of the effective weights, their sum of 2**j times +1 or -1: bool (planes, ...), largest j first."""
    weights, bits = module.binary_weight().numpy(), module.weight_bits
    if bits == 1:
        return weights[None] > 0
    numbers = (np.rint(weights).astype(np.int64) + (1 << bits) - 1) // 2
    return np.stack([numbers >> j & 1 == 1 for j in reversed(range(bits))])


def _pooled(name: str, module: SumPool, source: Source) -> Source:
    if source.flat:
        raise FoldError(f"{_title(name, module)} must not follow Flatten")
    height, width = source.size
    window = (height, width) if module.size is None else module.size
    if window[0] > height or window[1] > width:
        raise FoldError(f"{_title(name, module)} must have windows of at most {height} x {width}, "
                        f"not {window[0]} x {window[1]}")
    return replace(source, window=(source.window[0] * window[0], source.window[1] * window[1]))


def _repeated(weights: np.ndarray, source: Source) -> np.ndarray:
    """Weights (..., KH, KW) of the sums of windows, as weights of their positions."""
    return weights.repeat(source.window[0], axis=-2).repeat(source.window[1], axis=-1)


def _convolution(name: str, module: BinaryConv2d, source: Source) -> Part:
    weights = weight_planes(module)
    channels = source.channels
    if source.flat:
        raise FoldError(f"{_title(name, module)} must not follow Flatten")
    if weights.shape[2] != channels:
        raise FoldError(f"{_title(name, module)} must have {channels} input channels, not {weights.shape[2]}")
    if source.planes and module.pad < 0 and any(module.padding):
        raise FoldError(f"{_title(name, module)} must have pad 0 or 1 on bit planes, not {module.pad}")
    if not source.planes and abs(module.pad) not in (0, source.copies) and any(module.padding):
        raise FoldError(f"{_title(name, module)} must have pad 0, {source.copies} or -{source.copies} behind an "
                        f"activation of {source.copies} bits, not {module.pad}")
    if source.window != (1, 1):
        if module.dilation != (1, 1):
            raise FoldError(f"{_title(name, module)} must have dilation 1 behind a SumPool, not {module.dilation}")
        if any(module.padding):
            raise FoldError(f"{_title(name, module)} must have padding 0 behind a SumPool, not {module.padding}")
    weights = _repeated(weights.repeat(source.copies, axis=2), source)
    stride = module.stride[0] * source.window[0], module.stride[1] * source.window[1]
    return Part(source, weights ^ source.inverted[:, None, None], stride, module.dilation, module.padding, module.pad)


def _linear(name: str, module: BinaryLinear, source: Source) -> Part:
    """A fully connected layer, as a convolution with a kernel as large as its map."""
    weights = weight_planes(module)
    height, width = source.size
    size = height * width * source.channels
    if not source.flat and size != source.channels:
        raise FoldError(f"{_title(name, module)} must follow Flatten, not a map of {height} x {width}")
    if weights.shape[2] != size:
        raise FoldError(f"{_title(name, module)} must have {size} inputs, not {weights.shape[2]}")
    weights = weights.reshape(len(weights), -1, source.channels, height, width)
    weights = _repeated(weights.repeat(source.copies, axis=2), source)
    return Part(source, weights ^ source.inverted[:, None, None], source.window)
