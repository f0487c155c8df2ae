"""The packer: bits to words, with pauses between any two bits, and words that are dropped half full."""

import random
from typing import Any

import pytest

from golden.units import packer
from hdl.packer import Packer

from .trace import AMARANTH, play


class Case:
    """Layers: a begin (or a reset), then bits; the last word of a layer may be left half full."""

    def __init__(self, rng: random.Random, rows: int, lanes: int, layers: int) -> None:
        self.rows = rows
        self.lanes = lanes
        self.steps: list[dict[str, int]] = []
        self.expected: list[dict[str, Any]] = []       # of each cycle
        for _ in range(layers):
            self._layer(rng)

    def _layer(self, rng: random.Random) -> None:
        pauses = rng.choice([0.0, 0.3, 0.8])
        bits = [([rng.randrange(2) for _ in range(self.rows)], rng.random() < 0.1)
                for _ in range(rng.randint(1, 3 * self.lanes + 3))]
        steps = [rng.choice([{"begin": 1}, {"rst": 1}])]
        inserts = []
        for row_bits, ends in bits:
            while rng.random() < pauses:
                steps.append({"bits": rng.getrandbits(self.rows), "end": rng.randrange(2)})
            inserts.append(len(steps))
            steps.append({"insert": 1, "end": int(ends),
                          "bits": sum(bit << r for r, bit in enumerate(row_bits))})
        steps.append({})
        ends_at = [*(cycle + 1 for cycle in inserts[1:]), len(steps)]
        expected: list[dict[str, Any]] = [{"flush": 0} for _ in steps]
        for number, words, ends in packer(bits, self.lanes):
            flush, *kept = range(inserts[number] + 1, ends_at[number])
            expected[flush] = {"flush": 1, "flush_end": int(ends), "words": words}
            for cycle in kept:
                expected[cycle]["words"] = words
        self.steps += steps
        self.expected += expected


def rtl(case: Case, simulator: str = AMARANTH) -> list[dict[str, Any]]:
    trace = play(Packer(rows=case.rows, lanes=case.lanes), case.steps, simulator)
    return [{name: outputs[name] for name in now} for outputs, now in zip(trace, case.expected, strict=True)]


@pytest.mark.parametrize("lanes", [1, 2, 3, 7, 32, 33])
@pytest.mark.parametrize("rows", [1, 3])
def test_sizes(rows: int, lanes: int, seed: int) -> None:
    case = Case(random.Random(f"{seed} {rows} {lanes}"), rows, lanes, 30)
    assert rtl(case) == case.expected


def test_simulators(simulator: str, seed: int) -> None:
    case = Case(random.Random(seed), 3, 5, 60)
    assert rtl(case, simulator) == case.expected
