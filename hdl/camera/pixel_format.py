"""Formats of a sensor's data: bytes of a line become the values of its pixels, channels interleaved."""

import enum

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .dvp_receiver import sensor_layout

__all__ = ["Format", "PixelFormat"]


class Format(enum.Enum):
    """What the bytes of a line are."""

    GREY = "grey"           # one byte a pixel
    YUYV = "yuyv"           # two bytes a pixel, the first one its brightness, which alone is kept
    UYVY = "uyvy"           # the same, the second one
    RGB565 = "rgb565"       # two bytes a pixel, red in the highest bits of the first; three values of 8 bits

    @property
    def channels(self) -> int:
        """Values of a pixel."""
        return 3 if self is Format.RGB565 else 1


class PixelFormat(wiring.Component):
    """Values of 8 bits of each pixel; 5 and 6 bits of a colour are widened by repetition of their highest bits.

    A line with half a pixel at its end loses it. Ends of frames pass. A value a cycle; a pixel of `Format.RGB565` takes
    four cycles.

    Parameters
    ----------
    layout : Format

    Members
    -------
    i, o : In, Out(stream.Signature(sensor_layout))
    """

    def __init__(self, *, layout: Format) -> None:
        self.format = layout
        super().__init__({"i": In(stream.Signature(sensor_layout)), "o": Out(stream.Signature(sensor_layout))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, o = self.i, self.o
        if self.format is Format.GREY:
            wiring.connect(m, wiring.flipped(i), wiring.flipped(o))
            return m
        second = Signal()               # the next byte is the second one of its pixel, unless a line begins
        first, line, lost = Signal(8), Signal(), Signal()
        half, whole = Signal(), Signal()    # the byte is a second one; it, or an end, completes an item
        m.d.comb += [
            half.eq(second & ~i.p.line & ~i.p.end),
            whole.eq(half | i.p.end),
            o.valid.eq(i.valid & whole),
            o.p.end.eq(i.p.end),
            o.p.line.eq(line),
            o.p.lost.eq(i.p.lost | lost),
        ]
        with m.If(i.valid & i.ready):
            m.d.sync += [second.eq(~whole), lost.eq(o.p.lost & ~whole), first.eq(i.p.value), line.eq(i.p.line)]
        if self.format is not Format.RGB565:
            m.d.comb += [
                o.p.value.eq(first if self.format is Format.YUYV else i.p.value),
                i.ready.eq(o.ready | ~whole),
            ]
            return m
        channel = Signal(2)
        word = Cat(i.p.value, first)
        red, green, blue = word[11:], word[5:11], word[:5]
        with m.Switch(channel):
            with m.Case(0):
                m.d.comb += o.p.value.eq(Cat(red[2:], red))
            with m.Case(1):
                m.d.comb += o.p.value.eq(Cat(green[4:], green))
            with m.Default():
                m.d.comb += o.p.value.eq(Cat(blue[2:], blue))
        m.d.comb += [
            o.p.line.eq(line & (channel == 0)),
            i.ready.eq(~whole | o.ready & (i.p.end | (channel == 2))),
        ]
        with m.If(o.valid & o.ready & ~i.p.end):
            m.d.sync += channel.eq(channel + 1)
            with m.If(channel == 2):
                m.d.sync += channel.eq(0)
        return m
