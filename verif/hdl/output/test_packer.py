"""The packer: elements to words, with pauses between elements, and dropped incomplete words."""

import random
from typing import Any

import pytest

from signum.golden.reference.units import packer
from signum.hdl.output.packer import Packer
from signum.verif.bench.trace import AMARANTH, play


class Case:
    """Layers: a begin (or a reset), then elements; the last word of a layer may be incomplete."""

    def __init__(self, rng: random.Random, rows: int, lanes: int, layers: int, bits: int = 1, width: int = 1) -> None:
        self.rows = rows
        self.lanes = lanes
        self.bits = bits
        self.width = width
        self.steps: list[dict[str, Any]] = []
        self.expected: list[dict[str, Any]] = []       # of each cycle
        for _ in range(layers):
            self._layer(rng)

    def _elements(self, rng: random.Random) -> list[int]:
        return [rng.getrandbits(self.bits * self.width) for _ in range(self.rows)]

    def _layer(self, rng: random.Random) -> None:
        pauses = rng.choice([0.0, 0.3, 0.8])
        count = rng.randint(1, 3 * self.lanes // self.width + 3)
        elements = [(self._elements(rng), rng.random() < 0.2) for _ in range(count)]
        steps: list[dict[str, Any]] = [rng.choice([{"restart": 1}, {"rst": 1}])]
        inserts = []
        for row_elements, ends in elements:
            while rng.random() < pauses:
                steps.append({"elements": self._elements(rng), "pixel_end": rng.randrange(2),
                              "layer_end": rng.randrange(2)})
            inserts.append(len(steps))
            steps.append({"insert": 1, "pixel_end": int(ends), "layer_end": rng.randrange(2), "elements": row_elements})
        steps.append({})
        ends_at = [*(cycle + 1 for cycle in inserts[1:]), len(steps)]
        ends_before = [0, *(step.get("layer_end", 0) for step in steps[:-1])]
        expected: list[dict[str, Any]] = [{"flush": 0, "flush_layer_end": end} for end in ends_before]
        for number, words, ends in packer(elements, self.lanes // self.width, self.bits * self.width):
            flush, *kept = range(inserts[number] + 1, ends_at[number])
            expected[flush] |= {"flush": 1, "flush_end": int(ends), "words": words}
            for cycle in kept:
                expected[cycle]["words"] = words
        self.steps += steps
        self.expected += expected


def rtl(case: Case, simulator: str = AMARANTH) -> list[dict[str, Any]]:
    trace = play(Packer(rows=case.rows, lanes=case.lanes, bits=case.bits, width=case.width), case.steps, simulator)
    return [{name: outputs[name] for name in now} for outputs, now in zip(trace, case.expected, strict=True)]


@pytest.mark.parametrize("lanes", [1, 2, 3, 7, 32, 33])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("bits", [1, 8])
def test_sizes(rows: int, lanes: int, bits: int, seed: int) -> None:
    case = Case(random.Random(f"{seed} {rows} {lanes} {bits}"), rows, lanes, 60, bits)
    assert rtl(case) == case.expected


@pytest.mark.parametrize(("lanes", "width"), [(2, 2), (6, 2), (32, 8), (33, 3)])
@pytest.mark.parametrize("bits", [1, 8])
def test_several_elements_at_once(lanes: int, width: int, bits: int, seed: int) -> None:
    case = Case(random.Random(f"{seed} {lanes} {width} {bits}"), 3, lanes, 90, bits, width)
    assert rtl(case) == case.expected


def test_simulators(simulator: str, seed: int) -> None:
    case = Case(random.Random(seed), 3, 5, 60)
    assert rtl(case, simulator) == case.expected
