"""The encoding of numbers as bits: popcounts, words and their tail lanes, border classes.

A bit 1 represents +1 and a bit 0 represents -1. Over N taps the popcount ``p`` is the number of equal pairs
(activation, weight), and the dot product is ``z = 2p - N``. A word has L lanes; lane i of word k is
channel ``k*L + i``, lane 0 in the least significant bit. Lanes past the last channel hold activation 0
and weight 1: they are unequal and add nothing.

In an array of elements of 8 bits, a lane has 8 bits: an activation of 0..255 or a weight of -128..127 in two's
complement. Its tail lanes hold the same bits, and their products are 0.
"""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "ACTIVATION_TAIL",
    "ELEMENT_TYPES",
    "WEIGHT_TAIL",
    "MapShape",
    "border_class",
    "border_counts",
    "clamp_threshold",
    "dot_from_popcount",
    "ints_to_words",
    "pack_lanes",
    "sign_bit",
    "unpack_lanes",
    "words_per",
    "words_to_ints",
]

ACTIVATION_TAIL = 0
WEIGHT_TAIL = 1
ELEMENT_TYPES = {1: np.dtype(bool), 8: np.dtype(np.uint8)}      # dtype of a map's elements, by their bits


@dataclass(frozen=True)
class MapShape:
    """Size of a map, stored as (height, width, channels)."""

    height: int
    width: int
    channels: int


def words_per(channels: int, lanes: int) -> int:
    """Words of ``lanes`` elements for ``channels`` elements."""
    return -(-channels // lanes)


def sign_bit(values: np.ndarray) -> np.ndarray:
    """Bits of real values, any shape: True where the value is >= 0, so ``sign(0) = +1``."""
    return np.asarray(values) >= 0


def dot_from_popcount(popcount: np.ndarray, taps: int | np.ndarray) -> np.ndarray:
    """Dot product of +1/-1 vectors of ``taps`` elements from their number of equal pairs."""
    return 2 * np.asarray(popcount) - taps


def clamp_threshold(threshold: np.ndarray, top: int) -> np.ndarray:
    """Thresholds as stored in hardware: 0 is "always", ``top + 1`` is "never".

    ``top`` is the largest reachable sum (the number of taps for a plain dot product).
    """
    return np.clip(threshold, 0, top + 1)


def pack_lanes(elements: np.ndarray, lanes: int, tail: int, element_bits: int = 1) -> np.ndarray:
    """Cut the last axis into words: (..., C) to bool (..., words, lanes * element_bits), filled up with bits ``tail``.

    Elements are bool, or the 8 lowest bits of integers of -128..255.
    """
    if element_bits == 1:
        bits = np.asarray(elements, dtype=bool)
    else:
        low = np.asarray(elements).astype(np.uint8)[..., None]
        bits = np.unpackbits(low, axis=-1, bitorder="little").reshape(*low.shape[:-2], -1)
    size = lanes * element_bits
    words = words_per(bits.shape[-1], size)
    out = np.full((*bits.shape[:-1], words * size), bool(tail))
    out[..., :bits.shape[-1]] = bits
    return out.reshape(*bits.shape[:-1], words, size)


def unpack_lanes(words: np.ndarray, channels: int, element_bits: int = 1) -> np.ndarray:
    """The elements of a map from its words: bool (..., words, lanes * element_bits) to (..., channels)."""
    bits = np.asarray(words, dtype=bool).reshape(*words.shape[:-2], -1)[..., :channels * element_bits]
    if element_bits == 1:
        return bits
    return np.packbits(bits.reshape(*bits.shape[:-1], channels, element_bits), axis=-1, bitorder="little")[..., 0]


def words_to_ints(words: np.ndarray) -> list[int]:
    """Words as bool (n, bits) to n integers, the least significant bit first."""
    words = np.asarray(words, dtype=bool)
    data = np.packbits(words, axis=-1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in data]


def ints_to_words(values: list[int], bits: int) -> np.ndarray:
    """The inverse of `words_to_ints`: n integers to bool (n, bits)."""
    size = -(-bits // 8)
    data = np.frombuffer(b"".join(v.to_bytes(size, "little") for v in values), dtype=np.uint8)
    return np.unpackbits(data.reshape(len(values), size), axis=-1, bitorder="little")[:, :bits].astype(bool)


def border_counts(size: int, kernel: int, stride: int, low: int, out: int, dilation: int = 1) -> tuple[int, int]:
    """Numbers of output positions of one axis with padded taps, at the low and at the high end.

    ``size`` input positions with ``low`` pads before them, ``out`` output positions. Position u covers the
    inputs ``u*stride - low + k*dilation``. A position may count at both ends.
    """
    reach = (kernel - 1) * dilation
    at_low = sum(u * stride - low < 0 for u in range(out))
    at_high = sum(u * stride - low + reach >= size for u in range(out))
    return at_low, at_high


def border_class(position: np.ndarray | int, out: int, at_low: int, at_high: int) -> np.ndarray:
    """Border class of output positions of one axis: positions of one class have the same padded taps.

    Classes count up over the first ``at_low`` positions, stay, and count up again over the last ``at_high``; their
    number is ``border_class(out - 1, ...) + 1``.
    """
    position = np.asarray(position)
    steps = np.arange(1, out)
    rises = (steps - 1 < at_low) | (steps - 1 >= out - 1 - at_high)
    return np.concatenate([[0], np.cumsum(rises)])[position]
