"""Max pooling of bits: the OR over the positions of a window."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Pool"]


class Pool(wiring.Component):
    """ORs the bits of a window, for all rows and columns.

    The bits of one window position come in the order of the columns, then those of the next position. ``o`` follows
    ``i`` in the same cycle; it is the OR over the positions since ``first``.

    Parameters
    ----------
    rows, cols : int

    Members
    -------
    enable : In(1)
        The bits count; C times for each position, valid channels or not.
    first : In(1)
        They are those of the window's first position.
    i, o : In(rows), Out(rows)
    """

    def __init__(self, *, rows: int, cols: int) -> None:
        self.rows = rows
        self.cols = cols
        super().__init__({"enable": In(1), "first": In(1), "i": In(rows), "o": Out(rows)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # the oldest column's bits stand in front
        before = [Signal(self.rows, name=f"before_{c}", reset_less=True) for c in range(self.cols)]
        m.d.comb += self.o.eq(self.i | Mux(self.first, 0, before[0]))
        with m.If(self.enable):
            m.d.sync += Cat(before).eq(Cat(*before[1:], self.o))
        return m
