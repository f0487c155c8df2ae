"""The largest values of a sequence, in order."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Ranking"]


class Ranking(wiring.Component):
    """Holds the indices of the ``ranks`` largest values since ``restart``, the largest first; of equal values the
    earlier ones.

    A value takes effect in the next cycle, and so does ``shift``, which takes the first index away.

    Parameters
    ----------
    ranks : int
        Length of the list.
    bits : int
        Width of a value, in two's complement.
    index_bits : int
        Width of an index.

    Members
    -------
    restart : In(1)
        Forget all values.
    insert : In(1), value : In(signed(bits)), index : In(index_bits)
        A value and its index.
    shift : In(1)
        Not together with ``insert``.
    first : Out(index_bits)
        Index of the largest value.
    """

    def __init__(self, *, ranks: int, bits: int, index_bits: int) -> None:
        self.ranks = ranks
        super().__init__({
            "restart": In(1),
            "insert": In(1),
            "value": In(signed(bits)),
            "index": In(index_bits),
            "shift": In(1),
            "first": Out(index_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values = [Signal.like(self.value, name=f"value_{i}") for i in range(self.ranks)]
        indices = [Signal.like(self.index, name=f"index_{i}") for i in range(self.ranks)]
        there = [Signal(name=f"there_{i}") for i in range(self.ranks)]
        behind = [Signal(name=f"behind_{i}") for i in range(self.ranks)]       # the new value comes before this one
        m.d.comb += [now.eq(~valid | (self.value > value))
                     for now, valid, value in zip(behind, there, values, strict=True)]
        m.d.comb += self.first.eq(indices[0])
        for i in range(self.ranks):
            moved = behind[i - 1] if i else 0
            with m.If(self.insert & behind[i]):
                m.d.sync += [
                    values[i].eq(Mux(moved, values[i - 1], self.value) if i else self.value),
                    indices[i].eq(Mux(moved, indices[i - 1], self.index) if i else self.index),
                    there[i].eq(Mux(moved, there[i - 1], 1) if i else 1),
                ]
            if i + 1 < self.ranks:
                with m.If(self.shift):
                    m.d.sync += indices[i].eq(indices[i + 1])
            with m.If(self.restart):
                m.d.sync += there[i].eq(0)
        return m
