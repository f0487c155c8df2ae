"""A netlist in the place of a unit: the same cycles, also inside of another unit, and with mutants."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.fpga.host.model import Model
from signum.hdl.lib.emit import to_verilog
from signum.verif.bench.trace import play

from .cosimulation import Configuration, cosimulate
from .netlist import MUTANTS, SELECT, TOP, mutants_of


class Counter(wiring.Component):
    """Counts steps, and tells at once whether the next one is the last; ``init`` is the first count."""

    def __init__(self, *, bits: int, init: int = 0) -> None:
        self.bits = bits
        self.init = init
        super().__init__({"step": In(1), "limit": In(bits), "count": Out(bits, init=init), "last": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.last.eq(self.step & (self.count == self.limit))
        with m.If(self.step):
            m.d.sync += self.count.eq(self.count + 1)
        return m


class Pair(wiring.Component):
    """Two counters, of which the second counts the ends of the first."""

    def __init__(self) -> None:
        super().__init__({"step": In(1), "limit": In(3), "low": Out(3), "high": Out(3)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.first = first = Counter(bits=3)
        m.submodules.second = second = Counter(bits=3, init=2)
        m.d.comb += [first.step.eq(self.step), first.limit.eq(self.limit), second.step.eq(first.last),
                     second.limit.eq(0), self.low.eq(first.count), self.high.eq(second.count)]
        return m


STEPS = [{"step": rng.randrange(2), "limit": rng.randrange(8), "rst": rng.random() < 0.1}
         for rng in [random.Random(3)] for _ in range(200)]


def netlist(**parameters: int) -> str:
    return to_verilog(Counter(**parameters), TOP)[0]


@pytest.mark.parametrize(("make", "boxed"), [(lambda: Counter(bits=3), 1), (Pair, 2)])
def test_the_netlist_has_the_cycles_of_the_unit(make: Callable[[], wiring.Component], boxed: int) -> None:
    wanted = play(make(), STEPS)
    met: list[Configuration] = []

    def meets(configuration: Configuration) -> Model:
        met.append(configuration)
        return Model(netlist(**configuration.parameters), TOP)

    with cosimulate(Counter, meets):
        found = play(make(), STEPS)
    assert found == wanted
    assert len(met) == boxed
    assert len({each.key for each in met}) == boxed
    assert play(make(), STEPS) == wanted


def test_a_mutant_differs() -> None:
    mutants = mutants_of(netlist(bits=3), 12, 1)

    def trace(number: int) -> list[dict[str, Any]]:
        def meets(configuration: Configuration) -> Model:
            model = Model(mutants.verilog, MUTANTS)
            model[SELECT] = number
            return model

        with cosimulate(Counter, meets):
            return play(Counter(bits=3), STEPS)

    traces = [trace(number) for number in range(len(mutants.changes) + 1)]
    assert traces[0] == play(Counter(bits=3), STEPS)
    assert all(trace != traces[0] for trace in traces[1:])


def test_units_that_are_not_met_stay() -> None:
    with cosimulate(Counter, lambda configuration: None):
        found = play(Counter(bits=3), STEPS)
    assert found == play(Counter(bits=3), STEPS)
