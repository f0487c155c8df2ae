"""Crop and box filter: frames of a sensor become images of a network's size."""

from dataclasses import dataclass

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from signum.hdl.input.frame_receiver import COUNT_BITS, pixel_layout

from .dvp_receiver import sensor_layout

__all__ = ["VALUE_MAX", "Downscale", "Scaling"]

VALUE_MAX = 255


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The image in a frame: a crop, boxes of pixels, and the value of a box.

    The value of a box is ``min(maximum, (sum * factor + 2**(shift - 1)) >> shift)``, with 0 for 2**(shift - 1) where
    ``shift`` is 0.

    Parameters
    ----------
    frame_width, frame_height : int
        Pixels of a frame.
    left, top : int
        First pixel of the crop.
    width, height : int
        Of the image.
    box_width, box_height : int
        Pixels of a box.
    channels : int
        Values of a pixel.
    factor, shift, maximum : int
        See above; ``maximum`` is at most 255.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the crop reaches beyond the frame.
    """

    frame_width: int
    frame_height: int
    left: int = 0
    top: int = 0
    width: int
    height: int
    box_width: int
    box_height: int
    channels: int = 1
    factor: int = 1
    shift: int = 0
    maximum: int = VALUE_MAX

    def __post_init__(self) -> None:
        for name in ("frame_width", "frame_height", "width", "height", "box_width", "box_height", "channels", "factor",
                     "maximum"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be a positive integer, not {getattr(self, name)!r}")
        for name in ("left", "top", "shift"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)!r}")
        if self.maximum > VALUE_MAX:
            raise ValueError(f"maximum must be at most {VALUE_MAX}, not {self.maximum}")
        for name, start, count, box, whole in (("width", self.left, self.width, self.box_width, self.frame_width),
                                               ("height", self.top, self.height, self.box_height, self.frame_height)):
            if start + count * box > whole:
                raise ValueError(f"{name} must leave the crop within the frame of {whole}, not be {count} boxes of "
                                 f"{box} from {start} on")

    @property
    def largest_sum(self) -> int:
        """Of a box."""
        return VALUE_MAX * self.box_width * self.box_height

    def value(self, total: int) -> int:
        """The value of a box with this sum."""
        return min(self.maximum, total * self.factor + (1 << self.shift >> 1) >> self.shift)


class Downscale(wiring.Component):
    """Sums the boxes of a crop of each frame, and sends their values as an image.

    The last value of an image is held back until its frame has ended, and sent only if the frame had the lines and the
    values that it should have, and none was lost: `hdl.input.frame_receiver.FrameReceiver` drops images without their
    last value. A value of the frame takes a cycle, and values of a box wait for the next line of values at most: one
    that is not taken until the next value is ready makes the frame a broken one.

    Parameters
    ----------
    scaling : Scaling

    Members
    -------
    i : In(stream.Signature(sensor_layout))
        Always ready.
    o : Out(stream.Signature(pixel_layout))
    frames, broken : Out(COUNT_BITS)
        Whole and broken frames since reset, modulo 2**COUNT_BITS.
    """

    def __init__(self, *, scaling: Scaling) -> None:
        self.scaling = scaling
        super().__init__({
            "i": In(stream.Signature(sensor_layout)),
            "o": Out(stream.Signature(pixel_layout)),
            "frames": Out(COUNT_BITS),
            "broken": Out(COUNT_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        s, i = self.scaling, self.i
        values, lines = s.frame_width * s.channels, s.frame_height
        value, line = Signal(range(values + 2)), Signal(range(lines + 2))   # of this line, of this frame so far
        x, y, channel = Signal(range(s.box_width)), Signal(range(s.box_height)), Signal(range(s.channels))
        index = Signal(range(s.width * s.channels))                         # of the sum
        bad = Signal()
        m.d.comb += i.ready.eq(1)
        comes, ends = i.valid & ~i.p.end, i.valid & i.p.end

        # the place of the value that comes
        at, at_x, at_channel, at_index, at_y = (Signal.like(signal, name=f"at_{name}") for name, signal in (
            ("value", value), ("x", x), ("channel", channel), ("index", index), ("y", y)))
        number = Signal.like(line)
        m.d.comb += [
            at.eq(Mux(i.p.line, 0, value)),
            at_x.eq(Mux(i.p.line, 0, x)),
            at_channel.eq(Mux(i.p.line, 0, channel)),
            at_index.eq(Mux(i.p.line, 0, index)),
            number.eq(line - ~i.p.line),
        ]
        left, top = s.left * s.channels, s.top
        inside = Signal()
        m.d.comb += inside.eq((at >= left) & (at < left + s.width * s.box_width * s.channels)
                              & (number >= top) & (number < top + s.height * s.box_height))
        last_y = y == s.box_height - 1
        m.d.comb += at_y.eq(y)
        pixel_ends, box_ends = at_channel == s.channels - 1, at_x == s.box_width - 1
        whole_line = value == values
        with m.If(comes):
            m.d.sync += value.eq(Mux(at == values + 1, at, at + 1))
            with m.If(i.p.line):
                m.d.sync += [line.eq(Mux(line == lines + 1, line, line + 1)), x.eq(0), channel.eq(0), index.eq(0)]
                m.d.sync += bad.eq(bad | i.p.lost | ((line != 0) & ~whole_line))
                with m.If((number > top) & (number < top + s.height * s.box_height)):
                    m.d.sync += y.eq(Mux(last_y, 0, y + 1))
                    m.d.comb += at_y.eq(Mux(last_y, 0, y + 1))
            with m.Else():
                m.d.sync += bad.eq(bad | i.p.lost)
            with m.If(inside):
                m.d.sync += channel.eq(Mux(pixel_ends, 0, at_channel + 1))
                with m.If(pixel_ends):
                    m.d.sync += x.eq(Mux(box_ends, 0, at_x + 1))
                with m.If(~pixel_ends | box_ends):
                    m.d.sync += index.eq(at_index + 1)
                with m.Else():
                    m.d.sync += index.eq(at_index - (s.channels - 1))
        with m.If(ends):
            m.d.sync += [value.eq(0), line.eq(0), y.eq(0), bad.eq(0)]
        tags = Signal(data.StructLayout({
            "value": 8, "index": len(index), "channel": len(channel), "valid": 1, "begins": 1, "continues": 1,
            "stores": 1, "done": 1, "first": 1, "last": 1, "ends": 1, "whole": 1}))
        m.d.sync += [
            tags.value.eq(i.p.value), tags.index.eq(at_index), tags.channel.eq(at_channel),
            tags.valid.eq(comes & inside),
            tags.begins.eq(at_x == 0), tags.continues.eq(at_y != 0), tags.stores.eq(box_ends),
            tags.done.eq(box_ends & (at_y == s.box_height - 1)),
            tags.first.eq((at_index == 0) & (number < top + s.box_height)),
            tags.last.eq((at_index == s.width * s.channels - 1) & (number == top + s.height * s.box_height - 1)),
            tags.ends.eq(ends),
            tags.whole.eq(~bad & ~i.p.lost & whole_line & (line == lines)),
        ]
        total = self._sum(m, tags, at_index)
        self._emit(m, tags, total)
        return m

    def _sum(self, m: Module, tags: data.View, address: Signal) -> Signal:
        """Sum the lines of a box in turn, those above in a memory; returns the sum with the value of this cycle."""
        s = self.scaling
        bits = bits_for(s.largest_sum)
        m.submodules.sums = sums = Memory(shape=bits, depth=max(2, s.width * s.channels), init=[])
        writer = sums.write_port()
        # a sum is read again in the next line, at once only where it is the only one
        reader = sums.read_port(transparent_for=(writer,) if s.width * s.channels == 1 else ())
        partial = Array(Signal(bits, name=f"sum_{c}") for c in range(s.channels))
        total, before = Signal(bits), Signal(bits)
        m.d.comb += [
            reader.addr.eq(address),
            before.eq(Mux(tags.begins, Mux(tags.continues, reader.data, 0), partial[tags.channel])),
            total.eq(before + tags.value),
            writer.addr.eq(tags.index),
            writer.data.eq(total),
            writer.en.eq(tags.valid & tags.stores),
        ]
        with m.If(tags.valid):
            m.d.sync += partial[tags.channel].eq(total)
        return total

    def _emit(self, m: Module, tags: data.View, total: Signal) -> None:
        """Send values, the last one of an image only at the end of a whole frame."""
        s, o = self.scaling, self.o
        scaled = Signal(bits_for(s.largest_sum * s.factor + (1 << s.shift)))
        summed, later = Signal.like(total), Signal.like(tags)
        m.d.sync += [summed.eq(total), later.eq(tags)]
        tags = later
        m.d.comb += scaled.eq((summed * s.factor + (1 << s.shift >> 1)) >> s.shift)
        done, ends, whole = Signal(), Signal(), Signal()
        value, first, last = Signal(8), Signal(), Signal()
        held, complete, late = Signal(8), Signal(), Signal()    # the last value; it is there; one was not taken in time
        m.d.sync += [
            done.eq(tags.valid & tags.done), ends.eq(tags.ends), whole.eq(tags.whole),
            value.eq(Mux(scaled > s.maximum, s.maximum, scaled)), first.eq(tags.first), last.eq(tags.last),
        ]
        sends, good = Signal(), Signal()
        m.d.comb += [sends.eq(done & ~last | good), good.eq(ends & whole & complete & ~late & (~o.valid | o.ready))]
        with m.If(o.ready):
            m.d.sync += o.valid.eq(0)
        with m.If(sends):
            with m.If(~o.valid | o.ready):
                m.d.sync += [o.valid.eq(1), o.p.value.eq(Mux(ends, held, value)), o.p.last.eq(ends),
                             o.p.first.eq(first & ~ends if s.width * s.height * s.channels > 1 else 1)]
            with m.Else():
                m.d.sync += late.eq(1)
        with m.If(done & last):
            m.d.sync += [held.eq(value), complete.eq(1)]
        with m.If(ends):
            m.d.sync += [complete.eq(0), late.eq(0)]
            with m.If(good):
                m.d.sync += self.frames.eq(self.frames + 1)
            with m.Else():
                m.d.sync += self.broken.eq(self.broken + 1)
