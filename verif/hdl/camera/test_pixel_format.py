"""Formats of pixels: the values of each, in every order of bytes, with pauses on both sides."""

import random

import numpy as np
import pytest

from signum.hdl.camera.pixel_format import Format, PixelFormat
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.sensor import sensor_bytes

TWO_BYTES = [layout for layout in Format if layout is not Format.GREY]      # of which a pixel is a mere wire


def through(layout, lines, rng, stall, lost=(), told=None):
    """The values that leave for each line, by its marks.

    Bytes are ``lost`` before the items of these numbers; ``told`` gets the mark of each value, and of the end.
    """
    unit = PixelFormat(layout=layout)
    items = [(value, i == 0, 0) for line in lines for i, value in enumerate(line)] + [(0, 0, 1)]
    found: list[list[int]] = []
    ends: list[bool] = []

    async def send(ctx):
        for number, (value, line, end) in enumerate(items):
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(unit.i.payload, {"value": value, "line": line, "end": end, "lost": number in lost})
            ctx.set(unit.i.valid, 1)
            await ctx.tick().until(unit.i.ready)
            ctx.set(unit.i.valid, 0)

    async def receive(ctx):
        while not ends:
            ctx.set(unit.o.ready, rng.random() >= stall)
            *_, valid, ready, item = await ctx.tick().sample(unit.o.valid, unit.o.ready, unit.o.payload)
            if valid and ready:
                if told is not None:
                    told.append(item.lost)
                if item.end:
                    ends.append(True)
                elif item.line:
                    found.append([item.value])
                else:
                    found[-1].append(item.value)

    run_testbenches(unit, send, receive)
    return found


def widened(value, bits):
    """A colour of some bits as one of 8, by repetition of its highest bits."""
    return value << 8 - bits | value >> 2 * bits - 8


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("layout", TWO_BYTES)
def test_values(layout, stall, seed):
    rng = random.Random(seed)
    frame = np.random.default_rng(seed).integers(0, 256, (3, 5, layout.channels), dtype=np.uint8)
    found = through(layout, sensor_bytes(frame, layout).tolist(), rng, stall)
    if layout is Format.RGB565:
        wanted = [[widened(int(value) >> 8 - bits, bits) for pixel in line
                   for value, bits in zip(pixel, (5, 6, 5), strict=True)] for line in frame]
    else:
        wanted = frame[..., 0].tolist()
    assert found == wanted


@pytest.mark.parametrize("layout", TWO_BYTES)
def test_half_a_pixel_at_the_end_of_a_line_is_dropped(layout, seed):
    rng = random.Random(seed)
    frame = np.random.default_rng(seed).integers(0, 256, (3, 4, layout.channels), dtype=np.uint8)
    lines = sensor_bytes(frame, layout).tolist()
    assert through(layout, [line[:-1] for line in lines], rng, 0.0) == [
        line[:-layout.channels] for line in through(layout, lines, rng, 0.0)]


@pytest.mark.parametrize("layout", TWO_BYTES)
def test_the_sink_holds_second_bytes_and_ends_alone(layout):
    """First bytes are taken while it waits, as are those of a line behind half a pixel."""
    unit = PixelFormat(layout=layout)

    async def bench(ctx):
        for line, end, ready, taken in [(1, 0, 0, 1), (0, 0, 0, 0), (0, 0, 1, layout.channels == 1), (1, 0, 0, 1),
                                        (1, 0, 0, 1), (0, 1, 0, 0), (0, 1, 1, 1), (0, 0, 0, 1)]:
            ctx.set(unit.i.payload, {"value": 0x55, "line": line, "end": end, "lost": 0})
            ctx.set(unit.i.valid, 1)
            ctx.set(unit.o.ready, ready)
            *_, found = await ctx.tick().sample(unit.i.ready)
            assert found == taken

    run_testbenches(unit, bench)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("layout", TWO_BYTES)
def test_lost_bytes_are_told_with_the_next_value(layout, stall, seed):
    """Also those in front of half a pixel, which is dropped, and of the second byte of a pixel."""
    rng = random.Random(seed)
    lines = [[rng.randrange(256) for _ in range(length)] for length in (8, 7, 6, 9, 1, 4)]
    count = sum(map(len, lines)) + 1
    lost = {number for number in range(count) if rng.random() < 0.15}
    told: list[int] = []
    through(layout, lines, rng, stall, lost, told)
    expected: list[int] = []
    number, waits = 0, False
    for line in lines:
        for place in range(len(line)):
            waits |= number in lost
            if place % 2:
                expected += [int(waits)] * layout.channels
                waits = False
            number += 1
    assert told == [*expected, int(waits or number in lost)]
    assert {0, 1} == set(expected)
