"""The setup of a sensor against a device on the two-wire bus, by the rules of the bus."""

import random
import re

import pytest

from signum.hdl.camera.sccb import DELAY, SensorSetup
from signum.hdl.camera.sensors import SENSORS
from signum.verif.bench.amaranth_simulation import run_testbenches

DEVICE = 0x24
QUARTERS = 400          # in a millisecond
FETCH_CYCLES = 2        # of a row of the table


class Bus:
    """A device that follows the levels of both wires: transfers of bytes between start and stop conditions.

    ``acknowledges()`` tells whether it acknowledges the next byte; ``missed`` counts those that it does not.
    """

    def __init__(self, acknowledges=lambda: True):
        self.acknowledges = acknowledges
        self.missed = 0
        self.fell = 0
        self.lows = set()           # cycles between the edges of the clock within a transfer
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
            self.lows.add(cycle - self.fell)
        elif before_scl and not scl and self.open:
            self.fell = cycle
            self.pulls = False
            if len(self.bits) % 9 == 8:
                self.pulls = self.acknowledges()
                self.missed += not self.pulls
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


def table(register_bytes):
    """Registers and pauses: at the beginning, two in a row, of no milliseconds, at the end."""
    top = (1 << 8 * register_bytes) - 1
    return [(DELAY, 2), (0x12 % (top + 1), 0x80), (DELAY, 1), (DELAY, 0), (0, 0), (top, 255), (0x5A, 0xA5),
            (DELAY, 3), (0xF0 % (top + 1), 0x0F), (0x55, 0xAA), (DELAY, 1)]


def setup_of(register_bytes, quarter):
    return SensorSetup(table=table(register_bytes), device=DEVICE, register_bytes=register_bytes, quarter=quarter)


every_setup = pytest.mark.parametrize(("register_bytes", "quarter"), [(1, 1), (1, 3), (2, 1), (2, 2)])


@every_setup
@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_registers(register_bytes, quarter, share, seed):
    """All registers, also if only some bytes, or none, are acknowledged."""
    rng = random.Random(seed)
    bus = Bus(lambda: rng.random() < share)
    missed = run(setup_of(register_bytes, quarter), bus)
    assert bus.transfers == [[DEVICE << 1, *register.to_bytes(register_bytes, "big"), value]
                             for register, value in table(register_bytes) if register != DELAY]
    assert missed == bus.missed
    assert missed == 0 or share < 1


@every_setup
def test_times(register_bytes, quarter):
    """A bit is four quarters, and so are start and stop; a millisecond is 400 quarters."""
    bus = Bus()
    run(setup_of(register_bytes, quarter), bus)
    fetch = FETCH_CYCLES // quarter
    transfer = 4 * (9 * (2 + register_bytes) + 2) + fetch
    cycle, times = 0, []
    for register, value in table(register_bytes):
        cycle += (transfer if register != DELAY else QUARTERS * value + 1 + fetch) * quarter
        if register != DELAY:
            times.append(cycle)
    assert [time - bus.times[0] for time in bus.times] == [time - times[0] for time in times]
    assert abs(bus.times[0] - times[0]) <= 2 * quarter      # the stop comes a quarter before the end
    assert bus.lows == {2 * quarter}


def test_missing_acknowledgements_are_counted_up_to_255():
    registers = [(k, 255 - k) for k in range(90)]
    bus = Bus(lambda: False)
    assert run(SensorSetup(table=registers, device=DEVICE, quarter=1), bus) == 255
    assert bus.missed == 270


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
