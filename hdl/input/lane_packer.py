"""Packing of codes into the lanes of words: codes in order, lowest lanes first, and zeros behind the last code."""

from itertools import pairwise

from amaranth.hdl import Array as Choice
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig

__all__ = ["LanePacker", "packed_layout"]


def packed_layout(config: ArrayConfig) -> data.StructLayout:
    """A word of each plane, with the marks of the last one of a line of windows, and of a frame."""
    return data.StructLayout({"words": data.ArrayLayout(config.lanes, config.input_planes), "line_end": 1,
                              "frame_end": 1})


class LanePacker(wiring.Component):
    """Gathers the codes of each window in words of L lanes, for each plane in parallel.

    A code is announced by ``issue`` and comes ``config.code_latency`` cycles later; while ``advance`` is low, it must
    stay. A word is valid one cycle after its last code, of several planes two. The lanes behind the last code of a
    window are zeros. Where the lanes are no multiple of a code's bits, zeros follow such a code, as many bits a cycle
    as a code has, and the next window waits for them.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    restart : In(1)
        Forget all codes.
    ready : Out(1), issue : In(1)
        A code may be issued; it is, only while ``ready`` is set.
    window_end, line_end, frame_end : In(1)
        With ``issue``; see `WindowReader`.
    advance : Out(1)
        The line buffer shall read.
    code : In(input_code_bits)
        Thermometer code of a plane, or a bit of each plane.
    o : Out(stream.Signature(packed_layout))
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.lanes = config.lanes
        self.bits = config.input_levels or 1
        self.even = not self.lanes % self.bits      # no code is cut by the end of a word
        super().__init__({
            "restart": In(1),
            "ready": Out(1),
            "issue": In(1),
            "window_end": In(1),
            "line_end": In(1),
            "frame_end": In(1),
            "advance": Out(1),
            "code": In(config.input_code_bits),
            "o": Out(stream.Signature(packed_layout(config))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        planes = self.config.input_planes
        # the code enters the registers when the buffer has read it, one cycle later its word is complete; place is that
        # of the code in its word, or the bits of the code for the next word
        tags = Signal(data.StructLayout({"full": 1, "line_end": 1, "frame_end": 1,
                                         "place": range(self.lanes // self.bits if self.even else self.bits)}))
        issued = Signal(data.StructLayout({"enters": 1, "zero": 1, "tags": tags.shape()}))
        reading = [Signal(issued.shape(), name=f"reading_{age}") for age in range(self.config.code_latency)]
        (self._count_codes if self.even else self._count_bits)(m, issued)
        with m.If(self.restart):
            m.d.sync += [*(to.eq(0) for stage in reading for to in (stage.enters, stage.tags.full)), tags.full.eq(0)]
        with m.Elif(self.advance):
            m.d.sync += [*(to.eq(before) for before, to in pairwise([issued, *reading])), tags.eq(reading[-1].tags)]
        words = [(self._placed if self.even else self._shifted)(
            m, f"plane_{p}", self.code if planes == 1 else self.code[p], reading[-1], tags.place)
            for p in range(planes)]
        word = [Cat(self.o.p.words), self.o.p.line_end, self.o.p.frame_end]
        given = [Cat(words), tags.line_end, tags.frame_end]
        if planes == 1:
            m.d.comb += [self.o.valid.eq(tags.full), self.advance.eq(~tags.full | self.o.ready)]
            m.d.comb += [to.eq(value) for to, value in zip(word, given, strict=True)]
            return m
        # the words of several planes take several cycles to leave, in which the next ones are gathered
        free = Signal()
        m.d.comb += [free.eq(~self.o.valid | self.o.ready), self.advance.eq(~tags.full | free)]
        with m.If(self.restart):
            m.d.sync += self.o.valid.eq(0)
        with m.Elif(free):
            m.d.sync += self.o.valid.eq(tags.full)
            m.d.sync += [to.eq(value) for to, value in zip(word, given, strict=True)]
        return m

    def _count_codes(self, m: Module, issued: data.View) -> None:
        """Give each code its place in the word; a word ends with its last place, or with the window."""
        tags = issued.tags
        place = Signal.like(tags.place)
        m.d.comb += [
            self.ready.eq(self.advance),
            issued.enters.eq(self.issue),
            tags.place.eq(place),
            tags.full.eq(self.issue & (self.window_end | (place == self.lanes // self.bits - 1))),
            tags.line_end.eq(self.line_end),
            tags.frame_end.eq(self.frame_end),
        ]
        with m.If(self.restart):
            m.d.sync += place.eq(0)
        with m.Elif(self.advance & self.issue):
            m.d.sync += place.eq(Mux(tags.full, 0, place + 1))

    def _placed(self, m: Module, name: str, code: Value, entering: data.View, _: Value) -> Value:
        """The word with the codes at their places; the first one clears the others."""
        word = Signal(data.ArrayLayout(self.bits, self.lanes // self.bits), name=name, reset_less=True)
        with m.If(self.advance & entering.enters):
            for i in range(self.lanes // self.bits):
                with m.If(entering.tags.place == i):
                    m.d.sync += word[i].eq(code)
                with m.Elif(entering.tags.place == 0):
                    m.d.sync += word[i].eq(0)
        return word.as_value()

    def _count_bits(self, m: Module, issued: data.View) -> None:
        """Count the bits of the incomplete word; zeros fill the last word of a window."""
        lanes, bits, tags = self.lanes, self.bits, issued.tags
        count = Signal(range(lanes))                        # bits of the incomplete word
        after = Signal(range(lanes + bits))
        full, rest = Signal(), Signal(range(bits))          # the code fills the word; its bits for the next word
        filling = Signal()                                  # zeros fill the last word of a window
        line_end, frame_end = Signal(), Signal()            # of that window
        item = Signal()
        ended = Signal()                                    # the word is the last one of a window
        m.d.comb += [
            after.eq(count + bits),
            full.eq(after >= lanes),
            rest.eq(Mux(full, after - lanes, 0)),
            self.ready.eq(self.advance & ~filling),
            item.eq(self.issue | filling),
            ended.eq(full & Mux(filling, 1, self.window_end & (rest == 0))),
            issued.enters.eq(item), issued.zero.eq(filling),
            tags.full.eq(item & full), tags.place.eq(rest),
            tags.line_end.eq(ended & Mux(filling, line_end, self.line_end)),
            tags.frame_end.eq(ended & Mux(filling, frame_end, self.frame_end)),
        ]
        with m.If(self.restart):
            m.d.sync += [count.eq(0), filling.eq(0)]
        with m.Elif(self.advance & item):
            m.d.sync += [count.eq(Mux(ended, 0, Mux(full, rest, after))),
                         filling.eq((filling | self.window_end) & ~ended)]
            with m.If(~filling):
                m.d.sync += [line_end.eq(self.line_end), frame_end.eq(self.frame_end)]

    def _shifted(self, m: Module, name: str, code: Value, entering: data.View, rest: Value) -> Value:
        """The word in front of the ``rest`` last bits of a shift register."""
        lanes, bits = self.lanes, self.bits
        register = Signal(lanes + bits - 1, name=name, reset_less=True)
        with m.If(self.advance & entering.enters):
            m.d.sync += register.eq(Cat(register, code & ~entering.zero.replicate(bits))[bits:])
        return Choice([register[bits - 1 - left:][:lanes] for left in range(bits)])[rest]
