"""Max pooling: the largest element, of bits the OR, over the positions of a window."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .share import Vector

__all__ = ["Pool"]


class Pool(wiring.Component):
    """Takes the largest element of a window, for all rows and columns.

    The elements of one window position come in the order of the columns, then those of the next position. ``o``
    follows ``i`` in the same cycle; it is the largest over the positions since ``first``.

    Parameters
    ----------
    rows, cols : int
    bits : int
        Width of an element, which has no sign.

    Members
    -------
    enable : In(1)
        The elements count; C times for each position, valid channels or not.
    first : In(1)
        They are those of the window's first position.
    i, o : In(bits), Out(bits), one for each row
    """

    def __init__(self, *, rows: int, cols: int, bits: int = 1) -> None:
        self.rows = rows
        self.cols = cols
        self.bits = bits
        self.share_key = (rows, cols, bits)
        elements = Vector(bits, rows)
        super().__init__({"enable": In(1), "first": In(1), "i": In(elements), "o": Out(elements)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(self.i.as_value())
        before = Signal(self.cols * width, reset_less=True)     # the oldest column's elements stand lowest
        others = Signal(self.i.shape())
        m.d.comb += others.eq(Mux(self.first, 0, before[:width]))
        if self.bits == 1:
            # a comparison would become a subtraction
            m.d.comb += self.o.eq(self.i.as_value() | others.as_value())
        else:
            m.d.comb += [o.eq(Mux(i > other, i, other)) for o, i, other in zip(self.o, self.i, others, strict=True)]
        with m.If(self.enable):
            m.d.sync += before.eq(Cat(before[width:], self.o))
        return m
