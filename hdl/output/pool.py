"""Max pooling: the largest element, of bits the OR, over the positions of a window."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.lib.share import Vector

__all__ = ["Pool"]


class Pool(wiring.Component):
    """Takes the largest element of a window, for all rows and columns.

    The elements of a window position come in the order of the columns, ``width`` at a time, those of a level after
    those of the level before, position after position.
    ``o`` follows ``i`` in the same cycle; it is the largest element over the positions since ``first``.

    Parameters
    ----------
    rows, cols : int
    bits : int
        Width of an unsigned element.
    width : int
        Columns of a cycle; a divisor of ``cols``.
    levels : int
        Most levels.

    Members
    -------
    enable : In(1)
        Take the elements: C / width times for each position, columns without a channel included.
    level : In, only with several ``levels``
        The last level.
    first : In(1)
        The elements are of the window's first position.
    i, o : In(bits), Out(bits), for each row ``width`` of them, row by row
    """

    def __init__(self, *, rows: int, cols: int, bits: int = 1, width: int = 1, levels: int = 1) -> None:
        self.rows = rows
        self.cols = cols
        self.bits = bits
        self.width = width
        self.levels = levels
        self.share_key = (rows, cols, bits, width, levels)
        elements = Vector(bits, rows * width)
        super().__init__({"enable": In(1), "first": In(1), "i": In(elements), "o": Out(elements),
                          **({"level": In(range(levels))} if levels > 1 else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat = len(self.i.as_value())
        # oldest columns in the lowest bits
        level = self.cols // self.width * beat
        before = Signal(self.levels * level, reset_less=True)
        others = Signal(self.i.shape())
        oldest: Value = before[:beat]
        if self.levels > 1:
            oldest = Choice([before[start * level:][:beat] for start in reversed(range(self.levels))])[self.level]
        m.d.comb += others.eq(Mux(self.first, 0, oldest))
        if self.bits == 1:
            # a comparison would become a subtraction
            m.d.comb += self.o.eq(self.i.as_value() | others.as_value())
        else:
            m.d.comb += [o.eq(Mux(i > other, i, other)) for o, i, other in zip(self.o, self.i, others, strict=True)]
        with m.If(self.enable):
            m.d.sync += before.eq(Cat(before[beat:], self.o))
        return m
