"""Products and their sum: every size with every pipeline, all pairs of two elements, and the largest sums."""

import itertools
import random

import pytest

from signum.golden.reference.units import multiply
from signum.hdl.array.multiply import Multiply
from signum.hdl.stages import multiply_levels
from signum.verif.bench.trace import AMARANTH, play

Pair = tuple[int, int]


def rtl(pairs: list[Pair], lanes: int, pipeline: int, simulator: str = AMARANTH) -> list[int]:
    """The dot products; the unit gets a pair in each cycle, and other words after the last pair."""
    unit = Multiply(lanes=lanes, pipeline=pipeline)
    steps = [{"a": a, "w": w} for a, w in pairs + [(1, 1)] * pipeline]
    size = 1 << len(unit.count)
    found = [outputs["count"] for outputs in play(unit, steps, simulator)[pipeline:]]
    return [value - size if 2 * value >= size else value for value in found]


def ref(pairs: list[Pair], lanes: int) -> list[int]:
    return [multiply(a, w, lanes) for a, w in pairs]


def draw_pairs(rng: random.Random, lanes: int, count: int) -> list[Pair]:
    """Random words, and the words of the largest and the least sum."""
    ends = [(0xff, 0x80), (0xff, 0x7f), (0, 0x80), (1, 0xff)]
    pairs = [tuple(int.from_bytes(bytes([element] * lanes)) for element in pair) for pair in ends]
    return [(a, w) for a, w in pairs] + [(rng.getrandbits(8 * lanes), rng.getrandbits(8 * lanes))
                                         for _ in range(count)]


def test_by_hand() -> None:
    pairs = [(0x0203, 0xff05), (0xffff, 0x8080), (0xffff, 0x7f7f)]
    assert rtl(pairs, 2, 0) == [3 * 5 - 2, -2 * 255 * 128, 2 * 255 * 127]


def test_all_pairs_of_elements() -> None:
    pairs = list(itertools.product(range(0, 256, 5), range(256)))
    assert rtl(pairs, 1, 0) == ref(pairs, 1)


@pytest.mark.parametrize("lanes", [*range(1, 10), 16, 21])
def test_every_size(lanes: int, seed: int) -> None:
    for pipeline in range(multiply_levels(lanes) + 1):
        pairs = draw_pairs(random.Random(f"{seed} {lanes} {pipeline}"), lanes, 40)
        assert rtl(pairs, lanes, pipeline) == ref(pairs, lanes)


def test_simulators(simulator: str, seed: int) -> None:
    pairs = draw_pairs(random.Random(seed), 5, 100)
    assert rtl(pairs, 5, 2, simulator) == ref(pairs, 5)
