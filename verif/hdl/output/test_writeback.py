"""The writeback unit: every write in its cycle, at its address, with the rows' words; none past the last pixel."""

import random
from typing import Any

import pytest

from signum.golden.reference.units import Flush, Write, writeback
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, LayerFlag, LayerRecord
from signum.hdl.output.writeback import WritebackUnit
from signum.verif.bench.records import RASTER, draw_array, draw_records
from signum.verif.bench.trace import AMARANTH, play


class Case:
    """Successive layers: words come at any time, also during writes; some layers are reset."""

    def __init__(self, config: ArrayConfig, rng: random.Random, records: list[LayerRecord]) -> None:
        self.config = config
        self.rng = rng
        self.steps: list[dict[str, Any]] = []
        self.writes: list[Write] = []
        self.done: list[int] = []                   # cycles before the layers' last writes
        for record in records:
            self._layer({field.name: record.fields[field.name] for field in Isa(config).back})
            self._host(rng.randrange(3))

    def _words(self) -> list[int]:
        return [self.rng.getrandbits(self.config.word_bits) for _ in range(self.config.rows)]

    def _flushes(self, layer: dict[str, int]) -> list[tuple[Flush, int]]:
        """Words and the cycles in which they are taken. No word comes while another waits."""
        rng = self.rng
        burst = self.config.rows if layer["flags"] & LayerFlag.SPLIT else 1
        pixel_words = rng.choice([1, 1, 2, 3])
        pauses = rng.choice([[0], [0, 1, 2, 9], [burst - 1], [2 * burst]])
        flushes: list[Flush] = []
        taken: list[int] = []
        cycle = 1 + rng.randrange(3)
        for _ in range(-(-(layer["x"] + 1) * (layer["y"] + 1) // burst)):
            for word in range(pixel_words):
                flushes.append(Flush(cycle, self._words(), word == pixel_words - 1))
                taken = [when for when, _ in writeback(self.config, layer, flushes)]
                cycle = taken[-1] + 1 + rng.choice(pauses)
        return list(zip(flushes, taken, strict=True))

    def _layer(self, layer: dict[str, int]) -> None:
        flushes = self._flushes(layer)
        length = flushes[-1][1] + self.config.rows + 2
        steps: list[dict[str, Any]] = [
            {"layer": layer, "words": self._words(), "flush_end": self.rng.randrange(2)}
            for _ in range(length)]
        steps[0]["restart"] = 1
        for flush, taken in flushes:
            steps[flush.cycle] |= {"flush": 1, "flush_end": int(flush.end)}
            for cycle in range(flush.cycle, taken + 1):
                steps[cycle]["words"] = list(flush.words)
        raw = layer["flags"] & LayerFlag.RAW
        burst = self.config.rows if layer["flags"] & LayerFlag.SPLIT and not raw else 1
        final, taken = flushes[-1]
        steps[final.cycle]["flush_layer_end"] = 1
        done = (final.cycle if raw else taken) + burst - 1
        cut = self.rng.randrange(length) if self.rng.random() < 0.3 else length
        first = len(self.steps)
        self.done += [first + done] if done < cut + (burst > 1) else []
        self.writes += [Write(first + write.cycle, write.address, write.data)
                        for _, writes in writeback(self.config, layer, [flush for flush, _ in flushes])
                        for write in writes if write.cycle <= cut]
        self.steps += [*steps[:cut], {"rst": 1, "layer": layer}]

    def _host(self, cycles: int) -> None:
        for _ in range(cycles):
            self.steps.append({"host": 1, "words": self._words(), "host_address": self.rng.getrandbits(
                self.config.activation_bits), "host_data": self.rng.getrandbits(self.config.word_bits)})


def rtl(case: Case, simulator: str = AMARANTH) -> list[Write]:
    """All writes; checks the host's words in the cycles between the layers, and the cycles of ``done``."""
    trace = play(WritebackUnit(config=case.config), case.steps, simulator)
    for step, outputs in zip(case.steps, trace, strict=True):
        if "host" in step:
            assert (outputs["write"], outputs["address"], outputs["data"]) == (
                0, step["host_address"], [step["host_data"]] * case.config.rows)
    assert [cycle for cycle, outputs in enumerate(trace) if outputs["done"]] == case.done
    return [Write(cycle, outputs["address"], outputs["data"]) for cycle, outputs in enumerate(trace)
            if outputs["write"] != 0]


def draw_case(rng: random.Random, config: ArrayConfig, layers: int) -> Case:
    return Case(config, rng, draw_records(rng, config, layers, among=RASTER))


@pytest.mark.parametrize("number", range(30))
def test_random_arrays(number: int, seed: int) -> None:
    rng = random.Random(f"{seed} {number}")
    case = draw_case(rng, draw_array(rng), 30)
    assert rtl(case) == case.writes


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7])
def test_rows(rows: int, seed: int) -> None:
    case = draw_case(random.Random(f"{seed} {rows}"), ArrayConfig(rows=rows, cols=1, lanes=5), 12)
    assert rtl(case) == case.writes


def test_simulators(simulator: str, seed: int) -> None:
    case = draw_case(random.Random(seed), ArrayConfig(rows=3, cols=1, lanes=5, activation_depth=60), 25)
    assert rtl(case, simulator) == case.writes


def test_rows_past_the_last_pixel_write_nothing() -> None:
    """Four rows, five pixels: the second burst writes once."""
    config = ArrayConfig(rows=4, cols=1, lanes=3, activation_depth=64)
    layer = dict.fromkeys((field.name for field in Isa(config).back), 0)
    layer |= {"flags": int(LayerFlag.SPLIT), "x": 4, "out_start": 10, "out_step": 2}
    flush = {"layer": layer, "flush": 1, "flush_end": 1, "words": [1, 2, 3, 4]}
    idle = {"layer": layer}
    trace = play(WritebackUnit(config=config), [idle | {"restart": 1}, flush, *[idle] * 3, flush, *[idle] * 9])
    assert [outputs["address"] for outputs in trace if outputs["write"]] == [10, 12, 14, 16, 18]
