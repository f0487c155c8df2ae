"""Pooling: maxima of a layer's values, and averages that the next layer's weights absorb."""

from dataclasses import replace

import numpy as np
from onnx import NodeProto
from torch import Tensor

from signum.golden.compiler import lowering
from signum.golden.compiler.lowering import Part
from signum.golden.layers.binary import Sign

from .axes import flattened
from .context import Context
from .operators import attributes
from .refusal import UnsupportedError
from .states import Codes, Constant, Layout, State, Sums, Term
from .terms import output_size
from .weights import planes_of

__all__ = ["average_pool", "global_average_pool", "max_pool", "reduce_mean"]


def max_pool(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    state, options = given[0], attributes(node)
    kernel = tuple(options.get("kernel_shape", ()))
    strides = tuple(options.get("strides", [1] * len(kernel)))
    _check_axes(context, state, kernel)
    pads = tuple(options.get("pads", (0, 0, 0, 0)))
    if options.get("ceil_mode", 0) or any(value != 1 for value in options.get("dilations", ())) or len(pads) != 4 \
            or options.get("auto_pad", "NOTSET") != "NOTSET":
        raise UnsupportedError("must have dilations of 1, ceil_mode of 0 and pads in numbers", "such windows")
    if strides != kernel or any(pads):
        if not isinstance(state, Codes):
            raise UnsupportedError("must read quantized values where its windows overlap or are padded",
                                   "a Quant in front of it, or windows that do not overlap")
        return _overlapping(context, name, context.close(state), kernel, strides, pads)
    if isinstance(state, Codes) and state.open is not None and state.open.source is None \
            and context.uses.get(node.input[0], 0) == 1 and state.open.sums.pool is None:
        sums = state.open.sums
        _check_window(kernel, sums.size)
        sums.pool = kernel
        sums.nodes.append(name)
        return state if context.uses.get(node.output[0], 0) == 1 else context.close(state)
    if isinstance(state, Sums) and state.pool is None:
        _check_window(kernel, state.size)
        return replace(state, pool=kernel, before=list(state.before), nodes=[*state.nodes, name])
    sums = context.sums(name, context.close(state) if isinstance(state, Codes) else state)
    if sums.pool is not None:
        raise UnsupportedError("must be the only pooling of a layer", "one pooling")
    _check_window(kernel, sums.size)
    sums.pool = kernel
    sums.nodes.append(name)
    return sums


class _Any(Sign):
    """Whether one of a window's bits of +1 and -1 is +1, of twice their sum."""

    def __init__(self, taps: int) -> None:
        super().__init__()
        self.taps = taps

    def bits(self, x: Tensor) -> Tensor:
        return x > -2 * self.taps


def _overlapping(context: Context, name: str, codes: Codes, kernel: tuple[int, ...], strides: tuple[int, ...],
                 pads: tuple[int, ...]) -> Codes:
    """A layer whose bits are the OR of windows of the bits of a map; padding has none."""
    (source, factor), *others = codes.maps
    if others or factor != 1 or source.window != (1, 1) or source.planes or codes.layout != Layout():
        raise UnsupportedError("must pool one quantized map (1, C, H, W) where its windows overlap or are padded",
                               "a Quant in front of it")
    if min(*strides, *kernel) < 1 or min(pads) < 0:
        raise UnsupportedError("must have strides of 1 or more and pads of 0 or more", "such windows")
    count = source.shape.channels
    weights = np.zeros((count, count, *kernel), dtype=np.int64)
    weights[np.arange(count), np.arange(count)] = 1
    planes = planes_of(weights)
    bits = replace(source, copies=1, offset=0)
    term = Term(bits, weights, (strides[0], strides[1]), (1, 1), (pads[0], pads[1], pads[2], pads[3]))
    output_size(term)           # refuses a window larger than its map
    part = Part(bits, planes.bits ^ source.inverted[:, None, None], term.stride, term.dilation, term.padding, -1,
                planes.exponents)
    sums = lowering.Sums(name, [part], sign=_Any(kernel[0] * kernel[1]))
    layer = sums.layer()
    context.layers.append(layer)
    context.absorbed[name] = name
    context.bits[name] = source.copies
    if source.names[0] in context.rounded:
        context.rounded[name] = context.rounded[source.names[0]]
    return replace(codes, maps=((sums.source(layer, copies=source.copies, offset=source.offset), 1),))


def average_pool(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    options = attributes(node)
    kernel = tuple(options.get("kernel_shape", ()))
    strides = tuple(options.get("strides", [1] * len(kernel)))
    _check_axes(context, given[0], kernel)
    if options.get("ceil_mode", 0) or any(options.get("pads", ())):
        raise UnsupportedError("must have windows inside the map: pads of 0, ceil_mode of 0", "such windows")
    return _averaged(context, name, given[0], kernel, strides)


def global_average_pool(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    shape = context.shape_of(given[0]) if given[0] is not None else ()
    if len(shape) != 4:
        raise UnsupportedError("must pool a tensor (1, C, H, W)", "such a tensor")
    return _averaged(context, name, given[0], shape[2:], shape[2:])


def reduce_mean(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    options = attributes(node)
    axes = options.get("axes")
    if axes is None and len(given) > 1 and isinstance(given[1], Constant):
        axes = given[1].value.tolist()
    shape = context.shape_of(given[0]) if given[0] is not None else ()
    if len(shape) != 4 or sorted(axis % 4 for axis in axes or ()) != [2, 3]:
        raise UnsupportedError("must average over height and width", "axes of 2 and 3")
    state = _averaged(context, name, given[0], shape[2:], shape[2:])
    return state if options.get("keepdims", 1) else flattened(context, state)


def _averaged(context: Context, name: str, state: State | None, kernel: tuple[int, ...],
              strides: tuple[int, ...]) -> State:
    if isinstance(state, Sums) and state.bare and state.layout == Layout():
        _check_window(kernel, state.size)
        terms = [_averaged_term(term, kernel, strides) for term in state.terms]
        return Sums(state.name, terms, state.unit / (kernel[0] * kernel[1]), output_size(terms[0]),
                    nodes=[*state.nodes, name])
    if isinstance(state, Sums):
        raise UnsupportedError("must average quantized values, or sums without functions behind them",
                               "a Quant in front of it")
    codes = context.codes(state)
    if codes.layout != Layout():
        raise UnsupportedError("must pool a tensor (1, C, H, W)", "such a tensor")
    _check_window(kernel, codes.shape[1:])
    unit = codes.unit / (kernel[0] * kernel[1])
    if kernel == strides:
        context.absorbed[name] = "the layers that read it"
        maps = tuple((replace(source, window=(source.window[0] * kernel[0], source.window[1] * kernel[1])), factor)
                     for source, factor in codes.maps)
        return replace(codes, maps=maps, unit=unit)
    sums = context.sums(name, codes)
    terms = [_averaged_term(term, kernel, strides) for term in sums.terms]
    return Sums(name, terms, sums.unit / (kernel[0] * kernel[1]), output_size(terms[0]), nodes=[name])



def _check_axes(context: Context, state: State | None, kernel: tuple[int, ...]) -> None:
    if state is None or len(context.shape_of(state)) != 4 or len(kernel) != 2:
        raise UnsupportedError("must pool in two dimensions", "a tensor (1, C, H, W)")


def _check_window(kernel: tuple[int, ...], size: tuple[int, int]) -> None:
    if not (0 < kernel[0] <= size[0] and 0 < kernel[1] <= size[1]):
        raise UnsupportedError(f"must have a window of at most {size[0]} x {size[1]}, not {kernel[0]} x {kernel[1]}",
                                    "a smaller window")


def _averaged_term(term: Term, kernel: tuple[int, ...], strides: tuple[int, ...]) -> Term:
    """The sums of windows of a convolution, as one convolution."""
    if term.dilation != (1, 1):
        raise UnsupportedError("must not average a dilated convolution", "a Quant in front of it")
    n, c, height, width = term.weights.shape
    reach = height + term.stride[0] * (kernel[0] - 1), width + term.stride[1] * (kernel[1] - 1)
    weights = np.zeros((n, c, *reach), dtype=np.int64)
    for y in range(kernel[0]):
        for x in range(kernel[1]):
            at = y * term.stride[0], x * term.stride[1]
            weights[:, :, at[0]:at[0] + height, at[1]:at[1] + width] += term.weights
    return replace(term, weights=weights, stride=(term.stride[0] * strides[0], term.stride[1] * strides[1]))
