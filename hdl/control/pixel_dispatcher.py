"""Dispatch of the next pixel group to the rows while the array works on the current group."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import bits_to_hold

from .pixel_counter import PixelCounter

__all__ = ["PixelDispatcher"]


class PixelDispatcher(wiring.Component):
    """Steps a pixel counter through a pixel group: one pixel a row, or one for all rows.

    A fill begins in the cycle after ``restart`` or ``take`` and lasts R cycles in split mode, otherwise one; the
    parent lets its registers follow ``raster`` and passes their values to row ``row`` (or to all rows) while ``fill``
    is set. A group may be taken while ``busy`` is clear.

    Parameters
    ----------
    rows, bits : int
        Rows; width of a coordinate.

    Members
    -------
    split : In(1)
        A pixel for each row.
    x_last, y_last : In(bits)
        See `PixelCounter`.
    restart : In(1)
        Fill the first group of a map.
    take : In(1)
        The filled group is taken: fill the next.
    fill, row : Out
        In this cycle the current pixel goes to this row.
    busy : Out(1)
        The group is not complete.
    raster : PixelCounter
        The pixel, and the strobes that move it.
    """

    def __init__(self, *, rows: int, bits: int) -> None:
        self.rows = rows
        self.raster = PixelCounter(bits=bits)
        super().__init__({
            "split": In(1),
            "x_last": In(bits),
            "y_last": In(bits),
            "restart": In(1),
            "take": In(1),
            "fill": Out(1),
            "row": Out(bits_to_hold(rows - 1)),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.raster = raster = self.raster
        filling = Signal()
        m.d.comb += [
            raster.x_last.eq(self.x_last),
            raster.y_last.eq(self.y_last),
            raster.restart.eq(self.restart),
            raster.step.eq(filling),
            self.fill.eq(filling),
            self.busy.eq(filling),
        ]
        with m.If(self.restart | self.take):
            m.d.sync += [filling.eq(1), self.row.eq(0)]
        with m.Elif(filling):
            m.d.sync += self.row.eq(self.row + 1)
            with m.If(~self.split | (self.row == self.rows - 1)):
                m.d.sync += filling.eq(0)
        return m
