"""The setup of a sensor against a device on the two-wire bus, by the rules of the bus."""

import re
from itertools import pairwise

import pytest

from signum.hdl.camera.sccb import DELAY, SensorSetup
from signum.hdl.camera.sensors import SENSORS
from signum.verif.bench.amaranth_simulation import run_testbenches

DEVICE = 0x24


class Bus:
    """A device that follows the levels of both wires: transfers of bytes between start and stop conditions."""

    def __init__(self, acknowledges=True):
        self.acknowledges = acknowledges
        self.transfers = []
        self.bits = []
        self.open = False
        self.pulls = False
        self.levels = (1, 1)
        self.times = []

    def follow(self, cycle, scl, sda):
        before_scl, before_sda = self.levels
        wire = sda and not self.pulls
        if scl and before_scl and wire != before_sda:
            if wire:                                # stop
                assert self.open
                assert len(self.bits) % 9 == 0 or len(self.bits) % 9 == 1
                self.transfers.append([int("".join(map(str, self.bits[9 * k:9 * k + 8])), 2)
                                       for k in range(len(self.bits) // 9)])
                self.times.append(cycle)
            else:                                   # start
                assert not self.open
            self.open = not wire
            self.bits = []
        elif scl and not before_scl and self.open:
            self.bits.append(int(wire))
        elif before_scl and not scl and self.open:
            self.pulls = self.acknowledges and len(self.bits) % 9 == 8
            wire = sda and not self.pulls
        self.levels = scl, wire
        return wire


def run(setup, bus, limit=2_000_000):
    """Write the table; returns the missing acknowledgements. Nothing changes behind the end."""
    found = []

    async def bench(ctx):
        cycle = 0
        async for _, _, scl, sda, done in ctx.tick().sample(setup.scl, setup.sda, setup.done):
            ctx.set(setup.sda_in, bus.follow(cycle, scl, sda))
            cycle += 1
            assert cycle < limit
            if done:
                break
        found.append(ctx.get(setup.missed))
        for _ in range(20):
            *_, scl, sda, done, missed = await ctx.tick().sample(setup.scl, setup.sda, setup.done, setup.missed)
            assert (scl, sda, done, missed) == (1, 1, 1, found[0])

    run_testbenches(setup, bench)
    return found[0]


@pytest.mark.parametrize("register_bytes", [1, 2])
@pytest.mark.parametrize("acknowledges", [True, False])
def test_registers(register_bytes, acknowledges):
    """All registers, at equal distances but for a pause, also if nobody acknowledges them."""
    top = (1 << 8 * register_bytes) - 1
    registers = [(0x12 % (top + 1), 0x80), (0, 0), (top, 255), (0x5A, 0xA5)]
    bus = Bus(acknowledges)
    setup = SensorSetup(table=[*registers[:2], (DELAY, 1), *registers[2:]], device=DEVICE,
                        register_bytes=register_bytes, quarter=2)
    missed = run(setup, bus)
    assert bus.transfers == [[DEVICE << 1, *register.to_bytes(register_bytes, "big"), value]
                             for register, value in registers]
    assert missed == (0 if acknowledges else len(registers) * (2 + register_bytes))
    first, pause, last = (b - a for a, b in pairwise(bus.times))
    assert first == last
    assert pause - first in range(800, 810)


def test_a_pause():
    """A millisecond is 400 quarters."""
    bus = Bus()
    run(SensorSetup(table=[(1, 2), (DELAY, 3), (3, 4)], device=DEVICE, quarter=1), bus)
    plain = Bus()
    run(SensorSetup(table=[(1, 2), (3, 4)], device=DEVICE, quarter=1), plain)
    assert (bus.times[1] - bus.times[0]) - (plain.times[1] - plain.times[0]) in range(1200, 1210)


def test_missing_acknowledgements_are_counted():
    setup = SensorSetup(table=[(1, 2), (3, 4)], device=DEVICE, quarter=1)
    counts = []

    async def bench(ctx):
        ctx.set(setup.sda_in, 1)
        await ctx.tick().until(setup.done)
        counts.append(ctx.get(setup.missed))

    run_testbenches(setup, bench)
    assert counts == [6]


@pytest.mark.parametrize("name", SENSORS)
def test_the_tables_of_the_sensors_can_be_written(name):
    sensor = SENSORS[name]
    SensorSetup(table=sensor.table, device=sensor.device, register_bytes=sensor.register_bytes, quarter=75)


@pytest.mark.parametrize(("values", "message"), [
    ({"table": []}, "table must have at least one register"),
    ({"device": 128}, "device must be 0 to 127, not 128"),
    ({"register_bytes": 3}, "register_bytes must be 1 or 2, not 3"),
    ({"quarter": 0}, "quarter must be a positive integer, not 0"),
    ({"table": [(256, 0)]}, "a register must be 0 to 255 and its value 0 to 255, not 256 and 0"),
])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SensorSetup(**({"table": [(0, 0)], "device": 1, "quarter": 1} | values))
