"""The geometry of answers: which results of a run leave, and in which form."""

import enum

from signum.hdl.config import DATA_BITS, ArrayConfig, bits_to_hold

from .isa import Field

__all__ = ["FACTOR_BITS", "SHIFT_BITS", "AnswerKind", "answer_bits", "answer_fields"]

FACTOR_BITS, SHIFT_BITS = 8, 5
"""Of a requantization to 8 bits."""


class AnswerKind(enum.IntEnum):
    """The form of an answer."""

    RANKS = 0       # of each pixel the channels of the largest values, the largest first
    VALUES = 1      # of each pixel the value of each channel, in two's complement
    WORDS = 2       # the words of a map, in slices of 32 bits
    BYTES = 3       # of each pixel the value of each channel, requantized to 8 bits


def channel_bits(config: ArrayConfig) -> int:
    """Width of the number of a channel."""
    return bits_to_hold(config.threshold_depth * config.drain_width - 1)


def answer_bits(config: ArrayConfig) -> int:
    """Width of a number of an answer: of a channel's number, without a sign, or of the bus."""
    return DATA_BITS if config.answer_values else channel_bits(config)


def answer_fields(config: ArrayConfig) -> tuple[Field, ...]:
    """The fields of the geometry, in the order of their registers; counts as the last index (count - 1)."""
    t, a = config.threshold_bits, config.activation_bits
    ranks = (Field("ranks", bits_to_hold(config.answer_ranks - 1)),) if config.answer_ranks > 1 else ()
    several = (
        Field("kind", 2),
        Field("pixels", max(t, a)),     # last pixel of the last layer, or last word of its map
    ) if config.answer_values else ()
    requantized = (
        Field("factor", FACTOR_BITS),
        Field("shift", SHIFT_BITS),     # less 1
    ) if config.answer_bytes else ()
    shuffled = (
        Field("side", bits_to_hold(config.answer_shuffle - 1)),     # last answer along a side of a pixel
        Field("alike", 1),              # they are all the same, not each of channels of its own
        Field("columns", max(t, a)),    # last pixel of a line
        Field("words", t),              # last threshold word of a pixel
    ) if config.answer_shuffle > 1 else ()
    return (
        *several,
        *requantized,
        *shuffled,
        Field("double", 1),             # a value is twice the sum, plus the channel's offset
        Field("channels", channel_bits(config)),     # last channel of an answer
        Field("results", max(t, a)),    # threshold word of the first sums, or activation word of the map
        Field("offsets", t),            # threshold word of the first offsets
        *ranks,                         # last rank of an answer
    )
