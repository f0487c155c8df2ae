"""Supplies that the FPGA sets: the duty cycle of a voltage, and the time at which the regulators are enabled."""

import pytest
from amaranth.sim import SimulatorContext

from signum.fpga.flow.io_supply import START_SECONDS, IOSupply, control_share
from signum.verif.bench.amaranth_simulation import run_testbenches

CLOCK = 1e5


@pytest.mark.parametrize("volts", [1.0, 1.2, 1.8, 2.5, 3.3])
def test_the_currents_into_the_feedback_node_cancel(volts: float) -> None:
    """Kirchhoff's law at the node of 0.6 V, with the currents through the three resistors of the schematic."""
    pin = control_share(volts) * 3.3
    assert 0 <= pin <= 3.3
    assert (pin - 0.6) / 68e3 + (volts - 0.6) / 53.6e3 == pytest.approx(0.6 / 13e3)


@pytest.mark.parametrize("volts", [0.9, 3.6])
def test_voltages_that_a_regulator_cannot_give(volts: float) -> None:
    with pytest.raises(ValueError, match=f"^volts must be 1 to 3.5, not {volts}$"):
        control_share(volts)


def test_the_regulators_start_when_the_filters_have_settled() -> None:
    volts = 1.0, 1.8, 3.3
    unit = IOSupply(clock=CLOCK, volts=volts, resource="vccio_ctrl")
    high = [0] * len(volts)
    first = None

    async def testbench(ctx: SimulatorContext) -> None:
        nonlocal first
        await ctx.tick().repeat(2)
        for cycle in range(4096):
            for number in range(len(volts)):
                high[number] += ctx.get(unit.pdm) >> number & 1
            if ctx.get(unit.en) and first is None:
                first = cycle
            await ctx.tick()

    run_testbenches(unit, testbench)
    for count, value in zip(high, volts, strict=True):
        assert count / 4096 == pytest.approx(control_share(value), abs=1 / 1024)
    assert first is not None
    assert first / CLOCK == pytest.approx(4 * 68e3 * 100e-9, abs=1e-4)
    assert first / CLOCK < START_SECONDS
