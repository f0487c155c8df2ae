"""The flash reader against a model of a flash: words, rates, wake-up, restarts."""

import itertools
import random
import re

import pytest

from signum.hdl.boot.flash_reader import DESELECT_CYCLES, FlashReader, FlashTiming
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.flash import FAST_READ, QUAD_READ, WAKE, Flash

ADDRESS = 0x1000
FIRST = 0x8D                                # a word
CONTENT_BYTES = ADDRESS + 4 * FIRST + 100
WAKE_CYCLES = 50
LATE = 2                                    # cycles of a state, behind those that the reader waits

every_clock = pytest.mark.parametrize("divisor", [1, 2, 3])
every_width = pytest.mark.parametrize("lines", [1, 4])


def reader_of(divisor, lines):
    return FlashReader(address=ADDRESS, wake_cycles=WAKE_CYCLES, divisor=divisor, lines=lines, word_bits=9)


def simulate(reader, flash, bench):
    async def serve(ctx):
        await flash.serve(ctx, reader)

    run_testbenches(reader, bench, background=[serve])


async def begin(ctx, reader, word):
    """Start at a word; no bit of the read before counts any more."""
    ctx.set(reader.at, word)
    ctx.set(reader.start, 1)
    *_, strobe = await ctx.tick().sample(reader.strobe)
    assert not strobe
    ctx.set(reader.start, 0)


def words_of(content, first, count):
    return [int.from_bytes(content[ADDRESS + 4 * (first + i):][:4], "big") for i in range(count)]


@every_clock
@every_width
@pytest.mark.parametrize("late", [False, True])
def test_words_at_the_stated_rate(divisor, lines, late, seed):
    content = random.Random(seed).randbytes(CONTENT_BYTES)
    flash = Flash(content, WAKE_CYCLES, delay=(2 * divisor - 1) * late)
    reader = reader_of(divisor, lines)
    found: list[int] = []
    times: list[int] = []
    parts: list[int] = []

    async def bench(ctx):
        ctx.set(reader.o.ready, 1)
        for _ in range(DESELECT_CYCLES + 30 * divisor + WAKE_CYCLES):
            await ctx.tick()
        await begin(ctx, reader, FIRST)
        cycle = 0
        while len(found) < 10:
            *_, valid, word, strobe, data = await ctx.tick().sample(reader.o.valid, reader.o.payload, reader.strobe,
                                                                    reader.data)
            cycle += 1
            if strobe:
                parts.append(data)
            if valid:
                found.append(word)
                times.append(cycle)

    simulate(reader, flash, bench)
    assert found == words_of(content, FIRST, 10)
    steps = 32 // lines
    assert {b - a for a, b in itertools.pairwise(times)} == {2 * steps * divisor + (divisor == 1)}
    assert times[0] - (3 + 2 * divisor * (40 + steps)) in range(-2 * divisor, 1)    # selected since long
    timing = FlashTiming.of(wake_cycles=WAKE_CYCLES, divisor=divisor, lines=lines)
    assert timing.word == times[1] - times[0]
    assert abs(timing.read(10) - times[-1]) < 2 * DESELECT_CYCLES
    assert (flash.commands, flash.ignored) == ([WAKE, FAST_READ if lines == 1 else QUAD_READ], [])
    text = "".join(f"{part:0{lines}b}" for part in parts)
    assert [int(text[32 * i:32 * i + 32], 2) for i in range(10)] == found


@every_clock
@every_width
def test_starts_at_any_word_and_time_and_waits(divisor, lines, seed):
    """A start before the wake-up, starts in commands and words, during pauses, and a sink that stalls."""
    rng = random.Random(seed)
    content = rng.randbytes(CONTENT_BYTES)
    flash = Flash(content, WAKE_CYCLES)
    reader = reader_of(divisor, lines)

    async def bench(ctx):
        for count in (3, 0, 0, 1, 5, 2):
            first = rng.randrange(FIRST, FIRST + 16)
            await begin(ctx, reader, first)
            found: list[int] = []
            while len(found) < count:
                ctx.set(reader.o.ready, rng.random() < 0.1)
                *_, valid, ready, word = await ctx.tick().sample(reader.o.valid, reader.o.ready, reader.o.payload)
                if valid and ready:
                    found.append(word)
            ctx.set(reader.o.ready, 0)
            assert found == words_of(content, first, count)
            for _ in range(rng.choice([0, 5, 40, 100 * divisor])):
                await ctx.tick()

    simulate(reader, flash, bench)
    assert flash.commands[0] == WAKE
    assert set(flash.commands[1:]) == {FAST_READ if lines == 1 else QUAD_READ}
    assert not flash.ignored
    assert flash.pauses[0] in range(WAKE_CYCLES, WAKE_CYCLES + LATE)
    assert all(pause in range(DESELECT_CYCLES, DESELECT_CYCLES + LATE) for pause in flash.pauses[1:])


@every_clock
@every_width
def test_a_start_ends_a_read(divisor, lines, seed):
    """At any cycle of a command and its first words; the words are those of the second start."""
    rng = random.Random(seed)
    content = rng.randbytes(CONTENT_BYTES)
    reader = reader_of(divisor, lines)
    flash = Flash(content, WAKE_CYCLES)
    word = 2 * divisor * 32 // lines
    cycles = DESELECT_CYCLES + 2 * divisor * 40 + 2 * word

    async def bench(ctx):
        ctx.set(reader.o.ready, 1)
        for cycle in rng.sample(range(cycles), 8):
            await begin(ctx, reader, FIRST)
            for _ in range(cycle):
                await ctx.tick()
            await begin(ctx, reader, FIRST + 3)
            found, = await ctx.tick().sample(reader.o.payload).until(reader.o.valid)
            assert [found] == words_of(content, FIRST + 3, 1)

    simulate(reader, flash, bench)
    assert all(pause in range(DESELECT_CYCLES, DESELECT_CYCLES + LATE) for pause in flash.pauses[1:])


def test_a_sleeping_flash_understands_the_wake_up_alone(seed):
    """A wake-up time shorter than the flash's: nothing but noise comes."""
    content = random.Random(seed).randbytes(ADDRESS + 8)
    flash = Flash(content, WAKE_CYCLES)
    reader = FlashReader(address=ADDRESS, wake_cycles=WAKE_CYCLES - DESELECT_CYCLES - 20)

    async def bench(ctx):
        ctx.set(reader.start, 1)
        await ctx.tick()
        ctx.set(reader.start, 0)
        word, = await ctx.tick().sample(reader.o.payload).until(reader.o.valid)
        assert word != words_of(content, 0, 1)[0]

    simulate(reader, flash, bench)
    assert (flash.commands, flash.ignored) == ([WAKE], [FAST_READ])


@pytest.mark.parametrize(("values", "message"), [
    ({"address": 1 << 24, "wake_cycles": 1}, "address must be 0 to 16777215, not 16777216"),
    ({"address": 0, "wake_cycles": 0}, "wake_cycles must be a positive integer, not 0"),
    ({"address": 0, "wake_cycles": 1, "divisor": 0}, "divisor must be a positive integer, not 0"),
    ({"address": 0, "wake_cycles": 1, "lines": 2}, "lines must be 1 or 4, not 2"),
    ({"address": 1 << 16, "wake_cycles": 1, "word_bits": 15},
     "word_bits must be 0 to 22, and address a multiple of so many words, not 15 and 65536"),
])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FlashReader(**values)
