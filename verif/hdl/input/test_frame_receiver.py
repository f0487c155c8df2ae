"""The frame receiver against its frames: each write, when a line may be written and read, and the counts of frames."""

import random
from dataclasses import dataclass
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import SimulatorContext

from signum.hdl.config import ArrayConfig
from signum.hdl.input.frame_receiver import FrameReceiver
from signum.verif.bench.amaranth_simulation import run_testbenches

from .test_window_reader import CODES, array

DEPTH = 64
LATEST = 3              # cycles until a line that may be read, or written, is so


@dataclass(frozen=True)
class Frame:
    """A frame with its padding, and its windows.

    Members
    -------
    lines, length : int
        Of the line buffer: with the padding.
    x, y : range
        The values of a line, and the lines, that are in the frame.
    kept : int
        Lines that fit into the line buffer.
    span, stride : int
        Lines of a window, and from a window to the window below.
    """

    lines: int
    length: int
    x: range
    y: range
    kept: int
    span: int
    stride: int

    @property
    def geometry(self) -> dict[str, int]:
        return {"column": self.length - 1, "line": self.lines - 1, "left": self.x[0], "right": self.x[-1],
                "top": self.y[0], "bottom": self.y[-1], "kept": self.kept - 1, "span": self.span,
                "stride_y": self.stride}

    @property
    def windows(self) -> int:
        """Lines of windows."""
        return (self.lines - self.span) // self.stride + 1


def draw_frame(rng: random.Random) -> Frame:
    left, right, top, bottom = (rng.choice([0, 0, 1, 2]) for _ in range(4))
    width, height = rng.randint(1, 7), rng.randint(1, 7)
    lines, length = top + height + bottom, left + width + right
    span, stride = rng.randint(1, min(4, lines)), rng.randint(1, 3)
    fit = min(DEPTH // length, lines + 1)
    return Frame(lines, length, range(left, left + width), range(top, top + height),
                 rng.randint(min(max(span, stride), fit), fit), min(span, fit), stride)


class Bench:
    """A source of frames, and a reader that frees lines as soon, or as late, as it likes."""

    def __init__(self, config: ArrayConfig, rng: random.Random, frame: Frame, *, stall: float, delay: float) -> None:
        self.unit = FrameReceiver(config=config)
        self.domain = ClockDomain("sync")
        self.rng = rng
        self.frame = frame
        self.stall, self.delay = stall, delay
        self.received = self.dropped = 0

    def run(self, frames: int, *, strays: bool = False, forgotten: float = 0.0) -> None:
        """Whole frames; before each, with ``strays``, a value without a first mark; some are ``forgotten`` before.

        The unit is disabled in a frame that is to be forgotten, or reset.
        """
        async def bench(ctx: SimulatorContext) -> None:
            ctx.set(self.unit.geometry, self.frame.geometry)
            await ctx.tick()
            ctx.set(self.unit.enable, 1)
            for _ in range(frames):
                if strays:
                    await self._stray(ctx)
                if self.rng.random() < forgotten:
                    await self._frame(ctx, self.rng.randrange(1, self.frame.length * self.frame.lines + 1))
                    ctx.set(self.unit.enable, 0)
                    assert ctx.get(self.unit.restart)
                    if self.rng.random() < 0.5:
                        ctx.set(self.domain.rst, 1)
                        await ctx.tick()
                        ctx.set(self.domain.rst, 0)
                        self.received = self.dropped = 0
                        self._counts(ctx)
                    await ctx.tick()
                    ctx.set(self.unit.enable, 1)
                await self._frame(ctx)

        m = Module()
        m.domains.sync = self.domain
        m.submodules.unit = self.unit
        run_testbenches(m, bench)

    def _counts(self, ctx: SimulatorContext) -> None:
        assert (ctx.get(self.unit.received), ctx.get(self.unit.dropped)) == (self.received % 256, self.dropped % 256)

    async def _stray(self, ctx: SimulatorContext) -> None:
        """A frame of one value that is not marked as the first."""
        ctx.set(self.unit.pixels.payload, {"value": 1, "first": 0, "last": 1})
        ctx.set(self.unit.pixels.valid, 1)
        await ctx.tick().until(self.unit.pixels.ready)
        ctx.set(self.unit.pixels.valid, 0)
        self.dropped += 1
        self._counts(ctx)

    async def _frame(self, ctx: SimulatorContext, writes: int | None = None) -> None:
        """A frame, from its first write to the end of its reading, or as many writes of it."""
        unit, rng, frame = self.unit, self.rng, self.frame
        places = [(x, y) for y in range(frame.lines) for x in range(frame.length)]
        last = frame.x[-1], frame.y[-1]
        count = done = freed = written = 0
        waiting = unread = unwritten = 0
        was_end = False
        while not done and count != writes:
            x, y = places[count] if count < len(places) else (-1, -1)
            inside = x in frame.x and y in frame.y
            begun = count < len(places) and (y, x) <= (frame.y[0], frame.x[0])
            value: dict[str, Any] = {"value": rng.randrange(256), "first": int(begun and inside),
                                     "last": int((x, y) == last)}
            waiting = inside and (waiting or rng.random() >= self.stall)
            ctx.set(unit.pixels.payload, value)
            ctx.set(unit.pixels.valid, waiting)
            ahead = written - freed * frame.stride
            readable = ctx.get(unit.readable)
            if readable:
                assert ahead >= frame.span, "the lines of the next windows must have been written"
                assert freed < frame.windows
            unread = unread + 1 if ahead >= frame.span and not readable else 0
            assert unread < LATEST, "lines that were written must be readable"
            free = int(readable and rng.random() >= self.delay)
            ctx.set(unit.freed, free)
            complete = ctx.get(unit.complete)
            assert complete == (count == len(places))
            done = int(complete and freed == frame.windows and rng.random() >= self.delay)
            ctx.set(unit.done, done)
            assert ctx.get(unit.restart) == done
            if inside:
                assert (ctx.get(unit.expects_first), ctx.get(unit.expects_last)) == (begun, (x, y) == last)
            write, taken = ctx.get(unit.write), ctx.get(unit.pixels.ready) and waiting
            fits = ahead < frame.kept and count < len(places) and (waiting or not inside)
            unwritten = unwritten + 1 if fits and not write else 0
            assert unwritten < LATEST, "a value must be written where its line fits"
            was_end = bool(write and x == frame.length - 1)
            if write:
                assert count < len(places)
                assert x or ahead < frame.kept, "the line must fit into the line buffer"
                assert ctx.get(unit.address) == count % DEPTH
                assert ctx.get(unit.pad) == (not inside)
                assert bool(taken) == inside
                if inside:
                    assert ctx.get(unit.value) == value["value"]
                    waiting = 0
                count += 1
                written += was_end
            else:
                assert not taken
            self.received += bool(write and (x, y) == last)
            freed += free
            await ctx.tick()
            for name in unit.freed, unit.done, unit.pixels.valid:
                ctx.set(name, 0)
            self._counts(ctx)
            if was_end:
                assert not ctx.get(unit.write), "a cycle passes between two lines"


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("code", CODES)
def test_random_frames(code: str, number: int, seed: int) -> None:
    rng = random.Random(f"{seed} {code} {number}")
    for stall, delay in (0.0, 0.0), (0.3, 0.0), (0.0, 0.8):
        Bench(array(code), rng, draw_frame(rng), stall=stall, delay=delay).run(3, forgotten=0.3)


@pytest.mark.parametrize("code", CODES)
def test_counts_of_frames_begin_again_behind_their_end(code: str, seed: int) -> None:
    frame = Frame(lines=1, length=1, x=range(1), y=range(1), kept=1, span=1, stride=1)
    Bench(array(code), random.Random(seed), frame, stall=0.0, delay=0.0).run(260, strays=True)
