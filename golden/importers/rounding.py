"""Rounding in the network's own arithmetic: its convolutions add float32 numbers in an order of their own.

The array adds integers. Where every partial sum of a layer is a float32 number both agree in all cases. Elsewhere,
behind scales such as 0.1 or averages of 49 values, the network's sum is a few units in the last place beside the exact
one, and a quantizer may decide otherwise where a sum lies so near its threshold.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch

from .states import Levels, Sums, Term
from .terms import doubling, values_of

__all__ = ["exact", "near_thresholds"]

MANTISSA = 24
"""Bits of a float32 number."""

SHIFT = 200
"""Every float32 number times two to this power is an integer."""


def _largest_code(term: Term) -> int:
    source = term.source
    return abs(source.offset) + ((1 << len(source.names)) - 1 if source.planes else source.copies)


def _largest_sums(sums: Sums) -> np.ndarray:
    """The sum of all products of a channel without their signs: int64 (N,)."""
    return np.asarray(sum(np.abs(term.weights).sum(axis=(1, 2, 3)) * _largest_code(term) for term in sums.terms))


def _inputs_rounding(sums: Sums, rounded: Mapping[str, float]) -> np.ndarray | float:
    """The largest distance of a sum's products from the integers: float64 (N,), or 0."""
    found = sum(2 * rounded.get(name, 0.0) * np.abs(term.weights).sum(axis=(1, 2, 3))
                for term in sums.terms for name in term.source.names)
    return found + max(rounded.get(name, 0.0) for name in ("", *sums.nodes)) * _largest_sums(sums)


def exact(sums: Sums, rounded: Mapping[str, float]) -> bool:
    """Whether all partial sums are float32 numbers, and the integers are those of the network.

    ``rounded`` are the rounded maps and weights; see `golden.importers.context.Context`.
    """
    if np.any(_inputs_rounding(sums, rounded)):
        return False
    mantissas = np.frexp(sums.unit)[0] * 2.0**53
    for mantissa, largest in zip(mantissas.astype(np.int64).tolist(), _largest_sums(sums).tolist(), strict=True):
        odd = mantissa // (mantissa & -mantissa) if mantissa else 0
        if odd.bit_length() + largest.bit_length() > MANTISSA:
            return False
    return sums.bias is None or _exact_bias(sums, sums.bias.astype(np.float64))


def _exact_bias(sums: Sums, bias: np.ndarray) -> bool:
    """Whether a bias that is added in any place among the products, float64 (N,), gives float32 numbers."""
    for unit, value, largest in zip(sums.unit.tolist(), bias.tolist(), _largest_sums(sums).tolist(), strict=True):
        grid = math.gcd(*(int(math.ldexp(abs(number), SHIFT)) for number in (unit, value)))
        if math.ldexp(largest * unit + abs(value), SHIFT) >= grid << MANTISSA:
            return False
    return True


def near_thresholds(sums: Sums, levels: Levels, changes: np.ndarray, rounded: Mapping[str, float]) -> int:
    """The bits whose threshold lies within the rounding of the network's own sums.

    Parameters
    ----------
    sums : Sums
    levels : Levels
        Their quantizer.
    changes : int64 (N * count,)
        See `golden.compiler.lowering.Sums.changes`.
    rounded : mapping of str to float
        See `golden.importers.context.Context`.
    """
    taps = sum(term.weights[0].size for term in sums.terms)
    bias = 0.0 if sums.bias is None else np.abs(sums.bias / sums.unit)
    error = (taps + 2) * 2.0**-MANTISSA * (_largest_sums(sums) + bias) * doubling(sums)
    error = error + _inputs_rounding(sums, rounded) * doubling(sums)
    z = changes.reshape(-1, levels.count).T.astype(np.float64)          # the first sum of the other value

    def bits(values: np.ndarray) -> np.ndarray:
        """The bit of each count at values (count, N) of the sums."""
        found = levels.bits(torch.from_numpy(values_of(sums, values))[:, :, None, None])[:, :, 0, 0].numpy()
        return found.reshape(len(values), -1, levels.count)[np.arange(levels.count), :, np.arange(levels.count)]

    return int(((bits(z) != bits(z - error)) | (bits(z - 1) != bits(z - 1 + error))).sum())
