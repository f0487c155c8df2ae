"""The answer unit: the results of a run leave as a stream, ranked, as numbers, or as the bits of a map."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import DATA_BITS, ArrayConfig, bits_to_hold
from signum.hdl.control.answer_geometry import FACTOR_BITS, AnswerKind, answer_fields
from signum.hdl.control.isa import Isa
from signum.hdl.lib.delay import delay

from .ranking import Ranking

__all__ = ["BYTE_CYCLES", "AnswerUnit", "answer_latency", "answer_layout", "head_cycles"]

BYTE_CYCLES = 3
"""Cycles of a requantization to 8 bits."""

answer_layout = data.StructLayout({"value": DATA_BITS, "first": 1, "last": 1})
"""A number of an answer; the first and the last one are marked."""


def answer_latency(config: ArrayConfig, levels: int) -> int:
    """Cycles from an address to the row's value, behind ``levels`` levels of registered multiplexers, in tile row 0."""
    return config.memory_latency + levels


def head_cycles(config: ArrayConfig) -> int:
    """Cycles of a run, at least, before it reads activations: the fetch of its first record."""
    isa = Isa(config)
    return sum(len(isa.words_of(fields)) for fields in (isa.front, isa.segment, isa.store, isa.drain))


class AnswerUnit(wiring.Component):
    """Reads the results of a run, row by row, and sends them image by image.

    A result is a sum and the offset of its channel, both in the threshold memory of its row, or a word of the
    activation memory. In ranked answers a channel takes two cycles; a pixel, and with other answers a value or a word,
    takes the latency of the memories besides. The memories are read while ``reading`` is set. Answers of several
    pixels, values and words need ``config.answer_values``.

    A pixel of the last layer may stand for several answers along each side, in raster order of the whole: either each
    of them has its own channels, those of one line after another (a pixel shuffle), or they are all alike (an enlarged
    mask). A line of pixels is then read once for each line of answers.

    Parameters
    ----------
    config : ArrayConfig
        With ``answer_ranks`` above 0.
    levels : int
        Cycles in which the value of a row is selected.

    Members
    -------
    geometry : In
        `answer_fields`.
    split : In(1)
        Pixels belong to the rows in turn, and there is one image.
    enable : In(1)
        Low: forget all answers.
    start : In(1), images : In
        The results of so many images are complete; while ``busy`` is clear.
    busy : Out(1)
        Not all answers have left.
    leaving : Out(1)
        All results are read within `head_cycles`, as seen from the next cycle: the next run may start.
    reading : Out(1)
        The addresses are those of this unit.
    row : Out
    threshold_address, activation_address : Out
    sum : In(sum_bits), map_word : In(word_bits)
        The addressed sum of a beat's lane, and word, of the row; see `answer_latency`, later by the number of the
        row's tile row.
    lane : Out
        The lane of the beat whose sum arrives.
    answers : Out(stream.Signature(answer_layout))
    sum_used, word_used : Out(1), sum_address : Out(threshold_bits), only with ``config.parity``
        ``sum``, of this address, or ``map_word`` is used.
    """

    def __init__(self, *, config: ArrayConfig, levels: int) -> None:
        self.config = config
        self.levels = levels
        self.layout = data.StructLayout({field.name: field.bits for field in answer_fields(config)})
        super().__init__({
            "geometry": In(self.layout),
            "split": In(1),
            "enable": In(1),
            "start": In(1),
            "images": In(bits_to_hold(config.rows)),
            "busy": Out(1),
            "leaving": Out(1),
            "reading": Out(1),
            "row": Out(bits_to_hold(config.rows - 1)),
            "threshold_address": Out(config.threshold_bits),
            "activation_address": Out(config.activation_bits),
            "sum": In(config.sum_bits),
            "map_word": In(config.word_bits),
            "lane": Out(bits_to_hold(config.drain_width - 1)),
            "answers": Out(stream.Signature(answer_layout)),
            **({"sum_used": Out(1), "word_used": Out(1), "sum_address": Out(config.threshold_bits)}
               if config.parity else {}),
        })
        bits = config.sum_bits + 2
        self.ranking = Ranking(ranks=config.answer_ranks, bits=bits, index_bits=self.layout["channels"].width)
        self.value = Signal(signed(bits))       # of the channel that arrived
        self.arrives = Signal()                 # it arrives in this cycle
        self.byte = Signal(8)                   # the same, requantized
        self.word_held = Signal(config.word_bits)
        self.base = Signal(config.threshold_bits)   # first word of the next answer's channels in the words of a pixel
        self.place_ends = Signal()              # the answer is the last one of its pixel
        self.part = Signal(range(max(2, config.answer_ranks, -(-config.word_bits // DATA_BITS))))   # of an answer

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, geometry, several = self.config, self.geometry, self.config.answer_values
        m.submodules.ranking = self.ranking
        words, values, ranks = (Signal(name=name) for name in ("words", "values", "ranks"))
        waiting, sending = Signal(), Signal()               # for the last address; for the reader of the answers
        offset = Signal()                                   # the address is that of an offset
        channel, lane = Signal.like(geometry.channels), Signal.like(self.lane)
        plain = config.drain_width == 1 and config.answer_shuffle < 2
        beat: Value = channel if plain else Signal(config.threshold_bits, name="beat")
        images = Signal.like(self.images)                   # left
        first = Signal(init=1)                              # no part of the image's answer has left
        last_channel, last_pixel, last_image = Signal(), Signal(), Signal()
        unit_read, part_ends = Signal(), Signal()           # the last address of a unit; the last part of its answer
        sent, next_unit = Signal(), Signal()
        pixel: Signal | None = None
        group: Value = geometry.results                     # word of the pixel's first sums
        if several:
            pixel, group = Signal.like(geometry.pixels), Signal.like(geometry.results)
            m.d.comb += [words.eq(geometry.kind == AnswerKind.WORDS),
                         values.eq((geometry.kind == AnswerKind.VALUES) | (geometry.kind == AnswerKind.BYTES))]
        m.d.comb += [
            ranks.eq(~words & ~values),
            last_channel.eq(words | (channel == geometry.channels)),
            last_pixel.eq(1 if pixel is None else (pixel == geometry.pixels) & self.place_ends),
            last_image.eq(images == 1),
            unit_read.eq(self.reading & (words | offset & (values | last_channel))),
            self.threshold_address.eq(Mux(offset, geometry.offsets, group) + beat),
            self.activation_address.eq(group),
            sent.eq(self.answers.valid & self.answers.ready),
            next_unit.eq(sent & part_ends),
        ]
        done = self._arrival(m, unit_read, self.reading & ~words & ~offset, self.reading & ~words & offset, lane)
        limit = head_cycles(config) // 2 - 2
        few = geometry.channels < limit if limit > 0 else 0
        m.d.sync += self.leaving.eq(last_pixel & last_image & Mux(
            ranks, waiting | sending | self.reading & few, last_channel & (waiting | sending)))

        all_read = last_channel & last_pixel & last_image   # of the unit that is sent
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), self.reading.eq(1), images.eq(self.images), self.row.eq(0), first.eq(1),
                         offset.eq(0)]
        with m.If(self.reading):
            m.d.sync += offset.eq(~offset & ~words)
            with m.If(unit_read):
                m.d.sync += [self.reading.eq(0), waiting.eq(1)]
        with m.If(waiting & done):
            m.d.sync += [waiting.eq(0), sending.eq(1), self.part.eq(0)]
        with m.If(sent):
            m.d.sync += [self.part.eq(self.part + 1), first.eq(0)]
        image_ends = next_unit & last_channel & last_pixel
        with m.If(next_unit):
            m.d.sync += [sending.eq(0), self.reading.eq(~all_read), self.busy.eq(~all_read)]
        with m.If(image_ends):
            m.d.sync += [images.eq(images - 1), first.eq(1), self.row.eq(self.row + 1)]
        with m.If(~self.enable):
            m.d.sync += [self.busy.eq(0), self.reading.eq(0), waiting.eq(0), sending.eq(0)]

        begin = self.start | next_unit & last_channel       # of a pixel
        ends = lane == config.drain_width - 1
        counted = [(channel, 0, channel + 1), (lane, 0, Mux(ends, 0, lane + 1))]
        if not plain:
            counted.append((beat, self.base, beat + ends))
        with m.If(begin):
            m.d.sync += [counter.eq(first) for counter, first, _ in counted]
        with m.Elif(self.reading & offset & ~unit_read | next_unit):
            m.d.sync += [counter.eq(following) for counter, _, following in counted]
        if pixel is not None:
            self._pixels(m, pixel, group, beat, image_ends, next_unit & last_channel, words)
        self._send(m, sending, ranks, words, part_ends)
        m.d.comb += [
            self.answers.p.first.eq(first),
            self.answers.p.last.eq(part_ends & last_channel & last_pixel),
            self.ranking.restart.eq(self.start | next_unit),
            self.ranking.shift.eq(sent & ranks),
        ]
        return m

    def _pixels(self, m: Module, pixel: Signal, group: Value, beat: Value, image_ends: Value, pixel_ends: Value,
                words: Value) -> None:
        """In batch mode the pixels of a row follow each other, in split mode the rows."""
        geometry, shuffles = self.geometry, self.config.answer_shuffle > 1
        last_row = self.row == self.config.rows - 1
        begin = self.start | image_ends
        following = [(pixel, pixel + 1),
                     (self.row, Mux(self.split & ~words, Mux(last_row, 0, self.row + 1), self.row)),
                     (group, group + Mux(~self.split | words | last_row,
                                         Mux(words, 0, geometry.words if shuffles else beat) + 1, 0))]
        if not shuffles:
            m.d.comb += self.place_ends.eq(1)
            with m.If(begin):
                m.d.sync += [pixel.eq(0), group.eq(geometry.results)]
            with m.Elif(pixel_ends):
                m.d.sync += [place.eq(value) for place, value in following]
            return
        # the place of an answer in its pixel; the first words of its line there; the first pixel of the line
        x, y, column = (Signal.like(geometry[name], name=f"{name}_{axis}") for name, axis in (
            ("side", "x"), ("side", "y"), ("columns", "at")))
        line_base = Signal.like(self.base)
        line = [Signal.like(place, name=f"line_{i}") for i, (place, _) in enumerate(following)]
        x_ends, y_ends, line_ends = Signal(), Signal(), Signal()
        next_base = Mux(geometry.alike, line_base, beat + 1)
        m.d.comb += [
            x_ends.eq(x == geometry.side), y_ends.eq(y == geometry.side), line_ends.eq(column == geometry.columns),
            self.place_ends.eq(x_ends & y_ends),
        ]
        with m.If(~begin):
            m.d.comb += self.base.eq(Mux(~x_ends, next_base, Mux(~line_ends, line_base, Mux(~y_ends, next_base, 0))))
        with m.If(begin):
            m.d.sync += [*(counter.eq(0) for counter in (x, y, column, line_base, pixel, line[0])),
                         line[1].eq(Mux(self.start, 0, self.row + 1)), group.eq(geometry.results),
                         line[2].eq(geometry.results)]
        with m.Elif(pixel_ends):
            m.d.sync += x.eq(Mux(x_ends, 0, x + 1))
            with m.If(x_ends):
                m.d.sync += column.eq(Mux(line_ends, 0, column + 1))
                m.d.sync += [place.eq(value) for place, value in following]
                with m.If(line_ends):
                    m.d.sync += [y.eq(Mux(y_ends, 0, y + 1)), line_base.eq(self.base)]
                    with m.If(y_ends):
                        m.d.sync += [start.eq(value) for start, (_, value) in zip(line, following, strict=True)]
                    with m.Else():
                        m.d.sync += [place.eq(start) for start, (place, _) in zip(line, following, strict=True)]

    def _arrival(self, m: Module, unit_read: Value, sum_read: Value, offset_read: Value, lane: Value) -> Value:
        """Follow the addresses to their values; returns whether the last value of a unit has arrived."""
        config = self.config
        cycles = answer_latency(config, self.levels)
        early = delay(m, Cat(unit_read, sum_read, offset_read, lane,
                             *([self.threshold_address] if config.parity else [])), cycles, "tags")
        taps = [early]
        for i in range(1, config.tile_rows):
            taps.append(delay(m, taps[-1], 1, f"tags_{i}"))
        tile = Signal(range(config.tile_rows))
        if config.tile_rows > 1:
            with m.Switch(self.row):
                for row in range(config.rows):
                    with m.Case(row):
                        m.d.comb += tile.eq(row // config.rows_per_tile)
        tags = Choice(taps)[tile] if config.tile_rows > 1 else early
        done, has_sum, has_offset = tags[0], tags[1], tags[2]
        held = Signal(signed(config.sum_bits + 2))
        read: Value = self.sum.as_signed() if config.signed else self.sum
        at = Signal.like(self.geometry.channels)
        m.d.comb += self.lane.eq(tags[3:])
        if config.parity:
            m.d.comb += [
                self.sum_used.eq(has_sum | has_offset),
                self.word_used.eq(done & (self.geometry.kind == AnswerKind.WORDS) if config.answer_values else 0),
                self.sum_address.eq(tags[3 + len(lane):]),
            ]
        with m.If(has_sum):
            m.d.sync += held.eq(Mux(self.geometry.double, read << 1, read))
        m.d.sync += self.arrives.eq(has_offset)
        with m.If(has_offset):
            m.d.sync += self.value.eq(held + self.sum.as_signed())
        with m.If(self.ranking.restart):
            m.d.sync += at.eq(0)
        with m.Elif(self.arrives):
            m.d.sync += at.eq(at + 1)
        m.d.comb += [self.ranking.insert.eq(self.arrives), self.ranking.value.eq(self.value),
                     self.ranking.index.eq(at)]
        if config.answer_values:
            with m.If(done):
                m.d.sync += self.word_held.eq(self.map_word)
        late = delay(m, done, 1, "done")
        return self._requantized(m, late) if config.answer_bytes else late

    def _requantized(self, m: Module, done: Value) -> Value:
        """Requantize each value that arrived; returns whether the last one of a unit is ready, as a byte if it is one.

        See `golden.layers.binary.Bytes`.
        """
        geometry = self.geometry
        product = Signal(signed(len(self.value) + FACTOR_BITS))
        rounded = Signal.like(product)
        m.d.sync += [product.eq(self.value * geometry.factor), rounded.eq((product >> geometry.shift) + 1)]
        level = rounded >> 1
        m.d.sync += self.byte.eq(Mux(level < 0, 0, Mux(level > 255, 255, level)))
        return Mux(geometry.kind == AnswerKind.BYTES, delay(m, done, BYTE_CYCLES, "requantized"), done)

    def _send(self, m: Module, sending: Value, ranks: Value, words: Value, part_ends: Signal) -> None:
        config = self.config
        slices = -(-config.word_bits // DATA_BITS)
        ranked = self.geometry.ranks if config.answer_ranks > 1 else 0
        m.d.comb += [
            part_ends.eq(Mux(ranks, self.part == ranked, Mux(words, self.part == slices - 1, 1))),
            self.answers.valid.eq(sending),
        ]
        if not config.answer_values:
            m.d.comb += self.answers.p.value.eq(self.ranking.first)
            return
        parts = Choice([self.word_held[s * DATA_BITS:][:DATA_BITS] for s in range(slices)])
        wide = Signal(signed(DATA_BITS))
        m.d.comb += [
            wide.eq(self.value),
            self.answers.p.value.eq(Mux(ranks, self.ranking.first, Mux(words, parts[self.part], wide))),
        ]
        if config.answer_bytes:
            with m.If(self.geometry.kind == AnswerKind.BYTES):
                m.d.comb += self.answers.p.value.eq(self.byte)
