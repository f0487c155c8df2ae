"""The levels of a quantizer, or of pixels without one."""

import numpy as np

from .operators import CHAINS, attributes
from .refusal import UnsupportedError
from .states import Levels, Operator

__all__ = ["quantized_levels", "spaced_levels", "whole"]

CLOSE = 1e-3
"""Values so close, in distances of levels, are one level: of ``sign(x) - x + x``."""

MOST_DISTANCES = 512
"""Of the largest level from 0."""


def whole(offset: float) -> int:
    """The offset of codes, an integer."""
    if round(offset) != offset:
        raise UnsupportedError("must have a level at a multiple of its scale, or half of one", "a zero point of 0")
    return round(offset)


def quantized_levels(operator: Operator, values: np.ndarray) -> Levels:
    """The levels of a quantizer at values (Z, N)."""
    kind, inputs = operator.node.op_type, operator.inputs
    if operator.node.domain == CHAINS:
        return _levels_of(operator.compute(values).astype(np.float64))
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


def _levels_of(found: np.ndarray) -> Levels:
    """The levels that a function's values (Z, N) have, in all channels, up to the function's own rounding."""
    if not np.isfinite(found).all():
        raise UnsupportedError("must give finite values", "finite constants")
    values = np.unique(found)
    gaps = np.diff(values)
    gaps = gaps[gaps > CLOSE * max(gaps.max(initial=0), np.abs(values).max() / MOST_DISTANCES)]
    if not len(gaps):
        value = float(values[len(values) // 2])
        unit = abs(value) or 1.0
        distance = float(np.abs(values - value).max() / unit)
        return Levels(np.full(found.shape[1], unit), float(np.sign(value)), 1, distance)
    unit = gaps.min()
    count = round(float((values[-1] - values[0]) / unit))
    unit = (values[-1] - values[0]) / count
    least = round(float(2 * values[0] / unit)) / 2
    numbers = np.rint(values / unit - least)
    at = int(np.abs(values).argmax())
    unit = values[at] / (numbers[at] + least)           # the largest level has the smallest relative error
    distance = np.abs(values / unit - least - numbers).max()
    if distance > CLOSE:
        raise UnsupportedError("must have levels of one distance, at multiples of it or of its half",
                               "a uniform quantizer")
    return Levels(np.full(found.shape[1], unit), least, count, float(distance))


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
