"""The receiver of a sensor's port between two unrelated clocks."""

import random
import re

import pytest

from signum.hdl.camera.dvp_receiver import FIFO_DEPTH, DVPReceiver
from signum.verif.bench.amaranth_simulation import run_testbenches

NANOSECOND = 1e-9


def items_of(lines):
    """The items of a frame, by the values of its lines."""
    found = [(value, int(i == 0), 0) for line in lines for i, value in enumerate(line)]
    return [*found, (0, 0, 1)]


def run(unit, frames, rng, *, half, ready, data_bits=8):
    """Show frames, lists of lines, at a half period of ``half()`` nanoseconds; the items taken, with ``lost``."""
    found = []
    finished = []

    async def sensor(ctx):
        async def cycle(frame, line, value):
            ctx.set(unit.pclk, 0)
            ctx.set(unit.vsync, frame == unit.frame_active)
            ctx.set(unit.href, line == unit.line_active)
            ctx.set(unit.pins, value)
            await ctx.delay(half() * NANOSECOND)
            ctx.set(unit.pclk, 1)
            await ctx.delay(half() * NANOSECOND)

        for _ in range(5):
            await cycle(0, 0, 0)
        for lines in frames:
            for line in lines:
                for _ in range(rng.randrange(1, 5)):
                    await cycle(1, 0, rng.getrandbits(data_bits))
                for value in line:
                    for part in ([value] if data_bits == 8 else [value >> 4, value & 15]):
                        await cycle(1, 1, part)
            await cycle(1, 0, 0)
            for _ in range(rng.randrange(4, 9)):
                await cycle(0, rng.randrange(2), rng.getrandbits(data_bits))
        for _ in range(40):
            await cycle(0, 0, 0)
        finished.append(True)

    async def sink(ctx):
        while not finished or ctx.get(unit.o.valid):
            ctx.set(unit.o.ready, ready())
            *_, valid, taken, item = await ctx.tick().sample(unit.o.valid, unit.o.ready, unit.o.payload)
            if valid and taken:
                found.append((0 if item.end else item.value, 0 if item.end else item.line, item.end, item.lost))
            if finished:
                ctx.set(unit.o.ready, 1)

    run_testbenches(unit, sensor, sink, period=10 * NANOSECOND)
    return found


def draw_frames(rng, count=3):
    return [[[rng.getrandbits(8) for _ in range(rng.randrange(1, 9))] for _ in range(rng.randrange(1, 5))]
            for _ in range(count)]


@pytest.mark.parametrize(("data_bits", "frame_active", "line_active"), [(8, 1, 1), (8, 0, 1), (4, 1, 0)])
@pytest.mark.parametrize("halves", [(11, 14), (5.3, 5.9), (40, 90)], ids=["half as fast", "nearly as fast", "slow"])
def test_all_values(data_bits, frame_active, line_active, halves, seed):
    rng = random.Random(seed)
    frames = draw_frames(rng)
    unit = DVPReceiver(data_bits=data_bits, frame_active=frame_active, line_active=line_active)
    found = run(unit, frames, rng, half=lambda: rng.uniform(*halves), ready=lambda: 1, data_bits=data_bits)
    assert found == [(*item, 0) for lines in frames for item in items_of(lines)]


def test_lost_values_are_marked(seed):
    """A sink that stops for a time: what is left is in order, and each gap is marked behind it."""
    rng = random.Random(seed)
    frames = [[[*range(100 * k, 100 * k + 90)]] for k in range(2)]
    calls = iter(range(10**9))
    unit = DVPReceiver()
    found = run(unit, frames, rng, half=lambda: 12, ready=lambda: next(calls) > 150)
    items = [item for lines in frames for item in items_of(lines)]
    at, gaps = -1, 0
    for *item, lost in found:
        place = items.index(tuple(item), at + 1)
        assert lost == (place != at + 1)
        gaps += lost
        at = place
    assert gaps
    assert len(found) >= FIFO_DEPTH


@pytest.mark.parametrize(("values", "message"), [
    ({"data_bits": 5}, "data_bits must be 4 or 8, not 5"),
    ({"frame_active": 2}, "frame_active must be 0 or 1, not 2"),
    ({"line_active": 2}, "line_active must be 0 or 1, not 2"),
])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DVPReceiver(**values)
