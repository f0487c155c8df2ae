"""The array: skewed words in, complete sums out, each on its beat; noise on all other inputs."""

import random
from dataclasses import dataclass
from typing import Any

import pytest

from signum.golden.reference.units import array
from signum.hdl.array.array import Array
from signum.hdl.config import ArrayConfig, ConfigError, bits_to_hold
from signum.hdl.lib.emit import Target
from signum.hdl.stages import popcount_levels
from signum.verif.bench.trace import AMARANTH, play

SIZES = [(1, 1, 1, 1), (1, 1, 5, 4), (1, 5, 3, 1), (5, 1, 3, 1), (2, 3, 7, 1), (3, 5, 7, 2), (4, 4, 12, 4),
         (7, 3, 4, 3), (5, 8, 10, 4), (6, 9, 2, 4),
         (11, 2, 3, 1), (19, 2, 3, 2), pytest.param(66, 1, 2, 1, marks=pytest.mark.slow)]


@dataclass
class Dot:
    """One dot product of every element, from a start cycle: words by step and row, and by step and column."""

    start: int
    a: list[list[int]]
    w: list[list[int]]
    shifts: list[bool]

    @property
    def last(self) -> int:
        return self.start + len(self.a) - 1


LONGEST = 10            # steps of a dot product


def draw_word(rng: random.Random, bits: int) -> int:
    """A word, often with most bits alike: so that most lanes are equal, or none."""
    word, other = rng.getrandbits(bits), rng.getrandbits(bits)
    return rng.choice([word, word, word & other, word | other, 0, (1 << bits) - 1])


def acc_bits(lanes: int) -> int:
    """The least width of an accumulator, so that sums use all its bits."""
    return bits_to_hold(LONGEST * lanes)


def draw_dots(rng: random.Random, config: ArrayConfig, count: int) -> list[Dot]:
    """Dot products as close as the drain allows, or apart; the first one is the largest, as some others are."""
    dots: list[Dot] = []
    start, last = 0, -config.drain_cycles
    for number in range(count):
        largest = number == 0 or rng.random() < 0.1
        length = LONGEST if number == 0 else rng.choice([1, 2, 3, LONGEST])
        start = max(start, last + config.drain_cycles - length + 1) + rng.choice([0, 0, 0, 1, 4])
        draw = (lambda rng, bits: (1 << bits) - 1) if largest else draw_word
        a, w = ([[draw(rng, config.word_bits) for _ in range(size)] for _ in range(length)]
                for size in (config.rows, config.cols))
        dots.append(Dot(start, a, w, [bool(config.accumulator_shift) and rng.random() < 0.5 for _ in range(length)]))
        last = dots[-1].last
        start = last + 1
    return dots


def steps_of(rng: random.Random, config: ArrayConfig, dots: list[Dot]) -> list[dict[str, Any]]:
    """The inputs: words from the second cycle on, since ``first`` precedes them, and a tail until all sums left."""
    length = dots[-1].last + config.pipeline + config.drain_cycles + config.tile_rows + 3
    steps: list[dict[str, Any]] = [{
        "a": [rng.getrandbits(config.word_bits) for _ in range(config.rows)],
        "w": [rng.getrandbits(config.word_bits) for _ in range(config.cols)], "first": 0, "load": 0,
    } for _ in range(length)]
    for dot in dots:
        steps[dot.start + config.pipeline]["first"] = 1
        steps[dot.last + config.pipeline + 1]["load"] = 1
        if config.accumulator_shift:
            for k, shift in enumerate(dot.shifts):
                steps[dot.start + config.pipeline + k]["shift"] = shift
        for name, words, size in (("a", dot.a, config.tile_height or config.tile), ("w", dot.w, config.tile)):
            for k, line in enumerate(words):
                for i, word in enumerate(line):
                    steps[dot.start + 1 + k + i // size][name][i] = word
    return steps


def rtl(config: ArrayConfig, dots: list[Dot], rng: random.Random, simulator: str = AMARANTH,
        platform: object = None) -> list[Any]:
    """Sums by dot product, row and column, after a run cut short by a reset."""
    steps = steps_of(rng, config, dots)
    cut = [*steps[:rng.randrange(1, len(steps))], {"rst": 1, "load": 1, "first": 1}]
    trace = play(Array(config=config), cut + steps, simulator, platform)[len(cut):]
    width, height = config.drain_width, config.tile_height or config.tile
    return [[[trace[dot.last + config.pipeline + 3 + r // height + c // width + c // config.tile]["sums"][r]
              >> c % width * config.acc_bits & (1 << config.acc_bits) - 1
              for c in range(config.cols)] for r in range(config.rows)] for dot in dots]


def ref(config: ArrayConfig, dots: list[Dot]) -> list[Any]:
    return [array(config, dot.a, dot.w, dot.shifts) for dot in dots]


@pytest.mark.parametrize(("rows", "cols", "lanes", "tile"), SIZES)
def test_sizes(rows: int, cols: int, lanes: int, tile: int, seed: int) -> None:
    for pipeline in {0, popcount_levels(lanes), popcount_levels(lanes) + 1}:
        config = ArrayConfig(rows=rows, cols=cols, lanes=lanes, tile=tile, pipeline=pipeline, acc_bits=acc_bits(lanes))
        rng = random.Random(f"{seed} {config}")
        dots = draw_dots(rng, config, 30)
        assert rtl(config, dots, rng) == ref(config, dots)


@pytest.mark.parametrize(("width", "cols", "tile"), [(2, 2, 4), (2, 6, 4), (3, 9, 3), (4, 8, 8)])
def test_several_sums_of_a_row_at_once(width: int, cols: int, tile: int, seed: int) -> None:
    config = ArrayConfig(rows=3, cols=cols, lanes=2 * width, tile=tile, acc_bits=acc_bits(2 * width),
                         drain_width=width)
    rng = random.Random(f"{seed} {config}")
    dots = draw_dots(rng, config, 20)
    assert rtl(config, dots, rng) == ref(config, dots)


@pytest.mark.parametrize(("rows", "cols", "tile", "height", "width"), [
    (5, 8, 8, 1, 2), (7, 6, 4, 2, 2), (6, 3, 2, 4, 1), (3, 4, 4, 9, 1)])
def test_tiles_of_other_heights(rows: int, cols: int, tile: int, height: int, width: int, seed: int) -> None:
    config = ArrayConfig(rows=rows, cols=cols, lanes=6, tile=tile, acc_bits=acc_bits(6), drain_width=width,
                         tile_height=height)
    rng = random.Random(f"{seed} {config}")
    dots = draw_dots(rng, config, 12)
    assert rtl(config, dots, rng) == ref(config, dots)


@pytest.mark.parametrize(("lanes", "pipeline"), [(1, 0), (1, 1), (3, 2), (4, 3)])
def test_elements_of_8_bits(lanes: int, pipeline: int, seed: int) -> None:
    config = ArrayConfig(rows=3, cols=5, lanes=lanes, tile=2, pipeline=pipeline, acc_bits=20, sum_bits=20,
                         element_bits=8)
    rng = random.Random(f"{seed} {lanes}")
    dots = draw_dots(rng, config, 12)
    assert rtl(config, dots, rng) == ref(config, dots)


@pytest.mark.parametrize(("rows", "cols", "lanes", "tile"), [(1, 1, 1, 1), (2, 3, 7, 1), (7, 3, 4, 3), (6, 9, 2, 4)])
@pytest.mark.parametrize("pipeline", [0, 1])
def test_elements_that_take_sums_early(rows: int, cols: int, lanes: int, tile: int, pipeline: int, seed: int) -> None:
    """Same inputs, same sums, same cycles."""
    config = ArrayConfig(rows=rows, cols=cols, lanes=lanes, tile=tile, pipeline=pipeline, acc_bits=8)
    rng = random.Random(f"{seed} {config}")
    dots = draw_dots(rng, config, 12)
    assert rtl(config, dots, rng, platform=Target("gowin")) == ref(config, dots)


@pytest.mark.parametrize(("rows", "cols", "lanes", "tile"), [(1, 1, 1, 1), (2, 3, 7, 1), (7, 3, 4, 3), (6, 9, 2, 4)])
@pytest.mark.parametrize(("pipeline", "family"), [(0, ""), (1, ""), (1, "gowin")])
def test_accumulators_that_double(rows: int, cols: int, lanes: int, tile: int, pipeline: int, family: str, seed: int,
                                  ) -> None:
    config = ArrayConfig(rows=rows, cols=cols, lanes=lanes, tile=tile, pipeline=pipeline, acc_bits=8,
                         accumulator_shift=1)
    rng = random.Random(f"{seed} {config}")
    dots = draw_dots(rng, config, 12)
    assert rtl(config, dots, rng, platform=Target(family) if family else None) == ref(config, dots)


def test_simulators(simulator: str, seed: int) -> None:
    config = ArrayConfig(rows=3, cols=5, lanes=7, tile=2, pipeline=1, acc_bits=7)
    rng = random.Random(seed)
    dots = draw_dots(rng, config, 60)
    assert rtl(config, dots, rng, simulator) == ref(config, dots)


def test_drain_cycles_are_the_beats_of_a_row() -> None:
    for cols, tile, cycles in ((1, 1, 1), (5, 1, 9), (5, 2, 7), (4, 4, 4), (8, 4, 9), (9, 4, 11)):
        assert ArrayConfig(rows=1, cols=cols, lanes=1, tile=tile).drain_cycles == cycles


@pytest.mark.parametrize(("name", "value", "message"), [
    ("rows", 0, "rows must be a positive integer, not 0"),
    ("cols", -1, "cols must be a positive integer, not -1"),
    ("tile", 0, "tile must be a positive integer, not 0"),
    ("pipeline", 3, "pipeline must be at most 2 for 7 lanes, not 3"),
    ("acc_bits", 2, "acc_bits must be at least 3 for 7 lanes, not 2"),
])
def test_out_of_range(name: str, value: int, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Array(config=ArrayConfig(**({"rows": 2, "cols": 2, "lanes": 7} | {name: value})))
    assert str(refusal.value) == message
