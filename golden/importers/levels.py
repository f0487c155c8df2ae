"""The levels of a quantizer, or of pixels without one."""

import numpy as np

from .operators import attributes
from .refusal import UnsupportedError
from .states import Levels, Operator

__all__ = ["quantized_levels", "spaced_levels", "whole"]


def whole(offset: float) -> int:
    """The offset of codes, an integer."""
    if round(offset) != offset:
        raise UnsupportedError("must have a level at a multiple of its scale, or half of one", "a zero point of 0")
    return round(offset)


def quantized_levels(operator: Operator, values: np.ndarray) -> Levels:
    """The levels of a quantizer at values (Z, N)."""
    kind, inputs = operator.node.op_type, operator.inputs
    channels = values.shape[1]
    options = attributes(operator.node)
    bias = 0.0
    if kind == "Sign":
        unit = np.ones(channels)
    elif kind == "MultiThreshold":
        unit, bias = np.full(channels, float(options.get("out_scale", 1.0))), float(options.get("out_bias", 0.0))
    else:
        scale = inputs[1]
        if scale is None:
            raise UnsupportedError("must have a constant scale", "a scale in the file")
        unit = np.broadcast_to(scale.astype(np.float64).reshape(-1), channels).copy()
    if not np.isfinite(unit).all() or (unit <= 0).any():
        raise UnsupportedError("must have a positive scale", "another scale")
    found = operator.compute(values).astype(np.float64)
    if not np.isfinite(found).all():
        raise UnsupportedError("must give finite values", "finite constants")
    numbers = np.rint((found - bias) / unit)
    least, most = int(numbers.min()), int(numbers.max())
    step = 1
    if kind in ("BipolarQuant", "Sign") and (np.abs(numbers) == 1).all():
        least, most, step = -1, 1, 2
    count = max(1, (most - least) // step)
    return Levels(unit * step, (least + bias / unit[0]) / step, count)


def spaced_levels(values: np.ndarray) -> Levels:
    """Pixels as levels of equal distance, in all channels."""
    low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
    count = len(values) - 1
    unit = (high - low) / count
    if not np.isfinite(unit).all() or (unit <= 0).any() or (unit != unit[0]).any():
        raise UnsupportedError("must read a quantized input", "a Quant behind the network's input")
    least = low / unit
    if (np.abs(least - np.rint(least)) > 1e-3).any() or (np.rint(least) != np.rint(least[0])).any():
        raise UnsupportedError("must read a quantized input", "a Quant behind the network's input")
    if np.abs(values / unit - np.rint(least) - np.arange(count + 1)[:, None]).max() > 1e-2:
        raise UnsupportedError("must read a quantized input", "a Quant behind the network's input")
    return Levels(unit, float(np.rint(least[0])), count)
