"""Counter of the pixels of a map, line by line."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["PixelCounter", "follow"]


class PixelCounter(wiring.Component):
    """The position in a map of ``x_last + 1`` by ``y_last + 1`` pixels.

    ``restart`` goes to the first pixel, ``back`` to the pixel of the last ``mark`` (this cycle's included), ``step`` to
    the next pixel; each takes effect in the next cycle, with priority in this order. Steps past the last pixel keep
    ``past`` set. The position is undefined before the first ``restart``.

    Parameters
    ----------
    bits : int
        Width of a coordinate.

    Members
    -------
    x_last, y_last : In(bits)
    restart, back, mark, step : In(1)
    x, y : Out(bits)
    wrap : Out(1)
        The pixel is the last of its line: the next step goes to the next line.
    past : Out(1)
        The position is past the last pixel.
    """

    def __init__(self, *, bits: int) -> None:
        super().__init__({
            "x_last": In(bits),
            "y_last": In(bits),
            "restart": In(1),
            "back": In(1),
            "mark": In(1),
            "step": In(1),
            "x": Out(bits),
            "y": Out(bits),
            "wrap": Out(1),
            "past": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # pixels left in the line, lines left, and whether none are: registers, for timing
        left_x, left_y, lowest = Signal.like(self.x_last), Signal.like(self.y_last), Signal()
        position = [self.x, self.y, self.past, self.wrap, left_x, left_y, lowest]
        marked = [Signal.like(signal, name_suffix="_marked") for signal in position]
        new_line = [left_x.eq(self.x_last), self.wrap.eq(self.x_last == 0)]
        with m.If(self.mark):
            m.d.sync += [mark.eq(signal) for mark, signal in zip(marked, position, strict=True)]
        with m.If(self.restart):
            m.d.sync += [self.x.eq(0), self.y.eq(0), self.past.eq(0), *new_line,
                         left_y.eq(self.y_last), lowest.eq(self.y_last == 0)]
        with m.Elif(self.back), m.If(~self.mark):
            m.d.sync += [signal.eq(mark) for mark, signal in zip(marked, position, strict=True)]
        with m.Elif(self.step):
            with m.If(self.wrap):
                m.d.sync += [self.x.eq(0), self.y.eq(self.y + 1), self.past.eq(self.past | lowest), *new_line,
                             left_y.eq(left_y - 1), lowest.eq(left_y == 1)]
            with m.Else():
                m.d.sync += [self.x.eq(self.x + 1), left_x.eq(left_x - 1), self.wrap.eq(left_x == 1)]
        return m


def follow(m: Module, raster: PixelCounter, address: Signal, *, start: Value, step: Value, line: Value) -> None:
    """Let an address register follow a pixel counter: ``step`` to the next pixel, ``line`` to the next line."""
    marked = Signal.like(address, name_suffix="_marked")
    with m.If(raster.mark):
        m.d.sync += marked.eq(address)
    with m.If(raster.restart):
        m.d.sync += address.eq(start)
    with m.Elif(raster.back), m.If(~raster.mark):
        m.d.sync += address.eq(marked)
    with m.Elif(raster.step):
        m.d.sync += address.eq(address + Mux(raster.wrap, line, step))
