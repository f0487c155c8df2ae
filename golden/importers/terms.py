"""Arithmetic of terms: sizes, the code of zero, and units of the integers."""

import numpy as np

from signum.golden.compiler.lowering import Source

from .refusal import UnsupportedError
from .states import Factor, Sums, Term, computed
from .weights import integers

__all__ = ["doubling", "factor_of", "integer_units", "output_size", "values_of", "zero_code"]


def output_size(term: Term) -> tuple[int, int]:
    found = []
    for axis in (0, 1):
        length = (term.source.shape.height, term.source.shape.width)[axis]
        reach = (term.weights.shape[2 + axis] - 1) * term.dilation[axis] + 1
        inside = length + term.padding[axis] + term.padding[axis + 2] - reach
        if inside < 0:
            raise UnsupportedError(f"must have a kernel that fits into its map, not {reach} positions of {length}",
                                   "a smaller kernel or more padding")
        found.append(inside // term.stride[axis] + 1)
    return found[0], found[1]


def zero_code(source: Source) -> int | np.ndarray:
    """The padding of a map by the value 0: the bits of its code, 0 where no code is 0, or -1 on planes without it."""
    if source.planes:
        return -source.offset if 0 <= -source.offset < 1 << len(source.names) else -1
    level, rest = divmod(source.copies - source.offset, 2)
    if rest or not 0 <= level <= source.copies:
        return 0
    return np.tile(np.arange(source.copies) < level, source.channels)


def doubling(sums: Sums) -> int:
    """1 where all weights are odd, else 2: their planes give so many times the sums."""
    return 1 if all((term.weights % 2 != 0).all() for term in sums.terms) else 2


def factor_of(sums: Sums) -> Factor:
    """The network's values of the integers of the array."""
    return Factor(sums.unit / doubling(sums), sums.bias)


def values_of(sums: Sums, numbers: np.ndarray) -> np.ndarray:
    """The values behind the functions of sums, of the array's integers: (Z, N) to float32 (Z, N)."""
    return computed([factor_of(sums), *sums.functions], numbers)


def integer_units(units: np.ndarray) -> tuple[np.ndarray, float]:
    """Units as integers times one number: int64 of their shape, and the number."""
    try:
        found, base = integers(units.reshape(1, -1))
    except ValueError:
        raise UnsupportedError("must have scales that are multiples of one number", "one scale") from None
    return found.reshape(units.shape), float(base[0])
