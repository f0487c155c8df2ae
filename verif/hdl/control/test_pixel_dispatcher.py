"""The pixel dispatcher: the pixels of each group in the specified cycles, for groups taken at any time."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.golden.reference.units import pixel_positions
from signum.hdl.config import bits_to_hold
from signum.hdl.control.pixel_dispatcher import PixelDispatcher
from signum.verif.bench.trace import AMARANTH, play

BITS = 3


class Dealt(wiring.Component):
    """A pixel dispatcher, and the pixel of its counter."""

    def __init__(self, *, rows: int) -> None:
        self.rows = rows
        super().__init__({
            "split": In(1), "x_last": In(BITS), "y_last": In(BITS), "restart": In(1), "take": In(1),
            "fill": Out(1), "row": Out(bits_to_hold(rows - 1)), "busy": Out(1),
            "x": Out(BITS), "y": Out(BITS), "past": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.filler = unit = PixelDispatcher(rows=self.rows, bits=BITS)
        m.d.comb += [getattr(unit, name).eq(getattr(self, name))
                     for name in ("split", "x_last", "y_last", "restart", "take")]
        m.d.comb += [getattr(self, name).eq(getattr(unit, name)) for name in ("fill", "row", "busy")]
        m.d.comb += [getattr(self, name).eq(getattr(unit.raster, name)) for name in ("x", "y", "past")]
        return m


def draw_steps(rng: random.Random, rows: int, maps: int) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """Inputs and expected outputs: maps, some of them abandoned or reset, even during a fill."""
    steps: list[dict[str, int]] = []
    seen: list[dict[str, int]] = []
    for _ in range(maps):
        split = rng.randrange(2)
        x_last, y_last = (rng.choice([rng.randrange(size), (1 << BITS) - 1]) for size in (5, 3))
        pixels = pixel_positions(x_last, y_last)
        burst = rows if split else 1
        strobe = {"restart": 1, "take": rng.randrange(2)}
        for group in range(rng.randint(1, -(-len(pixels) // burst) + 1)):
            pause = rng.choice([0, 0, 1, 5])
            steps += [{"split": split, "x_last": x_last, "y_last": y_last, **now} for now in
                      [strobe, *[{}] * (burst + pause)]]
            seen += [{"fill": 0, "busy": 0}]
            for row in range(burst):
                number = group * burst + row
                where = dict(zip("xy", pixels[number], strict=True)) if number < len(pixels) else {}
                at = {"row": row} if split else {}
                seen.append({"fill": 1, "busy": 1, "past": int(not where), **where, **at})
            seen += [{"fill": 0, "busy": 0}] * pause
            strobe = {"take": 1}
        cut = rng.choice([0, 0, rng.randrange(burst + 1)])
        if cut:
            del steps[-cut:], seen[-cut:]
            steps.append({"rst": 1})
            seen.append({})
    return steps, seen


def check(rows: int, rng: random.Random, maps: int, simulator: str = AMARANTH) -> None:
    steps, seen = draw_steps(rng, rows, maps)
    found: list[dict[str, Any]] = play(Dealt(rows=rows), steps, simulator)
    assert [{name: outputs[name] for name in now} for outputs, now in zip(found, seen, strict=True)] == seen


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_groups(rows: int, seed: int) -> None:
    check(rows, random.Random(f"{seed} {rows}"), 60)


def test_simulators(simulator: str, seed: int) -> None:
    check(3, random.Random(seed), 40, simulator)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_restart_in_a_fill_begins_anew(rows: int) -> None:
    steps = [{"split": 1, "x_last": 3, "y_last": 0, **now} for now in
             [{"restart": 1}, {}, {"restart": 1}, *[{}] * rows, {}]]
    trace = play(Dealt(rows=rows), steps)[3:]
    assert [outputs["row"] for outputs in trace if outputs["fill"]] == list(range(rows))
    assert [outputs["x"] for outputs in trace if outputs["fill"]] == list(range(rows))
