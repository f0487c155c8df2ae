"""Max pooling: the largest element, of bits the OR, over the positions of a window."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

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
        super().__init__({"enable": In(1), "first": In(1), "i": In(bits).array(rows), "o": Out(bits).array(rows)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # the oldest column's elements stand in front
        before = [Signal(self.rows * self.bits, name=f"before_{c}", reset_less=True) for c in range(self.cols)]
        for r in range(self.rows):
            other = Mux(self.first, 0, before[0].word_select(r, self.bits))
            # of one bit Yosys would make a subtraction
            larger = self.i[r] | other if self.bits == 1 else Mux(self.i[r] > other, self.i[r], other)
            m.d.comb += self.o[r].eq(larger)
        with m.If(self.enable):
            m.d.sync += Cat(before).eq(Cat(*before[1:], *(self.o[r] for r in range(self.rows))))
        return m
