"""Crop and box filter: whole frames equal the golden images, broken ones never end."""

import random
import re
from itertools import chain

import numpy as np
import pytest

from signum.golden.reference.camera import scaled_frame
from signum.hdl.camera.downscale import Downscale, Scaling
from signum.verif.bench.amaranth_simulation import run_testbenches

Item = dict[str, int]


def draw_scaling(rng: random.Random) -> Scaling:
    width, height, box_width, box_height = (rng.randrange(1, 5) for _ in range(4))
    left, top = rng.randrange(3), rng.randrange(3)
    return Scaling(frame_width=left + width * box_width + rng.randrange(3), left=left, width=width, box_width=box_width,
                   frame_height=top + height * box_height + rng.randrange(3), top=top, height=height,
                   box_height=box_height, channels=rng.choice([1, 3]), factor=rng.randrange(1, 9),
                   shift=rng.randrange(6), maximum=rng.choice([255, 16, 1]))


def items_of(frame: np.ndarray) -> list[list[Item]]:
    """The values of each line, and the end as a line of its own."""
    lines = [[{"value": int(value), "line": i == 0, "end": 0, "lost": 0} for i, value in enumerate(line.reshape(-1))]
             for line in frame]
    return [*lines, [{"value": 0, "line": 0, "end": 1, "lost": 0}]]


def damaged(lines: list[list[Item]], kind: str, rng: random.Random) -> list[list[Item]]:
    *lines, end = lines
    at = rng.randrange(len(lines))
    if kind == "short line":
        lines[at] = lines[at][:-1]
        if not lines[at]:
            del lines[at]
    elif kind == "long line":
        lines[at] = [*lines[at], lines[at][-1] | {"line": 0}]
    elif kind == "missing line":
        del lines[at]
    elif kind == "further line":
        lines.insert(at, lines[at])
    else:
        line, place = lines[at], rng.randrange(len(lines[at]))
        lines[at] = [*line[:place], line[place] | {"lost": 1}, *line[place + 1:]]
    return [*lines, end]


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_images(index, stall, seed):
    rng = random.Random(f"{seed} {index} {stall}")
    scaling = draw_scaling(rng)
    unit = Downscale(scaling=scaling)
    numbers = np.random.default_rng(rng.getrandbits(32))
    kinds = ["", "short line", "", "long line", "missing line", "", "further line", "lost", "", ""]
    frames = [numbers.integers(0, 256, (scaling.frame_height, scaling.frame_width, scaling.channels), dtype=np.uint8)
              for _ in kinds]
    found: list[list[int]] = []
    current: list[int] = []
    done = []

    async def send(ctx):
        for frame, kind in zip(frames, kinds, strict=True):
            lines = items_of(frame)
            for item in chain.from_iterable(damaged(lines, kind, rng) if kind else lines):
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(unit.i.payload, item)
                ctx.set(unit.i.valid, 1)
                await ctx.tick().until(unit.i.ready)
                ctx.set(unit.i.valid, 0)
        for _ in range(20):
            await ctx.tick()
        done.append((ctx.get(unit.frames), ctx.get(unit.broken)))

    async def receive(ctx):
        nonlocal current
        ctx.set(unit.o.ready, 1)
        async for _, _, valid, item in ctx.tick().sample(unit.o.valid, unit.o.payload):
            if valid:
                current = [*([] if item.first else current), item.value]
                if item.last:
                    found.append(current)
                    current = []

    run_testbenches(unit, send, background=[receive])
    whole = [scaled_frame(frame, scaling).transpose(1, 2, 0).reshape(-1).tolist()
             for frame, kind in zip(frames, kinds, strict=True) if not kind]
    assert found == whole
    assert done == [(len(whole), len(kinds) - len(whole))]


def test_a_value_that_is_not_taken_in_time_breaks_its_frame_alone(seed):
    rng = random.Random(seed)
    scaling = Scaling(frame_width=6, frame_height=4, width=3, height=2, box_width=2, box_height=2, shift=2)
    unit = Downscale(scaling=scaling)
    frames = [np.full((4, 6, 1), 10 * k, np.uint8) for k in range(1, 8)]
    found: list[list[tuple[int, int]]] = [[]]

    async def send(ctx):
        for number, frame in enumerate(frames):
            ctx.set(unit.o.ready, number % 3 != 1)
            for item in chain.from_iterable(items_of(frame)):
                ctx.set(unit.i.payload, item)
                ctx.set(unit.i.valid, 1)
                await ctx.tick()
            ctx.set(unit.i.valid, 0)
            for _ in range(rng.randrange(4, 9)):
                await ctx.tick()

    async def receive(ctx):
        async for _, _, valid, ready, item in ctx.tick().sample(unit.o.valid, unit.o.ready, unit.o.payload):
            if valid and ready:
                if item.first:
                    found.append([])
                found[-1].append((item.value, item.last))

    run_testbenches(unit, send, background=[receive])
    whole = [[value for value, _ in image] for image in found if image and image[-1][1]]
    assert whole == [[value] * 6 for value in (10, 30, 40, 60, 70)]


@pytest.mark.parametrize(("changes", "message"), [
    ({"width": 0}, "width must be a positive integer, not 0"),
    ({"left": -1}, "left must be 0 or more, not -1"),
    ({"maximum": 256}, "maximum must be at most 255, not 256"),
    ({"left": 1}, "width must leave the crop within the frame of 8, not be 4 boxes of 2 from 1 on"),
])
def test_parameters_out_of_range(changes, message):
    values = {"frame_width": 8, "frame_height": 8, "width": 4, "height": 4, "box_width": 2, "box_height": 2}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Scaling(**(values | changes))
