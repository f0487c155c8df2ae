"""A loop's counter that knows its last turn early."""

from collections.abc import Mapping

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Loop", "Nest"]


class Loop(wiring.Component):
    """Counts the turns of a loop, over and over.

    ``first`` and ``at_end`` are registers, and their next values depend on registers alone: no comparator is in
    the path of the logic that uses the end of a loop.

    Parameters
    ----------
    bits : int
        Width of ``last``.

    Members
    -------
    last : In(bits)
        Turns of the loop, less one; it stays from ``restart`` on.
    restart : In(1)
        Go to the first turn; in the next cycle the outputs are right.
    step : In(1)
        Go to the next turn, from the last one to the first.
    first, at_end : Out(1)
        This is the first turn, or the last one.
    then_end : Out(1)
        The turn after this one is the last one.
    """

    def __init__(self, *, bits: int) -> None:
        super().__init__({
            "last": In(bits),
            "restart": In(1),
            "step": In(1),
            "first": Out(1, init=1),
            "at_end": Out(1),
            "then_end": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left, one_left = Signal.like(self.last), Signal()
        once, twice = Signal(), Signal()                # the loop has one turn, has two
        anew = self.restart | self.step & self.at_end
        m.d.comb += self.then_end.eq(Mux(self.at_end, once, one_left))
        m.d.sync += [once.eq(self.last == 0), twice.eq(self.last == 1)]
        with m.If(self.restart | self.step):
            m.d.sync += [
                left.eq(Mux(anew, self.last, left - 1)),
                one_left.eq(Mux(self.restart, self.last == 1, Mux(self.at_end, twice, left == 2))),
                self.at_end.eq(Mux(self.restart, self.last == 0, self.then_end)),
                self.first.eq(anew),
            ]
        return m


class Nest:
    """Loops within each other, the innermost first: each steps at the end of all those within.

    Which of them are in their last turns is in registers as well, so that a step goes through one gate to each loop.
    These are right from two cycles after ``restart``, and no step may come before that.

    Parameters
    ----------
    m : Module
        Gets the loops as submodules.
    lasts : mapping of str to Value
        Of each loop, by name.
    restart, step : Value
        Of all loops, and of the innermost one.

    Members
    -------
    loops : dict of str to Loop
    ended : Signal
        All of them are in their last turns.
    """

    def __init__(self, m: Module, lasts: Mapping[str, Value], *, restart: Value, step: Value) -> None:
        self.loops = {}
        within: Value = C(1, 1)
        now: list[Value] = []
        then: list[Value] = []
        for name, last in lasts.items():
            m.submodules[name] = self.loops[name] = loop = Loop(bits=len(last))
            m.d.comb += [loop.last.eq(last), loop.restart.eq(restart), loop.step.eq(step & within)]
            now.append(loop.at_end)
            then.append(Mux(within, loop.then_end, loop.at_end))
            self.ended = within = Signal(name=f"{name}_ended")
            m.d.sync += within.eq(Mux(step, Cat(then).all(), Cat(now).all()))
