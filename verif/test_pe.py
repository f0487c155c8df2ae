"""The processing element: sums begun at any time, loaded at any time, and the drain chain through it."""

import random

import pytest

from golden.units import processing_element
from hdl.config import ArrayConfig
from hdl.pe import ProcessingElement

from .trace import AMARANTH, play

SIZES = [(1, 1, 0, 1), (1, 1, 0, 4), (1, 4, 0, 3), (1, 7, 0, 5), (1, 7, 1, 3), (1, 33, 2, 6), (1, 70, 4, 9),
         (8, 1, 0, 16), (8, 1, 1, 20), (8, 3, 2, 18), (8, 8, 4, 32)]


class Case:
    """A pair of words each cycle, for each whether it begins a sum; what the drain asks for."""

    def __init__(self, config: ArrayConfig, rng: random.Random, cycles: int) -> None:
        bits = config.word_bits
        rare = rng.choice([0.02, 0.3, 0.9])
        self.config = config
        self.pairs = [(rng.getrandbits(bits), rng.getrandbits(bits), cycle == 0 or rng.random() < rare)
                      for cycle in range(cycles)]
        self.loads = [cycle > config.pipeline and rng.random() < 0.4 for cycle in range(cycles)]
        self.neighbours = [rng.getrandbits(config.acc_bits) for _ in range(cycles)]
        self.resets = [rng.random() < 0.05 for _ in range(cycles)]


def rtl(case: Case, simulator: str = AMARANTH) -> list[int | None]:
    """The result register behind each cycle."""
    pipeline = case.config.pipeline
    firsts = [False] * pipeline + [first for _, _, first in case.pairs]
    steps = [{"a": a, "w": w, "first": first, "load": load, "neighbour": neighbour, "rst": reset}
             for (a, w, _), first, load, neighbour, reset
             in zip(case.pairs, firsts, case.loads, case.neighbours, case.resets, strict=False)]
    trace = play(ProcessingElement(config=case.config), steps, simulator)
    return [outputs["result"] for outputs in trace[1:]]


def ref(case: Case) -> list[int]:
    sums = processing_element(case.config, case.pairs)
    late = case.config.pipeline + 1
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


def test_simulators(simulator: str, seed: int) -> None:
    case = Case(config_of(1, 7, 1, 6), random.Random(seed), 500)
    assert rtl(case, simulator) == ref(case)
