"""The processing element: sums begun at any time, loaded at any time, and the drain chain through it."""

import random

import pytest
from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from signum.golden.reference.units import processing_element
from signum.hdl.array.pe import ProcessingElement, takes_sums_early
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import Target
from signum.verif.bench.trace import AMARANTH, play

SIZES = [(1, 1, 0, 1), (1, 1, 0, 4), (1, 4, 0, 3), (1, 7, 0, 5), (1, 7, 1, 3), (1, 33, 2, 6), (1, 70, 4, 9),
         (8, 1, 0, 16), (8, 1, 1, 20), (8, 3, 2, 18), (8, 8, 4, 32)]


class Case:
    """A pair of words each cycle, some of them equal in all bits or in none, whether each begins a sum, and the loads
    of the drain."""

    def __init__(self, config: ArrayConfig, rng: random.Random, cycles: int) -> None:
        bits = config.word_bits
        rare = rng.choice([0.02, 0.3, 0.9])
        self.config = config
        ones = (1 << bits) - 1
        self.pairs = [(a, rng.choice([a, a ^ ones, *[rng.getrandbits(bits)] * 8]), cycle == 0 or rng.random() < rare)
                      for cycle in range(cycles) for a in (rng.getrandbits(bits),)]
        self.loads = [cycle > config.pipeline and rng.random() < 0.4 for cycle in range(cycles)]
        self.neighbours = [rng.getrandbits(config.acc_bits) for _ in range(cycles)]
        self.resets = [rng.random() < 0.05 for _ in range(cycles)]
        self.shifts = [bool(config.accumulator_shift) and rng.random() < 0.4 for _ in range(cycles)]


def rtl(case: Case, simulator: str = AMARANTH, platform: object = None) -> list[int | None]:
    """The result register after each cycle, from the cycle of the first pair on."""
    pipeline = case.config.pipeline
    early = takes_sums_early(platform, case.config)
    # a cycle before the first pair, for an early ``first``
    firsts = [False] * (1 + pipeline - early) + [first for _, _, first in case.pairs] + [False]
    steps = [{"first": firsts[0]}] + [
        {"a": a, "w": w, "first": first, "load": load, "neighbour": neighbour, "rst": reset}
        for (a, w, _), first, load, neighbour, reset
        in zip(case.pairs, firsts[1:], case.loads, case.neighbours, case.resets, strict=False)]
    if case.config.accumulator_shift:       # with the count of its pair
        for step, shift in zip(steps[1 + pipeline:], case.shifts, strict=False):
            step["shift"] = shift
    trace = play(ProcessingElement(config=case.config), steps, simulator, platform)
    return [outputs["result"] for outputs in trace[2:]]


def ref(case: Case, early: bool = False) -> list[int]:
    sums = processing_element(case.config, case.pairs, case.shifts)
    late = case.config.pipeline + 1 - early
    return [sums[cycle - late] if load else neighbour
            for cycle, (load, neighbour) in enumerate(zip(case.loads, case.neighbours, strict=True))][:-1]


def config_of(element_bits: int, lanes: int, pipeline: int, acc_bits: int) -> ArrayConfig:
    return ArrayConfig(rows=1, cols=1, lanes=lanes, pipeline=pipeline, acc_bits=acc_bits, sum_bits=max(16, acc_bits),
                       element_bits=element_bits)


@pytest.mark.parametrize(("element_bits", "lanes", "pipeline", "acc_bits"), SIZES)
def test_sizes(element_bits: int, lanes: int, pipeline: int, acc_bits: int, seed: int) -> None:
    for number in range(3):
        case = Case(config_of(element_bits, lanes, pipeline, acc_bits), random.Random(f"{seed} {number}"), 300)
        assert rtl(case) == ref(case)


@pytest.mark.parametrize(("element_bits", "lanes", "pipeline", "acc_bits"), SIZES)
def test_sums_taken_early(element_bits: int, lanes: int, pipeline: int, acc_bits: int, seed: int) -> None:
    """The same sums, begun and loaded a cycle earlier."""
    for number in range(3):
        case = Case(config_of(element_bits, lanes, pipeline, acc_bits), random.Random(f"{seed} {number}"), 300)
        assert rtl(case, platform=Target("gowin")) == ref(case, early=True)


@pytest.mark.parametrize(("lanes", "pipeline", "acc_bits"), [size[1:] for size in SIZES if size[0] == 1])
@pytest.mark.parametrize("family", ["ice40", "gowin"])
def test_accumulators_that_double(family: str, lanes: int, pipeline: int, acc_bits: int, seed: int) -> None:
    early = family == "gowin"
    for number in range(3):
        config = config_of(1, lanes, pipeline, acc_bits).replace(accumulator_shift=1)
        case = Case(config, random.Random(f"{seed} {number}"), 300)
        assert rtl(case, platform=Target(family)) == ref(case, early=early)


def test_who_takes_sums_early() -> None:
    assert [takes_sums_early(platform, config_of(1, 8, 0, 12)) for platform in (
        Target("gowin"), TangNano9kPlatform(toolchain="Apicula"), Target("ecp5"), Target("ice40"), None)] \
        == [True, True, False, False, False]
    doubling = config_of(1, 8, 0, 12).replace(accumulator_shift=1)
    assert [takes_sums_early(Target(family), doubling) for family in ("gowin", "ecp5", "ice40")] == [True, True, False]


def test_simulators(simulator: str, seed: int) -> None:
    case = Case(config_of(1, 7, 1, 6), random.Random(seed), 500)
    assert rtl(case, simulator) == ref(case)
