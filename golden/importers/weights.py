"""Weights of real numbers as integers, and integers as binary planes."""

from dataclasses import dataclass

import numpy as np

__all__ = ["MOST_INTEGER", "Planes", "integers", "planes_of"]

MOST_INTEGER = 255
"""The largest integer that a weight may be a multiple by."""

TOLERANCE = 5e-7
"""Relative, of a product in float32."""

RULE = f"the weights of an output channel must be multiples of one number, by -{MOST_INTEGER} to {MOST_INTEGER}"


def integers(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights as integers times a unit of their output channel.

    Parameters
    ----------
    weights : float64 (N, ...)
        Products of a unit and an integer, rounded to float32 or better.

    Returns
    -------
    int64 (N, ...), float64 (N,)
        The integers, of the largest unit that makes them, and the unit, 1 for a channel of zeros.

    Raises
    ------
    ValueError
        If a channel has no such unit with integers up to `MOST_INTEGER`.
    """
    flat = weights.reshape(len(weights), -1)
    found = np.zeros(flat.shape, dtype=np.int64)
    units = np.ones(len(flat))
    for channel, row in enumerate(np.abs(flat)):
        if not row.any():
            continue
        least = row[row > 0].min()
        for divisor in range(1, MOST_INTEGER + 1):
            multiples = row / (least / divisor)
            rounded = np.rint(multiples)
            if rounded.max() > MOST_INTEGER:
                raise ValueError(RULE)
            if (np.abs(multiples - rounded) <= TOLERANCE * rounded).all():
                found[channel] = rounded.astype(np.int64) * np.sign(flat[channel]).astype(np.int64)
                # the unit of the largest weight has the smallest relative error
                largest = row.argmax()
                units[channel] = row[largest] / rounded[largest]
                break
        else:
            raise ValueError(RULE)
    return found.reshape(weights.shape), units


@dataclass(frozen=True)
class Planes:
    """Binary planes of weights, largest exponent first.

    Members
    -------
    bits : bool (planes, N, ...)
        True for +1.
    exponents : tuple of int
        The sum of ``2**exponent`` times +1 or -1 is ``factor`` times the integer.
    factor : 1 or 2
    """

    bits: np.ndarray
    exponents: tuple[int, ...]
    factor: int


def planes_of(weights: np.ndarray, factor: int | None = None) -> Planes:
    """Planes of integers, int64 (N, ...).

    Odd integers of w bits are a sum of w planes, ``+-1 +-2 ... +-2**(w - 1)``. Others are doubled first: an even number
    is the sum of its sign and an odd number, so its planes are one of 1, and those of the odd number. -1, 0 and 1 take
    two planes.

    Parameters
    ----------
    weights : int64 (N, ...)
    factor : 1 or 2, optional
        By default 1 where all are odd.
    """
    odd = bool((weights % 2 != 0).all())
    factor = factor or (1 if odd else 2)
    if factor == 2:
        sign = np.where(weights >= 0, 1, -1)
        bits, exponents = _odd_planes(2 * weights - sign)
        return Planes(np.concatenate([bits, sign[None] > 0]), (*exponents, 0), 2)
    if not odd:
        raise ValueError("the integers must be odd")
    return Planes(*_odd_planes(weights), 1)


def _odd_planes(odd: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    count = max(1, int(np.abs(odd).max(initial=1)).bit_length())
    numbers = odd + (1 << count) - 1 >> 1
    exponents = tuple(reversed(range(count)))
    return np.stack([numbers >> exponent & 1 == 1 for exponent in exponents]), exponents
