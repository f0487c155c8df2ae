"""Quantizers: each ends a layer, and its levels are the bits of the layer's map."""

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from .axes import flattened
from .context import Context
from .functions import operator_of
from .levels import quantized_levels, whole
from .refusal import UnsupportedError
from .states import Codes, Open, Operator, Pixels, State, Sums
from .terms import values_of

__all__ = ["MOST_LEVELS", "QUANTIZERS", "quantize"]

MOST_LEVELS = 255
"""Levels of a quantizer, less one: bits of a channel."""

MOST_SUM = 1 << 22
"""Sums up to here are evaluated one by one."""

CHUNK = 1 << 14

QUANTIZERS = frozenset({"Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Sign"})


def quantize(context: Context, name: str, node: NodeProto, given: Sequence[State | None]) -> State:
    state = given[0]
    operator = operator_of(context, node, given, state)
    if isinstance(state, Pixels):
        context.absorbed[name] = "input"
        return context.pixel_codes(state, operator)
    sums = context.sums(name, state)
    sums.nodes.append(name)
    values = _reachable(context, sums, operator)
    levels = quantized_levels(operator, values)
    if levels.count > MOST_LEVELS:
        raise UnsupportedError(f"must have at most {MOST_LEVELS + 1} levels, not {levels.count + 1}",
                               f"a bit width of {MOST_LEVELS.bit_length()} or less")
    whole(levels.offset)
    (sums.before if sums.pool is None else sums.after).append(operator)
    codes = Codes((), levels.unit / 2, sums.layout, Open(sums, levels))
    if sums.flat:
        return flattened(context, codes)
    return codes if context.uses.get(node.output[0], 0) == 1 else context.close(codes)


def _reachable(context: Context, sums: Sums, operator: Operator) -> np.ndarray:
    """The values of the quantizer's input at all sums that the weights can make, and perhaps more: (Z, N)."""
    lowered = context.lowered(sums)
    if lowered.bound > MOST_SUM:
        raise UnsupportedError(f"must follow sums of at most {MOST_SUM}, not {lowered.bound}", "fewer bits of weights")
    z = lowered.reach
    if len(z) > 4 * CHUNK:              # the ends, and enough between them, for a monotone function
        z = np.unique(np.concatenate([z[:CHUNK], z[:: len(z) // CHUNK], z[-CHUNK:]]))
    values = np.broadcast_to(z[:, None], (len(z), sums.channels)).astype(np.float32)
    return values_of(sums, values)
