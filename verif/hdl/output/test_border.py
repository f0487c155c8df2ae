"""The border classes: the offset of every pixel, dispatched to the rows in the specified cycles."""

import random
from typing import Any

import pytest

from signum.golden.reference.encoding import border_class
from signum.golden.reference.units import border
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, LayerFlag, LayerRecord
from signum.hdl.output.border import Border
from signum.verif.bench.records import LONGEST, RASTER, draw_array, draw_border, draw_record, draw_records, most
from signum.verif.bench.trace import AMARANTH, play

ARRAYS = 3


class Case:
    """Successive layers, some abandoned or reset before their end, but none if they are ``whole``."""

    def __init__(self, config: ArrayConfig, rng: random.Random, records: list[LayerRecord], *,
                 whole: bool = False) -> None:
        self.config = config
        self.steps: list[dict[str, Any]] = []
        self.expected: list[dict[str, int]] = []
        back = {field.name for field in Isa(config).back}
        for record in records:
            layer = {name: value for name, value in record.fields.items() if name in back}
            offsets = border(config, layer)
            split = record.has(LayerFlag.SPLIT)
            burst = config.rows if split else 1
            strobe = {"restart": 1}
            groups = -(-len(offsets) // burst)
            for group in range(groups if whole else rng.randint(1, groups)):
                pause = rng.choice([0, 0, 1, 6])
                self.steps += [{"layer": layer, **step} for step in [strobe, *[{}] * (burst + pause)]]
                self.expected.append({"fill": 0})
                for row in range(burst):
                    number = group * burst + row
                    place = {"fill_row": row} if split else {}
                    offset = {"offset": offsets[number]} if number < len(offsets) else {}
                    self.expected.append({"fill": 1, "fill_all": int(not split), **place, **offset})
                self.expected += [{"fill": 0}] * pause
                strobe = {"take": 1}
            if rng.random() < 0.3 and not whole:
                self.steps[-1]["rst"] = 1


def rtl(case: Case, simulator: str = AMARANTH) -> list[dict[str, int]]:
    trace = play(Border(config=case.config), case.steps, simulator)
    return [{name: outputs[name] for name in now} for outputs, now in zip(trace, case.expected, strict=True)]


def draw_case(rng: random.Random, config: ArrayConfig, layers: int) -> Case:
    return Case(config, rng, draw_records(rng, config, layers, among=RASTER))


def shared_array(number: int, seed: int) -> ArrayConfig:
    """One of a few arrays that every test uses, besides its own."""
    return draw_array(random.Random(f"{seed} {number % ARRAYS}")).replace(rows=2 + number % ARRAYS, activation_depth=64)


@pytest.mark.parametrize("number", range(20))
def test_random_arrays(number: int, seed: int) -> None:
    rng = random.Random(f"{seed} {number}")
    for config in shared_array(number, seed), draw_array(rng):
        case = draw_case(rng, config, 20)
        assert rtl(case) == case.expected


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("array", range(ARRAYS))
def test_longest_lines(array: int, split: bool, seed: int) -> None:
    """Maps as wide, and as high, as their fields can have, and some smaller ones."""
    rng = random.Random(f"{seed} {array} {split}")
    config = shared_array(array, seed)
    isa = Isa(config)
    longest = most(isa, "x", LONGEST)
    records = []
    for x, y in (longest, 1), (1, longest), (longest // 2, 2), (2, longest // 2), (rng.randint(0, longest), 1):
        record = draw_record(rng, config)
        flags = record.fields["flags"] & ~LayerFlag.SPLIT | (LayerFlag.SPLIT if split else 0)
        records.append(LayerRecord(
            dict(record.fields) | {"flags": int(flags), "x": x, "y": y} | draw_border(rng, isa, x, y), record.segments))
    case = Case(config, rng, records, whole=True)
    assert rtl(case) == case.expected


def test_simulators(simulator: str, seed: int) -> None:
    case = draw_case(random.Random(seed), ArrayConfig(rows=3, cols=2, lanes=1, activation_depth=64), 40)
    assert rtl(case, simulator) == case.expected


@pytest.mark.parametrize(("pixels", "low", "high"), [
    (1, 0, 0), (1, 1, 1), (5, 1, 1), (5, 2, 0), (4, 3, 3), (6, 0, 2)])
def test_offsets_count_border_classes(pixels: int, low: int, high: int) -> None:
    """The twin agrees with the classes of the encoding."""
    config = ArrayConfig(rows=1, cols=1, lanes=1)
    layer = dict.fromkeys((field.name for field in Isa(config).back), 0)
    layer |= {"x": pixels - 1, "class_x_step": 3,
              "class_x_low": low, "class_x_high": max(0, pixels - 1 - high)}
    classes = [int(border_class(x, pixels, low, high)) for x in range(pixels)]
    assert border(config, layer) == [3 * k for k in classes]
