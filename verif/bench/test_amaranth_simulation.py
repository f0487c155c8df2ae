"""Testbenches on Amaranth's simulator: their ends, their order, and designs with and without a clock."""

from amaranth.hdl import Module, Signal
from amaranth.sim import SimulatorContext

from .amaranth_simulation import run_testbenches, simulator_with


def test_a_run_ends_with_its_testbenches_and_not_with_those_in_the_background() -> None:
    m, count, doubled = Module(), Signal(8), Signal(8)
    m.d.sync += count.eq(count + 1)
    found: list[int] = []

    async def main(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(5)
        found.append(ctx.get(doubled))

    async def longer(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(9)
        found.append(ctx.get(count))

    async def forever(ctx: SimulatorContext) -> None:
        while True:
            *_, value = await ctx.tick().sample(count)
            ctx.set(doubled, 2 * value)

    run_testbenches(m, main, longer, background=[forever])
    assert found == [2 * 3, 9]


def test_a_design_without_a_clock() -> None:
    m, a, b = Module(), Signal(4), Signal(4)
    m.d.comb += b.eq(~a)
    found: list[int] = []

    async def main(ctx: SimulatorContext) -> None:
        for value in range(16):
            ctx.set(a, value)
            found.append(ctx.get(b))

    run_testbenches(m, main)
    assert found == [15 - value for value in range(16)]


def test_the_period_is_in_seconds_and_a_reset_begins_again() -> None:
    m, count = Module(), Signal(8)
    m.d.sync += count.eq(count + 1)
    found: list[int] = []

    async def main(ctx: SimulatorContext) -> None:
        await ctx.delay(65e-9)          # edges come at 10, 30 and 50 ns
        found.append(ctx.get(count))

    simulator = simulator_with(m, main, period=20e-9)
    simulator.run()
    simulator.reset()
    simulator.run()
    assert found == [3, 3]
