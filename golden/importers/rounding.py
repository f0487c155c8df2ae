"""Rounding in the network's own arithmetic: its convolutions add float32 numbers in an order of their own.

The array adds integers. Where every partial sum of a layer is a float32 number both agree in all cases. Elsewhere,
behind scales such as 0.1 or averages of 49 values, the network's sum is a few units in the last place beside the exact
one, and a quantizer may decide otherwise where a sum lies so near its threshold.
"""

import numpy as np
import torch

from .states import Levels, Sums, Term
from .terms import doubling, values_of

__all__ = ["exact", "near_thresholds"]

MANTISSA = 24
"""Bits of a float32 number."""


def _largest_code(term: Term) -> int:
    source = term.source
    return abs(source.offset) + ((1 << len(source.names)) - 1 if source.planes else source.copies)


def _largest_sums(sums: Sums) -> np.ndarray:
    """The sum of all products of a channel without their signs: int64 (N,)."""
    return np.asarray(sum(np.abs(term.weights).sum(axis=(1, 2, 3)) * _largest_code(term) for term in sums.terms))


def exact(sums: Sums) -> bool:
    """Whether all partial sums are float32 numbers."""
    mantissas = np.frexp(sums.unit)[0] * 2.0**53
    for mantissa, largest in zip(mantissas.astype(np.int64).tolist(), _largest_sums(sums).tolist(), strict=True):
        odd = mantissa // (mantissa & -mantissa) if mantissa else 0
        if odd.bit_length() + largest.bit_length() > MANTISSA:
            return False
    return True


def near_thresholds(sums: Sums, levels: Levels, changes: np.ndarray) -> int:
    """The bits whose threshold lies within the rounding of the network's own sums.

    Parameters
    ----------
    sums : Sums
    levels : Levels
        Their quantizer.
    changes : int64 (N * count,)
        See `golden.compiler.lowering.Sums.changes`.
    """
    taps = sum(term.weights[0].size for term in sums.terms)
    error = (taps + 2) * 2.0**-MANTISSA * _largest_sums(sums) * doubling(sums)
    z = changes.reshape(-1, levels.count).T.astype(np.float64)          # the first sum of the other value

    def bits(values: np.ndarray) -> np.ndarray:
        """The bit of each count at values (count, N) of the sums."""
        found = levels.bits(torch.from_numpy(values_of(sums, values))[:, :, None, None])[:, :, 0, 0].numpy()
        return found.reshape(len(values), -1, levels.count)[np.arange(levels.count), :, np.arange(levels.count)]

    return int(((bits(z) != bits(z - error)) | (bits(z - 1) != bits(z - 1 + error))).sum())
