"""Loop counter with registered flags of the first and the last turn, and nests of loops."""

from collections.abc import Mapping

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Loop", "Nest"]


class Loop(wiring.Component):
    """Counts the turns of a loop, repeatedly.

    ``first`` and ``at_end`` are registers whose next values depend on registers alone: no path from the end of a loop
    contains a comparison.

    Parameters
    ----------
    bits : int
        Width of ``last``.

    Members
    -------
    last : In(bits)
        Turns of the loop, less one; constant from ``restart`` on.
    restart : In(1)
        Go to the first turn; the outputs are valid in the next cycle.
    step : In(1)
        Go to the next turn, from the last turn to the first.
    first, at_end : Out(1)
        The turn is the first, the last.
    then_end : Out(1)
        The next turn is the last.
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
        once, twice = Signal(), Signal()                # the loop has one turn, two turns
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
    """Nested loops, the innermost first: each steps at the end of all loops within it.

    A register for each loop holds whether it and all loops within it are in their last turns, so a step reaches each
    loop through one gate. The registers are valid two cycles after ``restart``; no step may come earlier.

    Parameters
    ----------
    m : Module
        Gets the loops as submodules.
    lasts : mapping of str to Value
        ``last`` of each loop, by name.
    restart, step : Value
        ``restart`` of all loops, ``step`` of the innermost.

    Members
    -------
    loops : dict of str to Loop
    ended : Signal
        All loops are in their last turns.
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
