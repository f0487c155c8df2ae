"""Reception of frames: a stream of values becomes writes of the line buffer, and broken frames are dropped."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig
from signum.hdl.control.input_geometry import KEPT_BITS, TAP_BITS, geometry_layout

__all__ = ["COUNT_BITS", "FrameReceiver", "pixel_layout"]

COUNT_BITS = 8

pixel_layout = data.StructLayout({"value": 8, "first": 1, "last": 1})
"""A value of a frame; the first and the last one are marked."""


class FrameReceiver(wiring.Component):
    """Writes the lines of a frame into the line buffer, a value a cycle, from address 0 on and around its end.

    Between two lines a cycle passes. Padded values are written without a transfer. A frame is whole if its first and
    its last value, and no other, are marked. Any other frame is dropped: the unit counts it, and continues behind the
    next value that is marked as the last, or with one that is marked as the first. A value waits while the line buffer
    has no room for its line, and after the last value of a frame until ``done``. A value is written in the cycle of its
    transfer; whether it is taken depends on its marks.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    pixels : In(stream.Signature(pixel_layout))
    geometry : In(geometry_layout)
    enable : In(1)
        Low: no value is taken, and a frame that was begun is forgotten.
    freed : In(1)
        A line of windows was read, and ``geometry.stride_y`` lines are free.
    done : In(1)
        All windows were read; only while ``complete``.
    write : Out(1), address : Out(input_bits), value : Out(8), pad : Out(1)
        Write of the line buffer: this value, or a padded one.
    readable : Out(1)
        The lines of the next line of windows were written.
    complete : Out(1)
        The whole frame was written.
    expects_first, expects_last : Out(1)
        The next value is the first one, or the last one, of its frame: the marks for a source that has none.
    quiet : Out(1)
        No value of a frame was taken since the last frame.
    restart : Out(1)
        The next frame begins: readers forget this one. Values are written from the next cycle on.
    received, dropped : Out(COUNT_BITS)
        Whole and dropped frames since reset, modulo 2**COUNT_BITS; a frame is whole once its last value was taken.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "pixels": In(stream.Signature(pixel_layout)),
            "geometry": In(geometry_layout(config)),
            "enable": In(1),
            "freed": In(1),
            "done": In(1),
            "write": Out(1),
            "address": Out(config.input_bits),
            "value": Out(8),
            "pad": Out(1),
            "readable": Out(1),
            "complete": Out(1),
            "expects_first": Out(1),
            "expects_last": Out(1),
            "quiet": Out(1),
            "restart": Out(1),
            "received": Out(COUNT_BITS),
            "dropped": Out(COUNT_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry, bits, value = self.geometry, self.config.input_bits, self.pixels.p
        take = Signal()
        skipping = Signal()                                 # the rest of a frame is dropped
        column, line = Signal(bits), Signal(bits)
        begun = Signal()                                    # a value of the frame was written
        ahead = Signal(signed(KEPT_BITS + 2))               # lines written, from the first line still read
        # whether a line fits, whether those of a line of windows were written: registers, not valid after a change
        fits, there, changed, was_freed = Signal(init=1), Signal(), Signal(), Signal()
        # the column is left of the frame, or right of it, the line above or below: registers, for timing
        before_x, past_x, before_y, past_y = Signal(), Signal(), Signal(), Signal()
        line_ends = Signal()
        room, inside, wanted = Signal(), Signal(), Signal()
        last, early, broken = Signal(), Signal(), Signal()  # the position of the last value; a value marked otherwise
        failed = Signal()                                   # in the cycle before: a register, for timing
        m.d.comb += [
            self.pad.eq(before_x | past_x | before_y | past_y),
            last.eq((column == geometry.right) & (line == geometry.bottom)),
            self.expects_first.eq(~begun),
            self.expects_last.eq(last),
            room.eq(fits & ~changed & ~self.complete),
            self.readable.eq(there & ~was_freed),
            # a value that is marked as the first is never thrown away: it begins the next frame
            inside.eq(room & ~self.pad & ~skipping & ~failed),
            wanted.eq(value.first != begun),
            self.pixels.ready.eq(self.enable & Mux(skipping & ~failed, ~value.first, inside & wanted)),
            take.eq(self.pixels.valid & inside & wanted),
            self.write.eq(take | room & self.pad),
            self.value.eq(value.value),
            early.eq(take & (value.last != last)),
            broken.eq(early | self.pixels.valid & inside & ~wanted),
            line_ends.eq(column == geometry.column),
            self.quiet.eq(~begun & ~self.pixels.valid & ~self.complete),
            self.restart.eq(~self.enable | failed | self.done),
        ]
        with m.If(self.restart):
            m.d.sync += [self.address.eq(0), column.eq(0), line.eq(0), self.complete.eq(0), begun.eq(0), ahead.eq(0),
                         fits.eq(1), there.eq(0), changed.eq(0), was_freed.eq(0)]
            m.d.sync += [before_x.eq(geometry.left != 0), before_y.eq(geometry.top != 0), past_x.eq(0), past_y.eq(0)]
        with m.Else():
            ended = self.write & line_ends
            next_column, next_line = Signal(bits), Signal(bits)
            m.d.comb += [next_column.eq(column + 1), next_line.eq(line + 1)]
            with m.If(self.write):
                m.d.sync += [self.address.eq(self.address + 1), begun.eq(begun | ~self.pad)]
                with m.If(line_ends):
                    m.d.sync += [column.eq(0), before_x.eq(geometry.left != 0), past_x.eq(0)]
                with m.Else():
                    m.d.sync += [column.eq(next_column), past_x.eq(past_x | (column == geometry.right))]
                    with m.If(next_column[:TAP_BITS] == geometry.left):
                        m.d.sync += before_x.eq(0)
            with m.If(ended):
                m.d.sync += [line.eq(next_line), past_y.eq(past_y | (line == geometry.bottom))]
                with m.If(next_line[:TAP_BITS] == geometry.top):
                    m.d.sync += before_y.eq(0)
                with m.If(line == geometry.line):
                    m.d.sync += self.complete.eq(1)
            with m.If(ended | self.freed):
                m.d.sync += ahead.eq(ahead + ended - Mux(self.freed, geometry.stride_y, 0))
            m.d.sync += [fits.eq(ahead <= geometry.kept), there.eq(ahead >= geometry.span), changed.eq(ended),
                         was_freed.eq(self.freed)]

        m.d.sync += failed.eq(broken & self.enable)
        with m.If(take & value.last & last & self.enable):
            m.d.sync += self.received.eq(self.received + 1)
        with m.If(broken):
            m.d.sync += [skipping.eq(~(early & value.last)), self.dropped.eq(self.dropped + 1)]
        with m.Elif(~self.enable | ~failed & self.pixels.valid & (value.first | value.last)):
            m.d.sync += skipping.eq(0)
        return m
