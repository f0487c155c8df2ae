"""Export of an integer graph to QONNX: convolutions of integers, and MultiThreshold nodes.

The input is pixels u of 0..255. Tensors are codes: the sum of the bits +1 and -1 of a channel, or the number of bit
planes. `golden.importers.qonnx.load_qonnx` reads the network back, with ``Normalization(divide=1)``.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from signum.golden.compiler.graph import Graph, Layer, Segment
from signum.golden.layers.encoder import BitPlanes, Encoder, TablePlanes, TableThermometer, Thermometer
from signum.golden.reference.encoding import border_class

from .refusal import NetworkError

__all__ = ["to_qonnx"]

QONNX = "qonnx.custom_op.general"
INPUT = "pixels"
MOST_COPIES = 15
OPSET, IR_VERSION = 17, 10


@dataclass(frozen=True)
class _Code:
    """The tensor of a map: ``copies`` neighbouring bits are a channel; bit planes are one number."""

    tensor: str
    copies: int = 1
    planes: int = 0


def to_qonnx(graph: Graph, encoder: Encoder, name: str = "network") -> ModelProto:
    """A graph of bits as an ONNX model with qonnx's operators, input ``pixels`` (1, C, H, W), output ``result``.

    Parameters
    ----------
    graph : Graph
    encoder : Encoder
        Of pixels as the maps of the graph.
    name : str

    Raises
    ------
    NetworkError
        If a layer has no such form: INT4 residuals, elements of 8 bits, results requantized to 8 bits, an input whose
        levels have weights of their own.
    """
    return _Exporter(graph, encoder).model(name)


class _Exporter:
    def __init__(self, graph: Graph, encoder: Encoder) -> None:
        self.graph = graph
        self.encoder = encoder
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.codes: dict[str, _Code] = {}

    def model(self, name: str) -> ModelProto:
        shape = next(iter(self.graph.inputs.values()))
        channels = shape.channels // self.encoder.bits_per_channel
        self._encode(channels)
        *layers, last = self.graph.layers
        for layer in layers:
            self._check(layer)
            self._map(layer)
        self._check(last)
        if last.raw:
            self._result(last)
        else:
            self._map(last, output=True)
        given = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, channels, shape.height, shape.width])
        size = self.graph.shapes[last.name]
        copies = 1 if last.raw else self.codes[last.name].copies
        made = helper.make_tensor_value_info("result", TensorProto.FLOAT,
                                             [1, size.channels // copies, size.height, size.width])
        whole = helper.make_graph(self.nodes, name, [given], [made], self.constants)
        model = helper.make_model(whole, producer_name="signum", opset_imports=[
            helper.make_opsetid("", OPSET), helper.make_opsetid(QONNX, 1)])
        model.ir_version = IR_VERSION
        return model

    def _check(self, layer: Layer) -> None:
        if layer.element_bits > 1 or layer.row.requantized or layer.bytes:
            raise NetworkError(f"layer {layer.name} must compare or give sums of bits: INT4 residuals, elements of 8 "
                               "bits and results of 8 bits have no node of QONNX")

    def _constant(self, value: np.ndarray) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def _node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def _encode(self, channels: int) -> None:
        """The code of each pixel: the number of thresholds that it reaches."""
        encoder = self.encoder
        pixels = np.broadcast_to(np.arange(256), (1, channels, 1, 256))
        if isinstance(encoder, TablePlanes | TableThermometer):
            codes = encoder.values(pixels)[0, :, 0]
        elif isinstance(encoder, Thermometer):
            codes = np.minimum(pixels, encoder.maximum)[0, :, 0]
            codes = (codes[..., None] * encoder.levels > np.arange(encoder.levels) * encoder.maximum).sum(axis=-1)
        elif isinstance(encoder, BitPlanes):
            codes = np.minimum(pixels, 2**encoder.count - 1)[0, :, 0]
        else:
            raise NetworkError(f"the encoder must be BitPlanes or Thermometer, not {type(encoder).__name__}")
        if (np.diff(codes, axis=1) < 0).any():
            raise NetworkError("the code of a pixel must rise with its value")
        most = int(codes.max())
        steps = np.stack([np.where((row[:, None] >= np.arange(1, most + 1)).any(axis=0),
                                   (row[:, None] >= np.arange(1, most + 1)).argmax(axis=0), 256) for row in codes])
        names = encoder.names
        copies = 1 if encoder.planes else encoder.bits_per_channel
        scale, bias = (1.0, 0.0) if encoder.planes else (2.0, -float(copies))
        tensor = self._node("MultiThreshold", [INPUT, self._constant(steps)], "codes", domain=QONNX, out_dtype="INT32",
                            out_scale=scale, out_bias=bias)
        for name in names:
            self.codes[name] = _Code(tensor, copies, len(names) if encoder.planes else 0)
        if copies > 1 and not all(_alike(weights, copies) for weights in self._readers(names[0])):
            raise NetworkError("the first layer must weigh all levels of an input value alike")

    def _readers(self, name: str) -> list[np.ndarray]:
        """The weights over the channels of a map, with channels first."""
        return [segment.weights.swapaxes(0, 1) for layer in self.graph.layers for segment in layer.segments
                if segment.source == name]

    def _copies(self, layer: Layer) -> int:
        """Neighbouring bits that are levels of one channel for the layer and for all its readers."""
        assert layer.thresholds is not None
        if layer.inverted is not None and layer.inverted.any():
            return 1
        weights = [*(segment.weights for segment in layer.segments), *self._readers(layer.name)]
        for copies in range(MOST_COPIES, 1, -1):
            if layer.channels % copies == 0 and all(_alike(part, copies) for part in weights):
                thresholds = layer.thresholds.reshape(*layer.thresholds.shape[:2], -1, copies)
                if (np.diff(thresholds, axis=-1) >= 0).all():
                    return copies
        return 1

    def _sums(self, layer: Layer, rows: slice) -> tuple[str, np.ndarray, int]:
        """The convolutions of a layer, added: the tensor V, and S = (V + constant) / divisor, with int64 (CY, CX, N).

        Where border classes stand for padding with zeros, V is padded with zeros, and the constants differ.
        """
        if layer.row.gates:
            raise NetworkError(f"layer {layer.name} must not be gated, for QONNX has no operator of it")
        doubled = np.cumsum([segment.double for segment in layer.segments][::-1])[::-1]
        exponents = [int(total - segment.double) for total, segment in zip(doubled, layer.segments, strict=True)]
        mixed = any(not self.codes[segment.source].planes for segment in layer.segments)
        divisor = 2 if mixed else 1
        groups: dict[tuple[object, ...], list[tuple[Segment, int]]] = defaultdict(list)
        for segment, exponent in zip(layer.segments, exponents, strict=True):
            code = self.codes[segment.source]
            groups[code.tensor, segment.stride, segment.dilation, segment.padding, segment.weights.shape].append(
                (segment, exponent))
        height, width = self.graph.sums_size(layer)
        constant: np.ndarray = np.zeros((1, 1, len(layer.segments[0].weights[rows])), dtype=np.int64)
        tensors = []
        for number, members in enumerate(groups.values()):
            segment, code = members[0][0], self.codes[members[0][0].source]
            weights, offset, pad = self._integers(layer, members, code, rows, divisor)
            constant = constant + offset
            source = code.tensor
            if any(layer.border):
                constant = constant + self._outside(layer, segment, weights, pad, (height, width))
            elif any(segment.padding) and pad.any():
                if (pad != pad[0]).any():
                    raise NetworkError(f"layer {layer.name} must be padded with one value in all channels")
                source = self._node("Sub", [source, self._constant(pad[0])], f"{layer.name}_{number}_padded")
                constant = constant + pad[0] * weights.sum(axis=(1, 2, 3))
            tensors.append(self._node(
                "Conv", [source, self._constant(weights)], f"{layer.name}_{number}",
                kernel_shape=list(weights.shape[2:]), strides=list(segment.stride), dilations=list(segment.dilation),
                pads=list(segment.padding)))
        total = tensors[0]
        for number, tensor in enumerate(tensors[1:]):
            total = self._node("Add", [total, tensor], f"{layer.name}_sum{number}")
        return total, constant, divisor

    def _integers(self, layer: Layer, members: list[tuple[Segment, int]], code: _Code, rows: slice, divisor: int,
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights int64 (N, C, KH, KW) of a tensor, the constant int64 (N,), and the tensor's padding int64 (C,)."""
        weights = np.zeros((1,), dtype=np.int64)
        if code.planes:
            sets: dict[tuple[int, bytes], list[tuple[int, Segment]]] = defaultdict(list)
            for segment, exponent in members:
                plane = int(segment.source.rsplit(".", 1)[1])
                sets[exponent - plane, segment.weights.tobytes()].append((plane, segment))
            constant = np.zeros((), dtype=np.int64)
            pad = np.zeros(members[0][0].weights.shape[1], dtype=np.int64)
            for (base, _), planes in sets.items():
                times, rest = divmod(len(planes), code.planes)
                if base < 0 or rest or sorted(plane for plane, _ in planes) != sorted(times * [*range(code.planes)]):
                    raise NetworkError(f"layer {layer.name} must weigh all bit planes of its input alike")
                first = planes[0][1].weights[rows]
                weights = weights + divisor * times * (np.where(first, 1, -1) << base)
                negative = (~first).sum(axis=(1, 2, 3)) << base
                constant = constant + divisor * times * ((1 << code.planes) - 1) * negative
                pads = {plane: segment.pad for plane, segment in planes if len(segment.pad)}
                pad = sum((bits.astype(np.int64) << plane for plane, bits in pads.items()), np.zeros_like(pad))
            return weights, constant, pad
        taps = 0
        for segment, exponent in members:
            weights = weights + (np.where(segment.weights[rows], 1, -1) << exponent)
            taps += segment.taps << exponent
        (one, _), *_ = members
        pad = np.where(one.pad, 1, -1) if len(one.pad) else np.zeros(one.weights.shape[1], dtype=np.int64)
        pad = pad.reshape(-1, code.copies).sum(axis=1)
        return weights[:, ::code.copies], np.full(len(weights), taps), pad

    def _outside(self, layer: Layer, segment: Segment, weights: np.ndarray, pad: np.ndarray, size: tuple[int, int],
                 ) -> np.ndarray:
        """The part of a sum at padded positions, for each border class: int64 (CY, CX, N)."""
        shape = self.graph.shapes[segment.source]
        sides = []
        for axis, length in enumerate((shape.height, shape.width)):
            classes = border_class(np.arange(size[axis]), size[axis], layer.border[axis], layer.border[axis + 2])
            first = np.unique(classes, return_index=True)[1]
            at = (first[:, None] * segment.stride[axis] - segment.padding[axis]
                  + np.arange(weights.shape[2 + axis]) * segment.dilation[axis])
            sides.append((at >= 0) & (at < length))
        inside = sides[0][:, None, :, None] & sides[1][None, :, None, :]
        return np.einsum("yxkl,nckl,c->yxn", (~inside).astype(np.int64), weights, pad)

    def _map(self, layer: Layer, output: bool = False) -> None:
        """A layer that makes a map."""
        copies = self._copies(layer)
        total, constant, divisor = self._sums(layer, slice(None, None, copies))
        assert layer.thresholds is not None
        steps = layer.thresholds.reshape(*layer.thresholds.shape[:2], -1, copies)
        bounds = divisor * steps - constant[..., None]
        reached = np.broadcast_to((steps <= 0) | (steps > layer.top), bounds.shape)
        if not (bounds == bounds[:1, :1]).all(where=~reached):
            raise NetworkError(f"the border thresholds of layer {layer.name} must be those of padding with zeros")
        # a bit that is constant at a border may vary inside
        chosen = np.where(reached.all(axis=(0, 1)), bounds[0, 0],
                          np.where(reached, np.iinfo(np.int64).min, bounds).max(axis=(0, 1)))
        pooled = layer.pool != (1, 1)
        name = f"{layer.name}_bits" if pooled else "result" if output else layer.name
        tensor = self._node("MultiThreshold", [total, self._constant(chosen)], name, domain=QONNX, out_dtype="INT32",
                            out_scale=2.0, out_bias=-float(copies))
        if pooled:
            tensor = self._node("MaxPool", [tensor], "result" if output else layer.name, kernel_shape=list(layer.pool),
                                strides=list(layer.pool))
        self.codes[layer.name] = _Code(tensor, copies)

    def _result(self, layer: Layer) -> None:
        """The values of a raw layer."""
        total, constant, divisor = self._sums(layer, slice(None))
        assert layer.offset is not None
        factor = layer.step / divisor
        added = layer.step * constant[0, 0] / divisor + layer.offset
        if factor != 1:
            total = self._node("Mul", [total, self._constant(np.array(factor))], f"{layer.name}_scaled")
        self._node("Add", [total, self._constant(added.reshape(1, -1, 1, 1))], "result")


def _alike(values: np.ndarray, copies: int) -> bool:
    """Whether neighbouring entries of the first axis are equal, so many each."""
    if len(values) % copies:
        return False
    grouped = values.reshape(-1, copies, *values.shape[1:])
    return bool((grouped == grouped[:, :1]).all())
