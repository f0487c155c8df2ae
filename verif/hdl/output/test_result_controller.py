"""The beats of drains against the loop nest, cycle by cycle, with drains at the least distance."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from signum.golden.reference.units import Beat, result_controller
from signum.hdl.config import ArrayConfig
from signum.hdl.control.combine import COMBINES
from signum.hdl.control.isa import Isa, LayerFlag, LayerRecord
from signum.hdl.output.result_controller import ResultController
from signum.verif.bench.records import LARGEST, LAYER, draw_array, draw_record, draw_records, most
from signum.verif.bench.trace import AMARANTH, play

ARRAYS = 3

Seen = dict[str, int]


def seen(beat: Beat) -> Seen:
    """The expected outputs; none without a channel."""
    fields = {name: value for name, value in vars(beat).items()
              if name not in ("cycle", "addend") and value is not None}
    named = {row.addend.__name__ for row in COMBINES.values()}
    return {"enable": 1} | {name: int(name == beat.addend) for name in named} | {
        name: int(value) for name, value in fields.items()}


class Case:
    """Successive layers, some abandoned between drains, or cut short by a reset, but none if they are ``whole``."""

    def __init__(self, config: ArrayConfig, rng: random.Random, records: list[LayerRecord], *,
                 whole: bool = False) -> None:
        self.config = config
        self.steps: list[dict[str, Any]] = []
        self.expected: list[tuple[Seen, int]] = []     # beat, group
        back = {field.name for field in Isa(config).back}
        for record in records:
            layer = {name: value for name, value in record.fields.items() if name in back}
            doubles = [rng.random() < 0.5 for _ in range(layer["drains"] + 1)]
            groups = 1 if whole else rng.randint(1, 3)
            drains = list(result_controller(config, layer, groups=groups, doubles=doubles))
            given_up = rng.random() < 0.3 and not whole
            self._layer(rng, layer, drains[:rng.randint(1, len(drains))] if given_up else drains, whole)

    def _layer(self, rng: random.Random, layer: dict[str, int], drains: list[tuple[bool, list[Beat]]],
               whole: bool) -> None:
        pause = rng.randrange(1, 4)
        steps: list[dict[str, Any]] = [{"restart": 1}, *({} for _ in range(pause))]
        for _, beats in drains:
            idle = self.config.drain_cycles - 1 + rng.choice([0, 0, 0, 1, 2, 7])
            ends = int(any(beat.layer_end for beat in beats))
            steps += [{"strobe": 1, "ends": ends, "doubles": int(beats[0].double)},
                      *({"ends": rng.randrange(2), "doubles": rng.randrange(2)} for _ in range(idle))]
        steps += [{} for _ in range(3)]
        expected: list[tuple[Seen, int]] = [({"enable": 0, "valid": 0, "layer_end": 0}, 0) for _ in steps]
        strobes = (cycle for cycle, step in enumerate(steps) if "strobe" in step)
        for strobe, (group, beats) in zip(strobes, drains, strict=True):
            for beat in beats:
                expected[strobe + beat.cycle] = (seen(beat), expected[strobe + beat.cycle][1])
            expected[strobe + 1] = (expected[strobe + 1][0], int(group))
        if rng.random() < 0.3 and not whole:
            cut = rng.randrange(1, len(steps))
            steps, expected = steps[:cut], expected[:cut]
            steps[-1]["rst"] = 1
        self.steps += [{"layer": layer, **step} for step in steps]
        self.expected += expected


def rtl(case: Case, simulator: str = AMARANTH) -> Iterator[tuple[Seen, int]]:
    """Beats and groups; of a beat and its entry of coefficients, the specified fields alone."""
    trace = play(ResultController(config=case.config), case.steps, simulator)
    for outputs, (beat, _) in zip(trace, case.expected, strict=True):
        found = {**outputs["beat"], "coefficient": outputs.get("coefficient")}
        yield {name: found[name] for name in beat}, outputs["group"]


def draw_case(rng: random.Random, config: ArrayConfig, layers: int) -> Case:
    return Case(config, rng, draw_records(rng, config, layers, among=[*LAYER, "segments"]))


def shared_array(number: int, seed: int) -> ArrayConfig:
    """One of a few arrays that every test uses, besides its own."""
    return draw_array(random.Random(f"{seed} {number % ARRAYS}")).replace(**LARGEST)


def check(rng: random.Random, config: ArrayConfig, layers: int) -> None:
    case = draw_case(rng, config, layers)
    assert list(rtl(case)) == case.expected


@pytest.mark.parametrize("number", range(24))
def test_random_arrays(number: int, seed: int) -> None:
    rng = random.Random(f"{seed} {number}")
    for config in shared_array(number, seed), draw_array(rng):
        check(rng, config, 12)


@pytest.mark.parametrize("loop", ["drains", "windows", "channel_blocks"])
@pytest.mark.parametrize("array", range(ARRAYS))
def test_longest_loops(array: int, loop: str, seed: int) -> None:
    """A loop of as many turns as its field can have, one of fewer, and turns that high bits alone tell from two."""
    rng = random.Random(f"{seed} {array} {loop}")
    config = shared_array(array, seed)
    longest = most(Isa(config), loop, 255)
    records = []
    for turns in longest, rng.randint(0, longest // 2), *(1 << bit | 1 for bit in range(1, longest.bit_length())):
        record = draw_record(rng, config)
        gated = record.fields.get("gated", 0)
        fields = dict(record.fields) | {"drains": 0, "windows": 0, "channel_blocks": 0, loop: turns}
        fields |= {"levels": rng.randint(0, min(fields["drains"], config.threshold_levels - 1))
                   } if "levels" in fields else {}
        fields |= {"gated": rng.randint(0, fields["drains"]) if gated else 0} if "gated" in fields else {}
        records.append(LayerRecord(fields, record.segments))
    case = Case(config, rng, records, whole=True)
    assert list(rtl(case)) == case.expected


@pytest.mark.parametrize("depth", [0, 1, 2, 40])
def test_entries_of_coefficients(depth: int, seed: int) -> None:
    rng = random.Random(f"{seed} {depth}")
    check(rng, shared_array(depth, seed), 2)
    check(rng, ArrayConfig(rows=2, cols=5, lanes=3, tile=2, requantize_depth=depth), 8)


@pytest.mark.parametrize(("cols", "tile"), [
    (1, 1), (1, 3), (2, 1), (4, 1), (4, 2), (5, 2), (4, 4), (3, 8), (9, 4)])
def test_columns_and_tiles(cols: int, tile: int, seed: int) -> None:
    rng = random.Random(f"{seed} {cols} {tile}")
    check(rng, shared_array(cols, seed), 2)
    check(rng, ArrayConfig(rows=2, cols=cols, lanes=3, tile=tile), 6)


@pytest.mark.parametrize(("cols", "tile", "width"), [(2, 2, 2), (8, 2, 2), (12, 4, 2), (9, 3, 3), (10, 6, 2),
                                                       (8, 20, 4)])
def test_several_columns_in_a_beat(cols: int, tile: int, width: int, seed: int) -> None:
    rng = random.Random(f"{seed} {cols} {tile}")
    check(rng, shared_array(cols, seed), 2)
    check(rng, ArrayConfig(rows=2, cols=cols, lanes=width, tile=tile, drain_width=width, requantize_depth=20), 6)


def test_simulators(simulator: str, seed: int) -> None:
    case = draw_case(random.Random(seed), ArrayConfig(rows=2, cols=5, lanes=3, tile=2), 12)
    assert list(rtl(case, simulator)) == case.expected


def test_raw_results_of_all_groups_lie_one_after_the_other() -> None:
    config = ArrayConfig(rows=1, cols=3, lanes=1, tile=3)
    layer = dict.fromkeys((field.name for field in Isa(config).back), 0)
    layer |= {"flags": int(LayerFlag.RAW), "channel_blocks": 1, "channel_block": 2, "last_channel_block": 0,
              "thresholds": 10}
    addresses = [beat.address for _, beats in result_controller(config, layer, 2, [False]) for beat in beats
                 if beat.valid]
    assert addresses == list(range(10, 18))


def test_coefficients_of_two_segments_at_each_window_position() -> None:
    """Four channels in tiles of three: the same entries at both positions and in both groups."""
    config = ArrayConfig(rows=1, cols=3, lanes=1, tile=3)
    layer = dict.fromkeys((field.name for field in Isa(config).back), 0)
    layer |= {"channel_blocks": 1, "channel_block": 2, "last_channel_block": 0, "drains": 1, "windows": 1,
              "coefficients": 20, "coefficients_step": 4}
    entries = [beat.coefficient for _, beats in result_controller(config, layer, 2, [False, True]) for beat in beats
               if beat.valid]
    assert entries == 2 * (2 * [20, 21, 22, 24, 25, 26] + 2 * [23, 27])
