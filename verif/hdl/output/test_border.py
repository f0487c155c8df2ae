"""The border classes: the offset of every pixel, dispatched to the rows in the specified cycles."""

import random
from typing import Any

import pytest

from signum.golden.reference.encoding import border_class
from signum.golden.reference.units import border
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, LayerFlag, LayerRecord
from signum.hdl.output.border import Border
from signum.verif.bench.records import RASTER, draw_array, draw_records
from signum.verif.bench.trace import AMARANTH, play


class Case:
    """Successive layers, some abandoned or reset before their end."""

    def __init__(self, config: ArrayConfig, rng: random.Random, records: list[LayerRecord]) -> None:
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
            for group in range(rng.randint(1, -(-len(offsets) // burst))):
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
            if rng.random() < 0.3:
                self.steps[-1]["rst"] = 1


def rtl(case: Case, simulator: str = AMARANTH) -> list[dict[str, int]]:
    trace = play(Border(config=case.config), case.steps, simulator)
    return [{name: outputs[name] for name in now} for outputs, now in zip(trace, case.expected, strict=True)]


def draw_case(rng: random.Random, config: ArrayConfig, layers: int) -> Case:
    return Case(config, rng, draw_records(rng, config, layers, among=RASTER))


@pytest.mark.parametrize("number", range(20))
def test_random_arrays(number: int, seed: int) -> None:
    rng = random.Random(f"{seed} {number}")
    case = draw_case(rng, draw_array(rng), 40)
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
