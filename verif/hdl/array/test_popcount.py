"""XNOR-popcount: every size with every pipeline, and all pairs of words of the small ones."""

import itertools
import random

import pytest

from signum.golden.reference.units import popcount
from signum.hdl.array.popcount import Popcount
from signum.hdl.config import ConfigError, popcount_levels
from signum.verif.bench.trace import AMARANTH, play

Pair = tuple[int, int]


def rtl(pairs: list[Pair], lanes: int, pipeline: int, simulator: str = AMARANTH) -> list[int | None]:
    """The counts; the unit gets a pair in each cycle, and other words behind the last one."""
    tail = [(0, (1 << lanes) - 1)] * pipeline
    steps = [{"a": a, "w": w} for a, w in pairs + tail]
    trace = play(Popcount(lanes=lanes, pipeline=pipeline), steps, simulator)
    return [outputs["count"] for outputs in trace[pipeline:]]


def ref(pairs: list[Pair], lanes: int) -> list[int]:
    return [popcount(a, w, lanes) for a, w in pairs]


def draw_pairs(rng: random.Random, lanes: int, count: int) -> list[Pair]:
    """All lanes equal, none, each lane alone, all but each, and random words."""
    ones = (1 << lanes) - 1
    equal = [ones, 0, *(1 << lane for lane in range(lanes)), *(ones ^ 1 << lane for lane in range(lanes))]
    equal += [rng.getrandbits(lanes) for _ in range(count)]
    rng.shuffle(equal)
    return [(a, a ^ ones ^ bits) for bits in equal for a in (rng.getrandbits(lanes),)]


def test_the_pipelines_that_there_are() -> None:
    levels = {1: 0, 4: 0, 5: 1, 9: 1, 10: 2, 19: 2, 20: 3, 39: 3, 40: 4, 128: 5}
    assert {lanes: popcount_levels(lanes) for lanes in levels} == levels


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 5])
def test_all_pairs(lanes: int) -> None:
    pairs = list(itertools.product(range(1 << lanes), range(1 << lanes)))
    for pipeline in range(popcount_levels(lanes) + 2):
        assert rtl(pairs, lanes, pipeline) == ref(pairs, lanes)


@pytest.mark.parametrize("lanes", [*range(6, 71), 128])
def test_every_size(lanes: int, seed: int) -> None:
    for pipeline in range(popcount_levels(lanes) + 2):
        pairs = draw_pairs(random.Random(f"{seed} {lanes} {pipeline}"), lanes, 20)
        assert rtl(pairs, lanes, pipeline) == ref(pairs, lanes)


def test_simulators(simulator: str, seed: int) -> None:
    pairs = draw_pairs(random.Random(seed), 70, 100)
    for pipeline in (4, 5):
        assert rtl(pairs, 70, pipeline, simulator) == ref(pairs, 70)


@pytest.mark.parametrize(("lanes", "pipeline", "message"), [
    (0, 0, "lanes must be a positive integer, not 0"),
    (-3, 0, "lanes must be a positive integer, not -3"),
    (4, 2, "pipeline must be from 0 to 1 for 4 lanes, not 2"),
    (10, 4, "pipeline must be from 0 to 3 for 10 lanes, not 4"),
    (10, -1, "pipeline must be from 0 to 3 for 10 lanes, not -1"),
])
def test_out_of_range(lanes: int, pipeline: int, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Popcount(lanes=lanes, pipeline=pipeline)
    assert str(refusal.value) == message
