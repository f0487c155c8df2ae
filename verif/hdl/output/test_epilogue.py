"""The epilogue: control passes down the tile rows, and a write to a row reaches this row alone."""

import random
from typing import Any

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.output.epilogue import Epilogue, control_layout
from signum.verif.bench.streams import unpack
from signum.verif.bench.trace import AMARANTH, play

# stacked 1, 2 and 3 deep; the last tile row is whole, or not
SIZES = [(1, 1), (3, 4), (4, 1), (5, 2), (11, 1), (19, 2), pytest.param(66, 1, marks=pytest.mark.slow)]
DEPTH = 16


def config_of(rows: int, height: int, **values: int) -> ArrayConfig:
    return ArrayConfig(rows=rows, cols=1, lanes=40, tile_height=height, acc_bits=6, sum_bits=9,
                       activation_depth=DEPTH, threshold_depth=DEPTH, **values)


class Case:
    """Actions of the host and of the sequencer, each held until it has reached every row, and the rows' contents."""

    def __init__(self, config: ArrayConfig, rng: random.Random, actions: int) -> None:
        self.config = config
        self.rng = rng
        self.steps: list[dict[str, Any]] = []
        self.expected: list[tuple[int, str, list[int]]] = []     # cycle, output, a number for each row
        rows = range(config.rows)
        self.words = [[0] * DEPTH for _ in rows]
        self.thresholds = [[0] * DEPTH for _ in rows]
        self.pixels, self.classes = [0] * config.rows, [0] * config.rows
        for _ in range(actions):
            rng.choice([self._write_words, self._write_all_words, self._write_thresholds, self._fill, self._clear])()
            self._read()

    def _hold(self, control: dict[str, Any], cycles: int | None = None, **inputs: Any) -> None:
        count = self.config.tile_rows + 1 + self.config.memory_latency if cycles is None else cycles
        self.steps += [{"control": control, **inputs}] * count

    def _row(self) -> tuple[int, int, list[int]]:
        """A row or all rows: the number, whether it is all, and the list of the rows."""
        row, every = self.rng.randrange(self.config.rows), self.rng.random() < 0.2
        return row, int(every), list(range(self.config.rows)) if every else [row]

    def _write_words(self) -> None:
        row, every, chosen = self._row()
        address, slices = self.rng.randrange(DEPTH), self.rng.randrange(4)
        words = [self.rng.getrandbits(self.config.word_bits) for _ in self.words]
        mask = sum(0xffffffff << 32 * s for s in range(2) if slices >> s & 1)
        host = {"unit": row, "activations": 1 - every, "all_activations": every, "slices": slices}
        self._hold({}, 1, host=host, write_address=address, words=words)
        for r in chosen:
            self.words[r][address] = self.words[r][address] & ~mask | words[r] & mask

    def _write_all_words(self) -> None:
        address = self.rng.randrange(DEPTH)
        words = [self.rng.getrandbits(self.config.word_bits) for _ in self.words]
        self._hold({}, 1, write=1, write_address=address, words=words)
        for memory, word in zip(self.words, words, strict=True):
            memory[address] = word

    def _write_thresholds(self) -> None:
        row, every, chosen = self._row()
        address, value = self.rng.randrange(DEPTH), self.rng.getrandbits(self.config.sum_bits)
        control = {"combine": {"address": address}}
        self._hold(control)
        self._hold(control, 1, host={"unit": row, "columns": 1, "thresholds": 1 - every, "all_thresholds": every,
                                     "data": value})
        for r in chosen:
            self.thresholds[r][(address + self.classes[r]) % DEPTH] = value

    def _fill(self) -> None:
        row, every, chosen = self._row()
        value = self.rng.randrange(DEPTH)
        fill = {"fill": 1, "fill_all": every, "fill_row": row}
        self._hold({"pixel": fill | {"next": [value]}}, 1)
        self._hold({"border": fill | {"offset": value}}, 1)
        held = [value if r in chosen else None for r in range(self.config.rows)]
        # a row without a fill repeats its last value: the next value of every row is set
        for r, now in enumerate(held):
            if now is None:
                again = {"fill": 1, "fill_row": r}
                self._hold({"pixel": again | {"next": [self.pixels[r]]},
                            "border": again | {"offset": self.classes[r]}}, 1)
            else:
                self.pixels[r] = self.classes[r] = now
        self._hold({"pixel": {"take": 1}, "border": {"take": 1}}, 1)

    def _clear(self) -> None:
        self._hold({"pixel": {"clear": 1}, "border": {"clear": 1}}, 1)
        self.pixels, self.classes = [0] * self.config.rows, [0] * self.config.rows

    def _read(self) -> None:
        """Read a word and a threshold of every row, and compare sums with these thresholds."""
        offset, address = self.rng.randrange(DEPTH), self.rng.randrange(DEPTH)
        sums = [self.rng.getrandbits(self.config.acc_bits) for _ in self.words]
        self._hold({"offset": offset, "combine": {"address": address}}, sums=sums)
        self._hold({}, 1)
        last = len(self.steps) - 2
        thresholds = [memory[(address + place) % DEPTH]
                      for memory, place in zip(self.thresholds, self.classes, strict=True)]
        self.expected += [
            (last, "activations", [memory[(offset + pixel) % DEPTH]
                                   for memory, pixel in zip(self.words, self.pixels, strict=True)]),
            (last, "results", thresholds),
            (last + 1, "elements", [int(value >= threshold)
                                    for value, threshold in zip(sums, thresholds, strict=True)]),
        ]


def rtl(case: Case, simulator: str = AMARANTH) -> list[tuple[int, str, list[int]]]:
    trace = play(Epilogue(config=case.config, rows=case.config.rows), case.steps, simulator)
    return [(cycle, output, trace[cycle][output]) for cycle, output, _ in case.expected]


@pytest.mark.parametrize(("rows", "height"), SIZES)
@pytest.mark.parametrize("register", [0, 1, 2])
def test_sizes(rows: int, height: int, register: int, seed: int) -> None:
    config = config_of(rows, height, access_patterns=1, requantize_depth=0, memory_registers=register)
    case = Case(config, random.Random(f"{seed} {rows} {height}"), 12 + 5 * min(rows, 20))
    assert rtl(case) == case.expected


def test_simulators(simulator: str, seed: int) -> None:
    case = Case(config_of(11, 1, access_patterns=1, requantize_depth=0), random.Random(seed), 40)
    assert rtl(case, simulator) == case.expected


@pytest.mark.parametrize(("rows", "height"), SIZES)
@pytest.mark.parametrize("values", [
    {"access_patterns": 1, "requantize_depth": 0},      # as in `test_sizes`
    *({"requantize_depth": depth} for depth in (0, 4))])
def test_control_comes_out_a_cycle_later_for_each_tile_row(rows: int, height: int, values: dict[str, int],
                                                           seed: int) -> None:
    config = config_of(rows, height, **{"zero_padding": int(rows > 3 or "access_patterns" in values)} | values)
    rng, layout = random.Random(f"{seed} {rows}"), control_layout(config)
    sent = [rng.getrandbits(layout.size) for _ in range(config.tile_rows + 20)]
    trace = play(Epilogue(config=config, rows=rows), [{"control": unpack(layout, bits)} for bits in sent])
    assert [outputs["control_next"] for outputs in trace[config.tile_rows:]] == [
        {name: bits >> field.offset & (1 << field.width) - 1 for name, field in layout} for bits in sent[:20]]


@pytest.mark.parametrize(("rows", "height"), SIZES)
@pytest.mark.parametrize("register", [0, 1])
def test_thresholds_of_all_rows(rows: int, height: int, register: int, seed: int) -> None:
    """They pass down the tile rows with the control, and every row compares its own sums with them."""
    config = config_of(rows, height, access_patterns=1, requantize_depth=0, memory_registers=register, zero_padding=0,
                       raw_depth=4)
    rng, before = random.Random(f"{seed} {rows} {height}"), config.memory_latency + 1
    count = before + rows + 20
    sums = [[rng.getrandbits(config.acc_bits) for _ in range(rows)] for _ in range(count)]
    thresholds = [rng.randrange(1 << config.acc_bits) for _ in range(count)]
    trace = play(Epilogue(config=config, rows=rows), [
        {"control": {"thresholds": [threshold]}, "sums": values}
        for values, threshold in zip(sums, thresholds, strict=True)])
    for cycle in range(before + rows, count):
        assert trace[cycle]["elements"] == [
            int(sums[cycle - before][row] >= thresholds[cycle - 1 - row // height]) for row in range(rows)]
