"""The flash reader against a model of a flash: words, rates, wake-up, restarts."""

import itertools
import random
import re

import pytest
from amaranth.sim import Simulator

from signum.hdl.boot.flash_reader import DESELECT_CYCLES, FlashReader
from signum.verif.bench.flash import FAST_READ, WAKE, Flash

ADDRESS = 0x1234
WAKE_CYCLES = 50


def simulate(reader, flash, bench):
    simulator = Simulator(reader)
    simulator.add_clock(1e-6)

    async def serve(ctx):
        await flash.serve(ctx, reader)

    simulator.add_testbench(serve, background=True)
    simulator.add_testbench(bench)
    simulator.run()


def words_of(content, count):
    return [int.from_bytes(content[ADDRESS + 4 * i:][:4], "big") for i in range(count)]


@pytest.mark.parametrize("divisor", [1, 2, 3])
def test_words_at_the_stated_rate(divisor, seed):
    content = random.Random(seed).randbytes(ADDRESS + 100)
    flash = Flash(content, WAKE_CYCLES)
    reader = FlashReader(address=ADDRESS, wake_cycles=WAKE_CYCLES, divisor=divisor)
    found: list[int] = []
    times: list[int] = []
    bits: list[int] = []

    async def bench(ctx):
        ctx.set(reader.o.ready, 1)
        for _ in range(DESELECT_CYCLES + 30 * divisor + WAKE_CYCLES):
            await ctx.tick()
        ctx.set(reader.start, 1)
        await ctx.tick()
        ctx.set(reader.start, 0)
        cycle = 0
        while len(found) < 10:
            *_, valid, word, strobe, data = await ctx.tick().sample(reader.o.valid, reader.o.payload, reader.strobe,
                                                                    reader.data)
            cycle += 1
            if strobe:
                bits.append(data)
            if valid:
                found.append(word)
                times.append(cycle)

    simulate(reader, flash, bench)
    assert found == words_of(content, 10)
    assert {b - a for a, b in itertools.pairwise(times)} == {65 if divisor == 1 else 64 * divisor}
    assert times[0] <= DESELECT_CYCLES + 3 + 2 * divisor * (40 + 32)
    assert flash.commands == [WAKE, FAST_READ]
    text = "".join(map(str, bits))
    assert [int(text[32 * i:32 * i + 32], 2) for i in range(10)] == found


def test_starts_at_any_time_and_waits(seed):
    """A start before the wake-up, starts in the middle of words, and a sink that stalls."""
    rng = random.Random(seed)
    content = rng.randbytes(ADDRESS + 100)
    flash = Flash(content, WAKE_CYCLES)
    reader = FlashReader(address=ADDRESS, wake_cycles=WAKE_CYCLES)

    async def bench(ctx):
        for count in (3, 0, 1, 5, 2):
            ctx.set(reader.start, 1)
            await ctx.tick()
            ctx.set(reader.start, 0)
            found: list[int] = []
            while len(found) < count:
                ctx.set(reader.o.ready, rng.random() < 0.1)
                *_, valid, ready, word = await ctx.tick().sample(reader.o.valid, reader.o.ready, reader.o.payload)
                if valid and ready:
                    found.append(word)
            ctx.set(reader.o.ready, 0)
            assert found == words_of(content, count)
            for _ in range(rng.randrange(100)):
                await ctx.tick()

    simulate(reader, flash, bench)
    assert flash.commands[0] == WAKE
    assert set(flash.commands[1:]) == {FAST_READ}


@pytest.mark.parametrize(("values", "message"), [
    ({"address": 1 << 24, "wake_cycles": 1}, "address must be 0 to 16777215, not 16777216"),
    ({"address": 0, "wake_cycles": 0}, "wake_cycles must be a positive integer, not 0"),
    ({"address": 0, "wake_cycles": 1, "divisor": 0}, "divisor must be a positive integer, not 0"),
])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FlashReader(**values)
