"""The window reader against its loop nest, for any geometry: every address and end, whatever holds it up."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.control.input_geometry import input_fields
from signum.hdl.input.window_reader import WindowReader
from signum.verif.bench.trace import AMARANTH, play

CODES: Mapping[str, Mapping[str, int]] = {
    "planes": {"input_planes": 8},
    "thermometer": {"input_planes": 1, "input_levels": 4, "input_maximum": 255},
}
LOOPS = ("run", "tap_y", "x", "y")
LONGEST = 400           # values of a frame


def array(code: str) -> ArrayConfig:
    return ArrayConfig(rows=3, cols=4, lanes=8, activation_depth=4096, input_depth=64, answer_ranks=1, **CODES[code])


def values(geometry: Mapping[str, int], depth: int) -> Iterator[dict[str, int]]:
    """The values of all windows of a frame: their addresses, and what ends with them."""
    address = 0
    for y in range(geometry["y"] + 1):
        for x in range(geometry["x"] + 1):
            for tap_y in range(geometry["tap_y"] + 1):
                for run in range(geometry["run"] + 1):
                    run_end = run == geometry["run"]
                    window_end = run_end and tap_y == geometry["tap_y"]
                    line_end = window_end and x == geometry["x"]
                    yield {"issue": 1, "address": address, "window_end": int(window_end), "line_end": int(line_end),
                           "frame_end": int(line_end and y == geometry["y"])}
                    address += (geometry["line_step"] if line_end else geometry["window_step"] if window_end else
                                geometry["tap_line"] if run_end else 1)
                    address %= depth


def draw_geometry(rng: random.Random, config: ArrayConfig, longest: str = "") -> dict[str, int]:
    """Any fields, with short loops but for the ``longest``, which has as many turns as its field can have."""
    geometry = {field.name: rng.randrange(1 << field.bits) for field in input_fields(config)}
    if longest:
        return geometry | {loop: rng.randint(0, 1) for loop in LOOPS if loop != longest} | {
            longest: max((1 << field.bits) - 1 for field in input_fields(config) if field.name == longest)}
    while True:
        loops = {loop: rng.choice([0, 1, 2, 3, rng.randrange(32)]) for loop in LOOPS}
        if len(list(values(geometry | loops, config.input_depth))) <= LONGEST:
            return geometry | loops


class Case:
    """Successive frames: whole ones, frames given up by a restart, and frames cut short by a reset."""

    def __init__(self, rng: random.Random, config: ArrayConfig, geometries: list[dict[str, int]]) -> None:
        self.config = config
        self.steps: list[dict[str, Any]] = []
        self.expected: list[dict[str, int]] = []
        for geometry in geometries:
            frame = list(values(geometry, config.input_depth))
            stall = rng.choice([0.0, 0.1, 0.5])
            given_up = rng.random() < 0.3
            for value in frame[:rng.randint(0, len(frame))] if given_up else frame:
                while rng.random() < stall:
                    self._cycle(geometry, *rng.choice([(0, 0), (0, 1), (1, 0)]))
                self._cycle(geometry, 1, 1, value)
            for _ in range(rng.choice([0, 1, 5])):          # behind the last value nothing is readable
                self._cycle(geometry, 0, rng.randrange(2))
            if given_up and len(frame) > 1 and rng.random() < 0.5:
                self.steps[-1] |= {"rst": 1} if rng.random() < 0.5 else {"restart": 1}
            else:
                self._cycle(geometry, 0, rng.randrange(2))
                self.steps[-1]["restart"] = 1

    def _cycle(self, geometry: dict[str, int], readable: int, ready: int,
               value: Mapping[str, int] | None = None) -> None:
        self.steps.append({"geometry": geometry, "readable": readable, "ready": ready})
        self.expected.append(dict(value or {"issue": 0}))


def check(case: Case, simulator: str = AMARANTH) -> None:
    """The first frame begins without a restart, after the reset."""
    trace = play(WindowReader(config=case.config), case.steps, simulator)
    assert [{name: outputs[name] for name in now} for outputs, now in zip(trace, case.expected, strict=True)
            ] == case.expected


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("code", CODES)
def test_random_frames(code: str, number: int, seed: int) -> None:
    rng = random.Random(f"{seed} {code} {number}")
    config = array(code)
    check(Case(rng, config, [draw_geometry(rng, config) for _ in range(12)]))


@pytest.mark.parametrize("longest", LOOPS)
@pytest.mark.parametrize("code", CODES)
def test_longest_loops(code: str, longest: str, seed: int) -> None:
    rng = random.Random(f"{seed} {code} {longest}")
    config = array(code)
    check(Case(rng, config, [draw_geometry(rng, config, longest) for _ in range(2)]))


def test_simulators(simulator: str, seed: int) -> None:
    rng = random.Random(seed)
    config = array("planes")
    check(Case(rng, config, [draw_geometry(rng, config) for _ in range(6)]), simulator)
