"""Delay lines, with and without a reset, and skewed copies."""

import random

import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.lib.delay import behind_registers, delay, skew
from signum.verif.bench.trace import play


class Delayed(wiring.Component):
    """A value ``cycles`` later, with and without a reset, and once more for each of ``count`` places."""

    def __init__(self, cycles: int, count: int) -> None:
        self.cycles = cycles
        self.count = count
        super().__init__({"i": In(7), "later": Out(7), "registered": Out(7), "skewed": Out(7 * count)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [self.later.eq(delay(m, self.i, self.cycles, "i")),
                     self.registered.eq(behind_registers(m, self.i, self.cycles, "r")),
                     self.skewed.eq(Cat(skew(m, self.i, self.count, "s")))]
        return m


@pytest.mark.parametrize(("cycles", "count"), [(0, 1), (1, 2), (2, 3), (5, 4)])
def test_delay_and_skew(cycles: int, count: int, seed: int) -> None:
    rng = random.Random(f"{seed} {cycles}")
    values = [rng.randrange(128) for _ in range(40)]
    trace = play(Delayed(cycles, count), [{"i": value} for value in values])
    for name in ("later", "registered"):
        assert [outputs[name] for outputs in trace] == ([0] * cycles + values)[:len(values)]
    for i in range(count):
        seen = [outputs["skewed"] >> 7 * i & 127 for outputs in trace]
        assert seen == ([0] * i + values)[:len(values)]
