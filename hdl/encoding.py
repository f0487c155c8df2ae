"""How numbers are written as bits: the one place that both the golden model and the hardware ask.

A bit 1 stands for +1 and a bit 0 for -1. Over N taps the popcount ``p`` is the number of equal pairs
(activation, weight), and the dot product is ``z = 2p - N``. A word has L lanes; lane i of word k is
channel ``k*L + i``, lane 0 in the least significant bit. Lanes past the last channel hold activation 0
and weight 1: they are unequal and add nothing.
"""

import numpy as np

__all__ = [
    "ACTIVATION_TAIL",
    "WEIGHT_TAIL",
    "border_class",
    "border_counts",
    "clamp_threshold",
    "dot_from_popcount",
    "ints_to_words",
    "pack_lanes",
    "sign_bit",
    "words_per",
    "words_to_ints",
]

ACTIVATION_TAIL = 0
WEIGHT_TAIL = 1


def words_per(channels: int, lanes: int) -> int:
    """Words of ``lanes`` bits that hold ``channels`` bits."""
    return -(-channels // lanes)


def sign_bit(values: np.ndarray) -> np.ndarray:
    """Bits of real values, any shape: True where the value is >= 0, so ``sign(0) = +1``."""
    return np.asarray(values) >= 0


def dot_from_popcount(popcount: np.ndarray, taps: int | np.ndarray) -> np.ndarray:
    """Dot product of +1/-1 vectors of ``taps`` elements from their number of equal pairs."""
    return 2 * np.asarray(popcount) - taps


def clamp_threshold(threshold: np.ndarray, top: int) -> np.ndarray:
    """Thresholds as the hardware stores them: 0 is "always", ``top + 1`` is "never".

    ``top`` is the largest sum that can be reached (the number of taps for a plain dot product).
    """
    return np.clip(threshold, 0, top + 1)


def pack_lanes(bits: np.ndarray, lanes: int, tail: int) -> np.ndarray:
    """Cut the last axis into words: bool (..., C) to bool (..., words, lanes), filled up with ``tail``."""
    bits = np.asarray(bits, dtype=bool)
    channels = bits.shape[-1]
    words = words_per(channels, lanes)
    out = np.full((*bits.shape[:-1], words * lanes), bool(tail))
    out[..., :channels] = bits
    return out.reshape(*bits.shape[:-1], words, lanes)


def words_to_ints(words: np.ndarray) -> list[int]:
    """Words as bool (n, lanes) to n integers, lane 0 in the least significant bit."""
    words = np.asarray(words, dtype=bool)
    data = np.packbits(words, axis=-1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in data]


def ints_to_words(values: list[int], lanes: int) -> np.ndarray:
    """The inverse of `words_to_ints`: n integers to bool (n, lanes)."""
    size = -(-lanes // 8)
    data = np.frombuffer(b"".join(v.to_bytes(size, "little") for v in values), dtype=np.uint8)
    bits = np.unpackbits(data.reshape(len(values), size), axis=-1, bitorder="little")
    return bits[:, :lanes].astype(bool)


def border_counts(size: int, kernel: int, stride: int, low: int, out: int, dilation: int = 1) -> tuple[int, int]:
    """How many output positions of one axis see padding, at the low and at the high end.

    ``size`` input positions with ``low`` pads before them, ``out`` output positions. Position u covers the
    inputs ``u*stride - low + k*dilation``. A position may count in both ends.
    """
    reach = (kernel - 1) * dilation
    at_low = sum(u * stride - low < 0 for u in range(out))
    at_high = sum(u * stride - low + reach >= size for u in range(out))
    return at_low, at_high


def border_class(position: np.ndarray | int, out: int, at_low: int, at_high: int) -> np.ndarray:
    """Border class of output positions of one axis: positions of one class see the same padding.

    Classes count up over the ``at_low`` first positions, stay, and count up again over the ``at_high``
    last ones; there are ``border_class(out - 1, ...) + 1`` of them.
    """
    position = np.asarray(position)
    steps = np.arange(1, out)
    rises = (steps - 1 < at_low) | (steps - 1 >= out - 1 - at_high)
    return np.concatenate([[0], np.cumsum(rises)])[position]
