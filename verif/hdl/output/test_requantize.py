"""Requantization: INT4 levels at both ends of the clip and between, numbers of 8-bit networks, unchanged sums."""

import random

import pytest

from signum.golden.reference.units import int4_level, requantize
from signum.hdl.config import ArrayConfig
from signum.hdl.output.requantize import Requantize
from signum.verif.bench.trace import AMARANTH, play

SIZES = [(1, 1, 0), (1, 18, 24), (4, 16, 3), (10, 16, 12), (12, 5, 1), (32, 18, 24)]


def config_of(acc_bits: int, scale_bits: int, shift: int, element_bits: int = 1) -> ArrayConfig:
    return ArrayConfig(rows=1, cols=1, lanes=1, acc_bits=acc_bits, sum_bits=max(5, acc_bits), scale_bits=scale_bits,
                       requantize_shift=shift, element_bits=element_bits)


def wrapped(value: int, bits: int, signed: bool) -> int:
    """The value of the lowest ``bits`` bits of a number."""
    value %= 1 << bits
    return value - (1 << bits) if signed and value >> bits - 1 else value


class Case:
    """Sums with their numbers, many of them with a result around one of the 15 steps between levels."""

    def __init__(self, config: ArrayConfig, rng: random.Random, count: int) -> None:
        self.config = config
        self.enable = [False] * 20 + [True] * count
        self.numbers = [self._draw(rng) for _ in self.enable]

    def _draw(self, rng: random.Random) -> tuple[int, int, int]:
        config = self.config
        end = 1 << config.offset_bits - 1
        total, scale = (rng.getrandbits(rng.randint(0, bits)) for bits in (config.acc_bits, config.scale_bits))
        total = wrapped(total * rng.choice([1, -1]), config.acc_bits, True) if config.signed else total
        step = rng.randint(-9, 8) << config.requantize_shift
        offset = rng.choice([step - total * scale + rng.choice([-1, 0, 1]), rng.choice([-end, end - 1]),
                             rng.randrange(-end, end)])
        return total, scale, min(max(offset, -end), end - 1)


def rtl(case: Case, simulator: str = AMARANTH) -> list[int | None]:
    steps = [{"sum": total, "scale": scale, "offset": offset, "enable": enable}
             for (total, scale, offset), enable in zip(case.numbers, case.enable, strict=True)]
    late = case.config.requantize_cycles
    # the last unchanged sums have left before the levels begin
    steps[20:20] = [{}] * late
    trace = play(Requantize(config=case.config), [*steps, *[{"enable": 1}] * late], simulator)
    found = [outputs["operand"] for outputs in trace[late:]]
    return found[:20] + found[20 + late:]


def ref(case: Case) -> list[int]:
    found = []
    for (total, scale, offset), enable in zip(case.numbers, case.enable, strict=True):
        number = requantize(total, scale, offset, case.config.requantize_shift)
        operand = total if not enable else number if case.config.signed else int4_level(number)
        found.append(operand % (1 << case.config.operand_bits))
    return found


@pytest.mark.parametrize(("acc_bits", "scale_bits", "shift"), SIZES)
def test_sizes(acc_bits: int, scale_bits: int, shift: int, seed: int) -> None:
    case = Case(config_of(acc_bits, scale_bits, shift), random.Random(f"{seed} {acc_bits} {shift}"), 600)
    expected = ref(case)
    assert set(expected[20:]) >= {0, 8, 15}
    assert rtl(case) == expected


@pytest.mark.parametrize(("acc_bits", "scale_bits", "shift"), [(16, 1, 0), (20, 16, 12), (32, 18, 24)])
def test_numbers_of_an_8_bit_network(acc_bits: int, scale_bits: int, shift: int, seed: int) -> None:
    case = Case(config_of(acc_bits, scale_bits, shift, 8), random.Random(f"{seed} {acc_bits}"), 600)
    assert rtl(case) == ref(case)


def test_every_level() -> None:
    """By hand: (3*sum - 40) >> 1 for sums from 0 to 31."""
    config = config_of(5, 2, 1)
    steps = [{"sum": total, "scale": 3, "offset": -40, "enable": 1} for total in range(32)]
    levels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 4, 6, 7, 9, 10, 12, 13, *[15] * 14]
    late = config.requantize_cycles
    trace = play(Requantize(config=config), [*steps, *[{"enable": 1}] * late])
    assert [outputs["operand"] for outputs in trace[late:]] == levels


def test_simulators(simulator: str, seed: int) -> None:
    case = Case(config_of(10, 16, 12), random.Random(seed), 300)
    assert rtl(case, simulator) == ref(case)
