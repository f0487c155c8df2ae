"""The program format: the fields of a layer and of a segment, in order, ``fetch_width`` of them a program word.

A program is a list of layer records; each is followed by the records of its segments. Counts are stored as the
last index (count - 1). Steps are added to an address modulo its width, so a negative step is its two's complement.

Front, segment, store and drain fields each begin a new word. The front fields of a layer control the addresses of
activations and weights, the drain fields its sums as they leave the array, the store fields all units until its words
are stored. Their order is the order of fetching for the next layer: front fields, first segment and store fields while
the last steps of a layer are issued (the sequencer buffers the store fields until the layer begins), drain fields
once the last sums of the layer leave.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Value
from amaranth.lib import data

from signum.hdl.config import ArrayConfig, ConfigError, bits_to_hold

from .combine import Combine, combine_of, combines_of

__all__ = ["PATTERN_BIT", "Field", "Isa", "LayerFlag", "LayerRecord", "SegmentFlag", "flag_of"]

SEGMENTS_BITS = 6
WINDOW_BITS = 4
LINES_BITS = 8

# cycles of the longest gap between two dot products, beyond the cycles of the array and of a bank
LONGEST_FETCH = 9


class LayerFlag(enum.IntFlag):
    """Flags of a layer, besides the flags of `hdl.control.combine.COMBINES`."""

    SPLIT = 1       # rows are neighbouring pixels of one image, not the same pixel of several images
    RAW = 2         # sums go to the threshold memory, without thresholds
    LAST = 8        # the program ends here
    RELEASE = 16    # no later layer reads the inputs; only with an input unit


def flag_of(fields: data.View | Mapping[str, Value], flag: int) -> Value:
    """One flag of a layer's back fields or of a segment's fields, as hardware."""
    return fields["flags"][flag.bit_length() - 1]


class SegmentFlag(enum.IntFlag):
    """Flags of a segment; the bits above them are the number of its access pattern, from `PATTERN_BIT` on."""

    CONTINUE = 1    # the accumulators run on into the next segment: no drain between them
    DOUBLE = 2      # the sum drained after the segment is added to twice the sum of the earlier drains
    REPEAT = 4      # every run has the weights of the first; only with ``weight_repeats``
    SHIFT = 8       # the accumulators double before each line of the steps; only with ``accumulator_shift``


PATTERN_BIT = max(SegmentFlag).bit_length()


@dataclass(frozen=True)
class Field:
    """A field of a record: its name and its width in the hardware."""

    name: str
    bits: int


@dataclass(frozen=True)
class LayerRecord:
    """A decoded layer: field values by name, of the layer and of each segment."""

    fields: Mapping[str, int]
    segments: tuple[Mapping[str, int], ...]

    def has(self, flag: LayerFlag) -> bool:
        return bool(self.fields["flags"] & flag)

    @property
    def combine(self) -> Combine:
        return combine_of(self.fields["flags"])


class Isa:
    """The record layouts for one configuration.

    Members
    -------
    front, segment, store, drain : tuple of Field
        A layer's record is ``front``, its first ``segment``, ``store`` and ``drain``; its further segments follow.
    back_layout : StructLayout
        The store and drain fields as one value.
    word_bits : int
        Width of the program memory.
    segment_fetch : int
        Cycles from the first step of a segment until the record of the following one has been fetched.
    """

    def __init__(self, config: ArrayConfig) -> None:
        a, t = config.activation_bits, config.threshold_bits
        beat = bits_to_hold(config.beats - 1)
        gap = bits_to_hold(2 * (config.drain_cycles + config.rows) + LONGEST_FETCH + config.memory_latency)
        patterns = [Field(f"pattern{i}_{name}", a) for i in range(config.access_patterns) for name in ("step", "line")]
        coefficients = (
            Field("coefficients", config.coefficient_bits),         # first scale and offset
            Field("coefficients_step", config.coefficient_bits),    # step from a drain's to the next drain's
        ) if config.requantize_depth else ()
        classes = (
            Field("class_x_low", a),                # x below this: the next pixel is of the next border class
            Field("class_x_high", a),               # x from this on: likewise
            Field("class_x_step", t),               # step to the thresholds of the next class along x
            Field("class_y_low", a),
            Field("class_y_high", a),
            Field("class_y_step", t),
        ) if config.zero_padding else ()
        levels = (
            Field("levels", bits_to_hold(config.threshold_levels - 1)),     # last threshold of a sum
        ) if config.threshold_levels > 1 else ()
        gated = (
            Field("gated", SEGMENTS_BITS),          # so many last drains of a window position are gated
        ) if config.gate else ()
        flags = [flag for flag in LayerFlag if config.streams or flag != LayerFlag.RELEASE]
        self.config = config
        self.front = (
            Field("segments", SEGMENTS_BITS),       # last segment
            Field("window_x", WINDOW_BITS),         # last position of the pooling window along x
            Field("window_y", WINDOW_BITS),
            Field("window_step", a),                # to the next position along x
            Field("window_line", a),                # from the last one of a line to the next line
            Field("weights", config.weight_bits),   # first weight word
            *patterns,                              # steps of the address to the next pixel, to the next line
        )
        self.store = (
            Field("flags", max(*flags, *(row.flag for row in combines_of(config))).bit_length()),
            Field("x", a),                          # last output pixel of a line
            Field("y", a),                          # last line
            Field("channel_blocks", config.weight_bits),    # last block; each has at least one weight word
            *levels,
            Field("out_step", a),                   # steps of the output address, as of an access pattern
            Field("out_line", a),
        )
        self.drain = (
            Field("channel_block", beat),           # last beat of a block: drain_width channels each
            Field("last_channel_block", beat),      # last beat of the last block
            Field("drains", SEGMENTS_BITS),         # last drain of a window position
            *gated,
            Field("windows", 2 * WINDOW_BITS),      # last position of the window
            Field("thresholds", t),                 # first threshold, or first raw result
            Field("thresholds_window", t),          # step to the thresholds of the next window position
            *classes,
            Field("out_start", a),                  # word of the first output pixel
            *coefficients,
        )
        self.back = self.store + self.drain
        self.segment = (
            Field("flags", PATTERN_BIT + bits_to_hold(config.access_patterns - 1)),
            Field("start", a),                      # of the first pixel's first step
            Field("words", a),                      # last word of a run; words of a run are neighbours
            Field("runs", LINES_BITS),              # last run of a line
            Field("lines", LINES_BITS),             # last line
            Field("run_step", a),                   # from the last word of a run to the next run
            Field("line_step", a),                  # from the last word of a line to the next line
            Field("gap", gap),                      # idle cycles after a dot product that ends here
        )

    @property
    def back_layout(self) -> data.StructLayout:
        return data.StructLayout({field.name: field.bits for field in self.back})

    @property
    def layer(self) -> tuple[Field, ...]:
        return self.front + self.back

    @cached_property
    def field_bits(self) -> int:
        """Width of a field slot in a program word."""
        return max(field.bits for field in self.layer + self.segment)

    @property
    def word_bits(self) -> int:
        return self.config.fetch_width * self.field_bits

    @property
    def segment_fetch(self) -> int:
        return len(self.words_of(self.segment)) + 1 + self.config.memory_latency

    def words_of(self, fields: tuple[Field, ...]) -> list[tuple[Field, ...]]:
        """The fields of each word of a part of a record."""
        width = self.config.fetch_width
        return [fields[first:first + width] for first in range(0, len(fields), width)]

    @property
    def address_fields(self) -> set[str]:
        """Fields added to an address, modulo its width."""
        names = {"window_step", "window_line", "out_step", "out_line", "start", "run_step", "line_step",
                 "coefficients_step", "thresholds_window", "class_x_step", "class_y_step"}
        return names | {f"pattern{i}_{name}" for i in range(self.config.access_patterns) for name in ("step", "line")}

    def _encode(self, fields: tuple[Field, ...], values: Mapping[str, int]) -> Iterator[int]:
        for word in self.words_of(fields):
            yield sum(self._value(field, values) << i * self.field_bits for i, field in enumerate(word))

    def _value(self, field: Field, values: Mapping[str, int]) -> int:
        value = values[field.name]
        if field.name in self.address_fields:
            value &= (1 << field.bits) - 1
        if not 0 <= value < 1 << field.bits:
            raise ConfigError(f"program field {field.name} must be from 0 to {(1 << field.bits) - 1}, not {value}")
        return int(value)       # a plain int: an enum flag would be cut to its own width in a memory's initial words

    def _decode(self, fields: tuple[Field, ...], source: Iterator[int]) -> dict[str, int]:
        found = {}
        for fields_of_word in self.words_of(fields):
            word = next(source)
            for i, field in enumerate(fields_of_word):
                found[field.name] = word >> i * self.field_bits & (1 << self.field_bits) - 1
        return found

    def encode(self, layers: list[LayerRecord]) -> list[int]:
        """Program words of a list of layers.

        Raises
        ------
        ConfigError
            If a value does not fit into its field.
        """
        words: list[int] = []
        for layer in layers:
            first, *further = layer.segments
            words += self._encode(self.front, layer.fields)
            words += self._encode(self.segment, first)
            words += self._encode(self.store, layer.fields)
            words += self._encode(self.drain, layer.fields)
            for segment in further:
                words += self._encode(self.segment, segment)
        return words

    def decode(self, words: list[int]) -> list[LayerRecord]:
        """The inverse of `encode`; reads up to the layer with `LayerFlag.LAST`."""
        layers: list[LayerRecord] = []
        source = iter(words)
        while not layers or not layers[-1].has(LayerFlag.LAST):
            fields = self._decode(self.front, source)
            segments = [self._decode(self.segment, source)]
            fields |= self._decode(self.store, source) | self._decode(self.drain, source)
            segments += [self._decode(self.segment, source) for _ in range(fields["segments"])]
            layers.append(LayerRecord(fields, tuple(segments)))
        return layers
