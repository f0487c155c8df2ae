"""Convolutions, linear layers and sums of branches: codes to sums of integers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import NodeProto

from .context import Context
from .operators import attributes
from .refusal import UnsupportedError
from .states import Codes, Constant, Layout, State, Sums, Term
from .terms import integer_units, output_size, zero_code
from .weights import integers

__all__ = ["add", "conv", "gemm", "matmul"]


def conv(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    given = [*given, None]
    codes, weights, bias = context.codes(given[0]), _weights(given[1]), given[2]
    values, options = weights.value, attributes(node)
    if codes.layout != Layout() or values.ndim != 4:
        raise UnsupportedError("must be a convolution in two dimensions of a tensor (1, C, H, W)", "such a tensor")
    groups = int(options.get("group", 1))
    channels = codes.shape[0]
    if groups < 1 or values.shape[1] * groups != channels or values.shape[0] % groups:
        raise UnsupportedError(f"must have weights for {channels} channels in {groups} groups, not of the shape "
                               f"{values.shape}", "weights of this shape")
    size = codes.shape[1:]
    geometry = _geometry(options, values.shape[2:], size)
    _check_padding(codes, geometry["padding"])
    return _linear(name, codes, weights, _dense(values, groups), _vector(bias, len(values)), **geometry)


def gemm(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    given = [*given, None]
    options = attributes(node)
    weights = _weights(given[1])
    if options.get("transA", 0):
        raise UnsupportedError("must have transA of 0", "a tensor (1, F)")
    matrix = weights.value if options.get("transB", 0) else weights.value.T
    matrix = matrix * np.float32(options.get("alpha", 1.0))
    bias = _vector(given[2], len(matrix))
    if bias is not None:
        bias = bias * np.float32(options.get("beta", 1.0))
    return _dense_layer(context, name, given[0], replace(weights, value=matrix), bias)


def matmul(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    weights = _weights(given[1])
    if weights.value.ndim != 2:
        raise UnsupportedError(f"must multiply by a matrix, not by a tensor of {weights.value.ndim} axes", "a matrix")
    return _dense_layer(context, name, given[0], replace(weights, value=weights.value.T), None)


def add(context: Context, name: str, given: Sequence[State | None]) -> State:
    """The sum of two tensors: two maps of one scale, or two sums of one scale."""
    one, other = given
    if isinstance(one, Codes) and isinstance(other, Codes):
        one, other = context.close(one), context.close(other)
        if one.shape != other.shape or one.flat != other.flat or one.layout != other.layout:
            raise UnsupportedError(f"must add tensors of one shape, not {one.shape} and {other.shape}", "equal shapes")
        ratio, base = integer_units(np.stack([one.unit, other.unit]))
        if (ratio != ratio[:, :1]).any():
            raise UnsupportedError("must add tensors whose scales are in one ratio in all channels", "one scale")
        context.absorbed[name] = "the layers that read it"
        factors = ratio[:, 0].tolist()
        maps = tuple((source, factor * int(times)) for codes, times in zip((one, other), factors, strict=True)
                     for source, factor in codes.maps)
        return Codes(maps, base * np.ones(len(one.unit)), one.layout, flat=one.flat, flat_last=one.flat_last)
    if isinstance(one, Sums) and isinstance(other, Sums) and one.bare and other.bare:
        if one.size != other.size or one.channels != other.channels or one.layout != other.layout \
                or one.flat != other.flat:
            raise UnsupportedError("must add tensors of one shape", "equal shapes")
        ratio = np.zeros((2, one.channels), dtype=np.int64)
        unit = np.zeros(one.channels)
        for channel in range(one.channels):
            parts, unit[channel] = integer_units(np.array([one.unit[channel], other.unit[channel]]))
            ratio[:, channel] = parts
        terms = [replace(term, weights=term.weights * ratio[i][:, None, None, None])
                 for i, sums in enumerate((one, other)) for term in sums.terms]
        return Sums(name, terms, unit, one.size, one.layout, nodes=[*one.nodes, *other.nodes, name], flat=one.flat)
    raise UnsupportedError("must add two quantized tensors, or two convolutions without functions between",
                           "a Quant in both branches")


def _dense_layer(context: Context, name: str, state: State | None, weights: Constant, bias: np.ndarray | None) -> Sums:
    codes = context.codes(state)
    channels, height, width = codes.flat or codes.shape
    matrix = weights.value
    if codes.layout.rank != 2 or matrix.ndim != 2:
        raise UnsupportedError("must read a flattened tensor (1, F)", "a Flatten in front of it")
    if matrix.shape[1] != channels * height * width:
        raise UnsupportedError(f"must have weights for {channels * height * width} values, not {matrix.shape[1]}",
                               "weights of this shape")
    if codes.flat_last:
        shaped = matrix.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    else:
        shaped = matrix.reshape(-1, channels, height, width)
    sums = _linear(name, replace(codes, flat=None), weights, shaped, bias)
    return replace(sums, layout=Layout(2))


def _linear(name: str, codes: Codes, weights: Constant, shaped: np.ndarray, bias: np.ndarray | None,
            **geometry: Any) -> Sums:
    """Sums of codes by weights (N, C, KH, KW)."""
    real = shaped.astype(np.float64)
    if not np.isfinite(real).all():
        raise UnsupportedError("must have finite weights", "other weights")
    if real.shape[0] == 0 or real.size == 0:
        raise UnsupportedError("must have weights", "an output channel")
    try:
        found, unit = _known_unit(real, weights, codes) or integers(real * codes.unit[:, None, None])
    except ValueError as error:
        raise UnsupportedError(f"must have weights of integers: {error}", "a Quant or BipolarQuant of its weights"
                               ) from None
    terms = []
    for source, factor in codes.maps:
        window = source.window
        repeated = found.repeat(window[0], axis=2).repeat(window[1], axis=3)
        stride = geometry.get("stride", (1, 1))
        term = Term(source, repeated * factor, (stride[0] * window[0], stride[1] * window[1]),
                    geometry.get("dilation", (1, 1)), geometry.get("padding", (0, 0, 0, 0)))
        if window != (1, 1) and (any(term.padding) or term.dilation != (1, 1)):
            raise UnsupportedError("must have no padding and no dilation behind an average pooling",
                                   "padding in front of the pooling")
        terms.append(term)
    size = output_size(terms[0])
    return Sums(name, terms, unit, size, bias=bias, nodes=[name])


def _weights(state: State | None) -> Constant:
    if not isinstance(state, Constant):
        raise UnsupportedError("must have constant weights", "weights in the file")
    return state


def _check_padding(codes: Codes, padding: tuple[int, ...]) -> None:
    if any(padding):
        for source, _ in codes.maps:
            if source.planes and isinstance(zero_code(source), int) and zero_code(source) < 0:
                raise UnsupportedError("must be padded with a value that the codes of its input have",
                                       "a level of 0 in the quantizer of the input")


def _known_unit(real: np.ndarray, weights: Constant, codes: Codes) -> tuple[np.ndarray, np.ndarray] | None:
    """The integers of weights by the scale of their quantizer, if both are alike in each channel."""
    if weights.unit is None or weights.value.ndim < 2 or (codes.unit != codes.unit[0]).any():
        return None
    unit = weights.unit.astype(np.float64).reshape(-1)
    if len(unit) not in (1, len(real)):
        return None
    unit = np.broadcast_to(unit, len(real))
    numbers = real / unit.reshape(-1, *[1] * (real.ndim - 1))
    found = np.rint(numbers)
    if np.abs(numbers - found).max() > 1e-4 or np.abs(found).max() > 255 or not found.any():
        return None
    return found.astype(np.int64), unit * codes.unit[0]


def _vector(state: State | None, channels: int) -> np.ndarray | None:
    """A bias, one for each channel."""
    if state is None:
        return None
    if not isinstance(state, Constant) or state.value.size not in (1, channels):
        raise UnsupportedError("must have a constant bias for each output channel", "such a bias")
    return np.broadcast_to(state.value.reshape(-1), channels).astype(np.float32)


def _dense(weights: np.ndarray, groups: int) -> np.ndarray:
    """Weights (N, C / groups, KH, KW) of groups as (N, C, KH, KW), with zeros."""
    if groups == 1:
        return weights
    outputs, inputs = weights.shape[0] // groups, weights.shape[1]
    dense = np.zeros((weights.shape[0], inputs * groups, *weights.shape[2:]), dtype=weights.dtype)
    for group in range(groups):
        dense[group * outputs:(group + 1) * outputs, group * inputs:(group + 1) * inputs] = \
            weights[group * outputs:(group + 1) * outputs]
    return dense


def _geometry(options: dict[str, Any], kernel: tuple[int, ...], size: tuple[int, int]) -> dict[str, Any]:
    """Strides, dilations and padding of a convolution."""
    stride = tuple(int(value) for value in options.get("strides", (1, 1)))
    dilation = tuple(int(value) for value in options.get("dilations", (1, 1)))
    if len(stride) != 2 or len(dilation) != 2 or min(*stride, *dilation) < 1:
        raise UnsupportedError("must have two strides and two dilations of 1 or more", "such attributes")
    auto = options.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for length, step, taps, apart in zip(size, stride, kernel, dilation, strict=True):
            total = max(0, (-(-length // step) - 1) * step + (taps - 1) * apart + 1 - length)
            pads.append((total // 2, total - total // 2) if auto == "SAME_UPPER" else (total - total // 2, total // 2))
        padding = pads[0][0], pads[1][0], pads[0][1], pads[1][1]
    elif auto in ("NOTSET", "VALID"):
        given = [0] * 4 if auto == "VALID" else [int(value) for value in options.get("pads", (0, 0, 0, 0))]
        if len(given) != 4 or min(given) < 0:
            raise UnsupportedError("must have four pads of 0 or more", "such pads")
        padding = given[0], given[1], given[2], given[3]
    else:
        raise UnsupportedError(f"must have an auto_pad of ONNX, not {auto}", "pads in numbers")
    return {"stride": stride, "dilation": dilation, "padding": padding}
