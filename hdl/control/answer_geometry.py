"""The geometry of answers: which results of a run leave, and in which form."""

import enum

from signum.hdl.config import ArrayConfig, bits_to_hold

from .isa import Field

__all__ = ["AnswerKind", "answer_fields"]


class AnswerKind(enum.IntEnum):
    """The form of an answer."""

    RANKS = 0       # of each pixel the channels of the largest values, the largest first
    VALUES = 1      # of each pixel the value of each channel, in two's complement
    WORDS = 2       # the words of a map, in slices of 32 bits


def answer_fields(config: ArrayConfig) -> tuple[Field, ...]:
    """The fields of the geometry, in the order of their registers; counts as the last index (count - 1)."""
    t, a = config.threshold_bits, config.activation_bits
    channel = bits_to_hold(config.threshold_depth * config.drain_width - 1)
    ranks = (Field("ranks", bits_to_hold(config.answer_ranks - 1)),) if config.answer_ranks > 1 else ()
    several = (
        Field("kind", 2),
        Field("pixels", max(t, a)),     # last pixel of an image, or last word of its map
    ) if config.answer_values else ()
    return (
        *several,
        Field("double", 1),             # a value is twice the sum, plus the channel's offset
        Field("channels", channel),     # last channel
        Field("results", max(t, a)),    # threshold word of the first sums, or activation word of the map
        Field("offsets", t),            # threshold word of the first offsets
        *ranks,                         # last rank of an answer
    )
