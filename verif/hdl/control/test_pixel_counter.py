"""The pixel counter and an address that follows it, under all combinations of strobes."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.golden.reference.units import follow as addresses_of
from signum.golden.reference.units import pixel_positions
from signum.hdl.control.pixel_counter import PixelCounter, follow
from signum.verif.bench.trace import AMARANTH, play

STROBES = ("restart", "back", "mark", "step")


class Followed(wiring.Component):
    """A pixel counter, and an address that follows it."""

    def __init__(self, *, bits: int) -> None:
        self.bits = bits
        super().__init__({
            **{name: In(bits) for name in ("x_last", "y_last", "start", "by", "line")},
            **{name: In(1) for name in STROBES},
            "x": Out(bits), "y": Out(bits), "wrap": Out(1), "past": Out(1), "address": Out(bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.raster = unit = PixelCounter(bits=self.bits)
        follow(m, unit, self.address, start=self.start, step=self.by, line=self.line)
        m.d.comb += [getattr(unit, name).eq(getattr(self, name)) for name in (*STROBES, "x_last", "y_last")]
        m.d.comb += [getattr(self, name).eq(getattr(unit, name)) for name in ("x", "y", "wrap", "past")]
        return m


def ref(steps: list[dict[str, int]], bits: int) -> list[dict[str, int]]:
    """The expected outputs of each cycle: none at a restart, only ``past`` after the last pixel."""
    pixels: list[tuple[int, int]] = []
    number = marked = 0
    seen: list[dict[str, int]] = []
    for step in steps:
        if step["restart"]:
            seen.append({})
        elif number < len(pixels):
            x, y = pixels[number]
            address, = addresses_of([(x, y)], step["x_last"], step["start"], step["by"], step["line"], bits)
            seen.append({"x": x, "y": y, "wrap": int(x == step["x_last"]), "past": 0, "address": address})
        else:
            seen.append({"past": 1})
        if step["mark"]:
            marked = number
        if step["restart"]:
            pixels, number = pixel_positions(step["x_last"], step["y_last"]), 0
        elif step["back"]:
            number = marked
        elif step["step"]:
            number = min(number + 1, len(pixels))
    return seen


def draw_steps(rng: random.Random, bits: int, count: int) -> list[dict[str, int]]:
    """Strobes of every rate; a new map at restarts. A mark is made before the first ``back`` of a map."""
    steps: list[dict[str, int]] = []
    rates = {"back": rng.choice([0.05, 0.3]), "mark": rng.choice([0.05, 0.3]),
             "step": rng.choice([0.3, 0.9]), "restart": 0.03}
    geometry: dict[str, int] = {}
    for cycle in range(count):
        step = {name: int(rng.random() < rates[name]) for name in STROBES}
        if cycle == 0 or step["restart"]:
            step |= {"restart": 1}
            geometry = {"x_last": rng.randrange(min(5, 1 << bits)),
                        "y_last": rng.randrange(min(4, 1 << bits)),
                        **{name: rng.getrandbits(bits) for name in ("start", "by", "line")}}
            steps.append({**geometry, **step})
            marked = False
            continue
        marked = marked or bool(step["mark"])
        steps.append({**geometry, **step, "back": int(step["back"] and marked)})
    return steps


def check(bits: int, steps: list[dict[str, int]], simulator: str = AMARANTH) -> None:
    found: list[dict[str, Any]] = play(Followed(bits=bits), steps, simulator)
    expected = ref(steps, bits)
    assert [{name: outputs[name] for name in seen}
            for outputs, seen in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize("bits", [1, 2, 3, 6])
def test_strobes(bits: int, seed: int) -> None:
    for number in range(8):
        check(bits, draw_steps(random.Random(f"{seed} {bits} {number}"), bits, 400))


@pytest.mark.parametrize(("bits", "x_last", "y_last"), [
    (1, 1, 1), (3, 7, 7), (3, 4, 5), (6, 63, 1), (6, 1, 63), (6, 42, 3), (6, 2, 37)])
def test_every_pixel_of_large_maps(bits: int, x_last: int, y_last: int, seed: int) -> None:
    """Coordinates and what is left of a line and of a map take all their values, also behind a ``back``."""
    rng = random.Random(f"{seed} {x_last} {y_last}")
    geometry = {"x_last": x_last, "y_last": y_last, **{name: rng.getrandbits(bits) for name in ("start", "by", "line")}}
    pixels = (x_last + 1) * (y_last + 1)
    strobes = [{"restart": 1}, {"mark": 1}, *[{"step": 1}] * (pixels + 1), {"back": 1}]
    for _ in range(3 * pixels):
        strobes += [{"step": 1, "mark": int(rng.random() < 0.1)}, *[{"back": 1}] * (rng.random() < 0.03)]
    check(bits, [geometry | dict.fromkeys(STROBES, 0) | now for now in strobes])


def test_simulators(simulator: str, seed: int) -> None:
    rng = random.Random(seed)
    check(4, [step for _ in range(5) for step in draw_steps(rng, 4, 200)], simulator)


@pytest.mark.parametrize("bits", [1, 2, 3, 6])
def test_reset_goes_to_the_first_pixel(bits: int) -> None:
    size = {"x_last": 1, "y_last": 1}
    steps = [size | {"step": 1}] * 5 + [size | {"rst": 1}, size]
    last = play(Followed(bits=bits), steps)[-1]
    assert (last["x"], last["y"], last["past"]) == (0, 0, 0)
