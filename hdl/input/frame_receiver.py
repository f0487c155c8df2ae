"""Reception of frames: a stream of values becomes writes of the line buffer, and broken frames are dropped."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig

from .geometry import geometry_layout, position_bits

__all__ = ["DROPPED_BITS", "FrameReceiver", "pixel_layout"]

DROPPED_BITS = 8

pixel_layout = data.StructLayout({"value": 8, "first": 1, "last": 1})
"""A value of a frame; the first and the last one are marked."""


class FrameReceiver(wiring.Component):
    """Writes a frame into the line buffer, value by value, from address 0 on and around its end.

    A frame is whole if its first and its last value, and no other, are marked. Any other frame is dropped: the unit
    counts it, and continues behind the next value that is marked as the last, or with one that is marked as the first. A
    value waits while the line buffer has no
    room for its line, and after the last value of a frame until ``done``. A value is written in the cycle after its
    transfer at the earliest.

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
        The windows of a line were read, and ``geometry.stride_y`` lines are free.
    done : In(1)
        The frame was read; only while ``complete``.
    write : Out(1), address : Out(input_bits), value : Out(8)
        Write of the line buffer.
    lines : Out(position_bits)
        Whole lines of the frame that were written.
    complete : Out(1)
        The whole frame was written.
    quiet : Out(1)
        No value of a frame was taken since the last frame.
    restart : Out(1)
        The next frame begins: readers forget this one. Values are written from the next cycle on.
    dropped : Out(DROPPED_BITS)
        Dropped frames since reset, modulo its width.
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
            "lines": Out(position_bits(config)),
            "complete": Out(1),
            "quiet": Out(1),
            "restart": Out(1),
            "dropped": Out(DROPPED_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry, bits = self.geometry, position_bits(self.config)
        held, there = Signal(pixel_layout), Signal()        # the value that waits
        take = Signal()
        skipping = Signal()                                 # the rest of a frame is dropped
        column = Signal.like(self.address)
        begun = Signal()                                    # a value of the frame was written
        ahead = Signal(signed(bits))                        # the line being written, from the first line still read
        line_ends, frame_ends = Signal(), Signal()
        room, whole, early, broken = Signal(), Signal(), Signal(), Signal()
        strange = Signal()                                  # the value cannot belong to the frame
        m.d.comb += [
            self.pixels.ready.eq(self.enable & (~there | take)),
            room.eq(ahead < geometry.kept.as_signed()),
            line_ends.eq(column == geometry.line_values),
            frame_ends.eq(line_ends & (self.lines == geometry.lines)),
            strange.eq(held.first == begun),
            # a value that is marked as the first is never thrown away: it begins the next frame
            take.eq(there & Mux(skipping, ~held.first, ~self.complete & room & ~strange)),
            self.write.eq(take & ~skipping),
            self.value.eq(held.value),
            whole.eq(self.write & frame_ends & held.last),
            early.eq(self.write & (held.last != frame_ends)),
            broken.eq(early | (there & ~skipping & ~self.complete & room & strange)),
            self.quiet.eq(~begun & ~there & ~self.complete),
            self.restart.eq(~self.enable | broken | self.done),
        ]
        with m.If(self.pixels.valid & self.pixels.ready):
            m.d.sync += [held.eq(self.pixels.payload), there.eq(1)]
        with m.Elif(take | ~self.enable):
            m.d.sync += there.eq(0)

        with m.If(self.restart):
            m.d.sync += [self.address.eq(0), column.eq(0), self.lines.eq(0), self.complete.eq(0), begun.eq(0),
                         ahead.eq(geometry.top)]
        with m.Else():
            with m.If(self.write):
                m.d.sync += [self.address.eq(self.address + 1), column.eq(Mux(line_ends, 0, column + 1)), begun.eq(1)]
            with m.If(whole):
                m.d.sync += self.complete.eq(1)
            line = self.write & line_ends
            with m.If(line):
                m.d.sync += self.lines.eq(self.lines + 1)
            with m.If(line | self.freed):
                m.d.sync += ahead.eq(ahead + line - Mux(self.freed, geometry.stride_y, 0))

        with m.If(broken):
            m.d.sync += [skipping.eq(~(early & held.last)), self.dropped.eq(self.dropped + 1)]
        with m.Elif(~self.enable | there & (held.first | held.last)):
            m.d.sync += skipping.eq(0)
        return m
