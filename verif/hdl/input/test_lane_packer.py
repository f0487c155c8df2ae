"""The lane packer against the bits of its windows: every word and mark, in exactly the cycle that is specified."""

import random
from dataclasses import dataclass

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import SimulatorContext

from signum.hdl.config import ArrayConfig
from signum.hdl.input.lane_packer import LanePacker
from signum.verif.bench.amaranth_simulation import run_testbenches

CODES = [(4, 1, 8), (3, 1, 8), (7, 1, 32), (1, 1, 5), (8, 1, 8), (0, 8, 8), (0, 3, 7)]
"""Levels of a thermometer, or none; planes; lanes."""


@dataclass(frozen=True)
class Window:
    """The codes of a window, and what ends with it."""

    codes: list[int]
    line_end: int
    frame_end: int

    def words(self, bits: int, planes: int, lanes: int) -> list[tuple[list[int], int, int]]:
        """The words of each plane in order of their lanes, and their marks: only those of the last one are set."""
        if planes > 1:
            streams = [sum((code >> plane & 1) << k for k, code in enumerate(self.codes)) for plane in range(planes)]
        else:
            streams = [sum(code << k * bits for k, code in enumerate(self.codes))]
        count = -(-len(self.codes) * bits // lanes)
        return [([stream >> n * lanes & (1 << lanes) - 1 for stream in streams],
                 self.line_end * (n == count - 1), self.frame_end * (n == count - 1)) for n in range(count)]


def array(levels: int, planes: int, lanes: int, registers: int) -> ArrayConfig:
    code = {"input_levels": levels, "input_maximum": 255} if levels else {}
    return ArrayConfig(rows=3, cols=4, lanes=lanes, activation_depth=4096, input_depth=64, answer_ranks=1,
                       memory_registers=registers, input_planes=planes, **code)


class Bench:
    """A reader that issues codes with pauses, the pipeline that delays them, and a sink that may hold the words."""

    def __init__(self, rng: random.Random, config: ArrayConfig, windows: list[Window], stall: float) -> None:
        self.unit = LanePacker(config=config)
        self.domain = ClockDomain("sync")
        self.rng, self.config, self.windows, self.stall = rng, config, windows, stall
        self.bits, self.planes = config.input_levels or 1, config.input_planes

    def run(self, restarts: int) -> None:
        """All windows, after ``restarts`` runs that a restart, or a reset, cuts short."""
        async def bench(ctx: SimulatorContext) -> None:
            for _ in range(restarts):
                await self._windows(ctx, self.rng.randrange(1, 40))
            await self._windows(ctx)

        m = Module()
        m.domains.sync = self.domain
        m.submodules.unit = self.unit
        run_testbenches(m, bench)

    async def _windows(self, ctx: SimulatorContext, cycles: int = 0) -> None:
        """The windows, with checks of each cycle; of a cut run as many cycles, the last one with a restart or reset."""
        unit, rng, config, bits, lanes = self.unit, self.rng, self.config, self.bits, self.config.lanes
        later = config.code_latency + 1 + (self.planes > 1)
        codes = [(code, window, k == len(window.codes) - 1) for window in self.windows
                 for k, code in enumerate(window.codes)]
        words = [word for window in self.windows for word in window.words(bits, self.planes, lanes)]
        due: list[int] = []                 # the cycles of the words, without a stall
        reading: list[int | None] = [None] * config.code_latency
        zeros = items = at = given = 0      # cycles of zeros left; codes and zeros of the window; codes, words
        held, cycle = False, 0
        while given < len(words) or held:
            ready = int(rng.random() >= self.stall)
            ctx.set(unit.o.ready, ready)
            entering = reading[-1]
            ctx.set(unit.code, rng.randrange(1 << config.input_code_bits) if entering is None else entering)
            advance, valid = ctx.get(unit.advance), ctx.get(unit.o.valid)
            assert advance or (valid and not ready), "only a word that waits may stop the reader"
            assert ctx.get(unit.ready) == (advance and not zeros)
            issue = int(bool(advance) and not zeros and at < len(codes) and rng.random() >= 0.2)
            code, window, ends = codes[at] if issue else (0, Window([], rng.randrange(2), rng.randrange(2)), False)
            ctx.set(unit.issue, issue)
            ctx.set(unit.window_end, ends if issue else rng.randrange(2))
            ctx.set(unit.line_end, window.line_end and ends if issue else window.line_end)
            ctx.set(unit.frame_end, window.frame_end and ends if issue else window.frame_end)
            cut = cycle + 1 == cycles
            restart = rng.choice([unit.restart, self.domain.rst])
            ctx.set(restart, cut)
            if not self.stall:
                assert valid == (cycle in due), "a word must come in its cycle"
            if valid:
                expected, line_end, frame_end = words[given]
                found = [ctx.get(unit.o.p.words[plane]) for plane in range(self.planes)]
                assert (found, ctx.get(unit.o.p.line_end), ctx.get(unit.o.p.frame_end)) == (
                    expected, line_end, frame_end)
            assert valid or not held, "a word that waits must stay"
            if advance and (issue or zeros):
                items += 1
                if items * bits // lanes > (items - 1) * bits // lanes or (ends and not lanes % bits):
                    due.append(cycle + later)       # the code fills the word, or is the last one of its window
                if issue:
                    at += 1
                    left = -items * bits % lanes if lanes % bits and ends else 0
                    zeros = -(-left // bits)
                else:
                    zeros -= 1
                if (ends or not issue) and not zeros:
                    items = 0
            if advance:
                reading = [code if issue else None, *reading[:-1]]
            held = bool(valid and not ready)
            given += bool(valid and ready)
            await ctx.tick()
            cycle += 1
            if cut:
                ctx.set(restart, 0)
                ctx.set(unit.issue, 0)
                assert not ctx.get(unit.o.valid), "a restart, or a reset, forgets all words"
                return
        ctx.set(unit.issue, 0)


def draw_windows(rng: random.Random, config: ArrayConfig) -> list[Window]:
    """Frames of a few windows, of one size each: any number of codes."""
    most = 1 << config.input_code_bits
    windows = []
    for _ in range(5):
        size, width, height = rng.randint(1, 2 * config.lanes), rng.randint(1, 3), rng.randint(1, 2)
        for number in range(1, width * height + 1):
            windows.append(Window([rng.randrange(most) for _ in range(size)], int(number % width == 0),
                                  int(number == width * height)))
    return windows


@pytest.mark.parametrize("registers", range(3))
@pytest.mark.parametrize(("levels", "planes", "lanes"), CODES)
def test_random_windows(levels: int, planes: int, lanes: int, registers: int, seed: int) -> None:
    rng = random.Random(f"{seed} {levels} {planes} {registers}")
    config = array(levels, planes, lanes, registers)
    for stall in 0.0, 0.3, 0.7:
        Bench(rng, config, draw_windows(rng, config), stall).run(3)
