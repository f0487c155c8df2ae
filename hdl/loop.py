"""A loop's counter that knows its last turn early."""

from collections.abc import Iterable, Mapping

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Loop", "all_end", "nest"]


class Loop(wiring.Component):
    """Counts the turns of a loop, over and over.

    ``first`` and ``end`` are registers: nothing that waits for the end of a loop waits for a comparison.

    Parameters
    ----------
    bits : int
        Width of ``last``.

    Members
    -------
    last : In(bits)
        Turns of the loop, less one; it stays from ``begin`` on.
    begin : In(1)
        Go to the first turn; in the next cycle the outputs are right.
    step : In(1)
        Go to the next turn, from the last one to the first.
    first, end : Out(1)
        This is the first turn, or the last one.
    then_end : Out(1)
        The turn after this one is the last one.
    """

    def __init__(self, *, bits: int) -> None:
        super().__init__({
            "last": In(bits),
            "begin": In(1),
            "step": In(1),
            "first": Out(1, init=1),
            "end": Out(1),
            "then_end": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal.like(self.last)
        anew = self.begin | self.step & self.end
        m.d.comb += self.then_end.eq(Mux(self.end, self.last == 0, left == 1))
        with m.If(self.begin | self.step):
            m.d.sync += [
                left.eq(Mux(anew, self.last, left - 1)),
                self.end.eq(Mux(self.begin, self.last == 0, self.then_end)),
                self.first.eq(anew),
            ]
        return m


def nest(m: Module, lasts: Mapping[str, Value], *, begin: Value, step: Value) -> dict[str, Loop]:
    """Loops within each other, the innermost first, as submodules by name: each steps at the end of the one within."""
    loops = {}
    for name, last in lasts.items():
        m.submodules[name] = loops[name] = loop = Loop(bits=len(last))
        m.d.comb += [loop.last.eq(last), loop.begin.eq(begin), loop.step.eq(step)]
        step = step & loop.end
    return loops


def all_end(m: Module, loops: Iterable[Loop], *, step: Value) -> Signal:
    """A register: all loops of a nest are in their last turns.

    ``step`` is that of the innermost one, given first. Right from two cycles after the nest's ``begin``, and no step
    may come before that.
    """
    ended = Signal()
    now: list[Value] = []
    then: list[Value] = []
    inner: Value = C(1, 1)
    for loop in loops:
        now.append(loop.end)
        then.append(Mux(inner, loop.then_end, loop.end))
        inner = inner & loop.end
    m.d.sync += ended.eq(Mux(step, Cat(then).all(), Cat(now).all()))
    return ended
