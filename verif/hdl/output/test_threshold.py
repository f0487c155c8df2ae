"""The threshold unit: every combine, elements on their beat, stored raw sums, access of the host."""

import random
from typing import Any

import pytest

from signum.golden.reference.units import Sum, threshold_unit
from signum.hdl.config import ArrayConfig
from signum.hdl.control.combine import COMBINES, addends, combines_of
from signum.hdl.output.threshold import ThresholdUnit
from signum.verif.bench.trace import AMARANTH, play

Results = list[tuple[str, int]]


class Case:
    """Pixels of several drains each, with the offsets of their border classes.

    All words are read back before and after them. Sums come as from the drain: a column a cycle, an idle cycle between
    tiles, drains at once or later.
    """

    def __init__(self, config: ArrayConfig, rng: random.Random, pixels: int) -> None:
        self.config = config
        self.rng = rng
        self.entries = min(config.threshold_depth, 1 << config.threshold_bits)
        self.thresholds = [self._threshold() for _ in range(self.entries)]
        self.steps = [self._noise() | {"clear": 1}]
        self.events: list[tuple[int, str]] = []         # (cycle, output), in the order of the results
        self.results: Results = []
        self._write_all()
        self._read_all()                # stored sums replace many of them
        for _ in range(pixels):
            self._pixel()
        self.steps += [self._noise() for _ in range(3)]
        self._read_all()

    def _threshold(self) -> int:
        """A threshold, often small, for equal sums and thresholds."""
        top = 1 << self.config.sum_bits
        return self.rng.choice([0, self.rng.randrange(min(6, top)), self.rng.randrange(top)])

    def _operand(self) -> int:
        """An operand: small, any, or with 8-bit elements around their range, also below zero."""
        size = 1 << self.config.operand_bits
        around = self.rng.randint(-300, 600) % size if self.config.signed else self.rng.randrange(min(4, size))
        return self.rng.choice([around, self.rng.randrange(size)])

    def _noise(self) -> dict[str, Any]:
        rng, config = self.rng, self.config
        return {"beat": rng.randrange(config.beats), "sum": rng.getrandbits(config.operand_bits),
                "combine": {"beat": rng.randrange(config.beats), "address": rng.randrange(self.entries),
                            **{name: rng.randrange(2) for name in addends(config)},
                            **({"gated": rng.randrange(2)} if config.gate else {})},
                "offset": rng.getrandbits(config.threshold_bits),
                "host_data": rng.getrandbits(config.sum_bits)}

    def _write_all(self) -> None:
        for address, value in enumerate(self.thresholds):
            self.steps.append(self._noise() | {
                "combine": {"address": address}, "host_write": 1, "host_data": value})

    def _read_all(self) -> None:
        self.steps.append(self._noise() | {"clear": 1})
        for address, value in enumerate(self.thresholds):
            self.steps.append(self._noise() | {"combine": {"address": address}})
            self._expect(len(self.steps) - 1 + self.config.memory_latency, "host_read", value)
        self.steps += [{}] * self.config.memory_latency

    def _expect(self, cycle: int, output: str, value: int) -> None:
        self.events.append((cycle, output))
        self.results.append((output, value))

    def _take(self, offset: int) -> bool:
        """Fill and take an offset, together with the last sums or in separate steps; returns True for the latter."""
        fill, take = self.steps[-2:]
        together = self.rng.random() < 0.5 and not {"take", "fill", "clear"} & (fill.keys() | take.keys())
        if not together:
            self.steps += [fill := self._noise(), *[self._noise()] * self.rng.randrange(2), take := self._noise()]
        fill |= {"fill": 1, "offset": offset}
        take |= {"take": 1}
        return not together

    def _pixel(self) -> None:
        rng, config = self.rng, self.config
        offset = rng.choice([0, rng.randrange(self.entries)])
        if self._take(offset) and rng.random() < 0.2:
            self.steps.append(self._noise() | {"clear": 1})
            offset = 0
        combine = rng.choice(combines_of(config))
        doubles = [combine.doubles and rng.random() < 0.4 for _ in range(3)]
        store = rng.random() < 0.3
        drains = rng.choice([1, 1, 2, 3])
        gated = rng.randrange(1, drains + 1) if combine.gates else drains        # the first gated drain
        size = 1 << config.threshold_bits
        places = [(rng.randrange(self.entries) - offset) % size for _ in range(config.beats)]
        sums: list[Sum] = []
        cycles: list[int] = []
        for number in range(drains):
            if number == gated:
                self.steps += [self._noise() for _ in range(max(0, config.gate_cycles - config.drain_cycles))]
            for column, place in enumerate(places):
                if column and column % config.tile == 0:
                    self.steps.append(self._noise())
                item = Sum(column, self._operand(), combine if number else None, (place + offset) % size,
                           store and number == drains - 1, doubles[number], number >= gated)
                self.steps[-1]["beat"] = column
                self.steps.append(self._noise() | {"sum": item.value, "combine": {
                    "beat": column, "address": place, "enable": 1, "store": int(item.store),
                    "double": int(item.double), **({"gated": int(item.gated)} if config.gate else {}),
                    **{name: int(number > 0 and name == combine.addend.__name__) for name in addends(config)}}})
                cycles.append(len(self.steps) - 1)
                sums.append(item)
            self.steps += [self._noise() for _ in range(rng.choice([0, 0, 1, 3]))]
        results = threshold_unit(config, sums, self.thresholds)
        if not store:
            for cycle, (_, element) in zip(cycles, results, strict=True):
                self._expect(cycle + config.memory_latency + 1, "element", element)
        self.steps += [self._noise() for _ in range(rng.choice([0, 2]))]


def rtl(case: Case, simulator: str = AMARANTH) -> Results:
    trace = play(ThresholdUnit(config=case.config), case.steps, simulator)
    return [(output, trace[cycle][output]) for cycle, output in case.events]


@pytest.mark.parametrize("cols", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("tile", [1, 2, 4])
@pytest.mark.parametrize("register", [0, 1, 2])
def test_columns_and_tiles(cols: int, tile: int, register: int, seed: int) -> None:
    config = ArrayConfig(rows=1, cols=cols, lanes=7, tile=tile, acc_bits=6, sum_bits=9, threshold_depth=32,
                         memory_registers=register)
    case = Case(config, random.Random(f"{seed} {cols} {tile}"), 60)
    assert rtl(case) == case.results


@pytest.mark.parametrize(("acc_bits", "sum_bits", "depth"), [(1, 1, 1), (1, 4, 3), (5, 5, 20), (12, 32, 256)])
def test_widths_and_depths(acc_bits: int, sum_bits: int, depth: int, seed: int) -> None:
    config = ArrayConfig(rows=1, cols=3, lanes=1, acc_bits=acc_bits, sum_bits=sum_bits, threshold_depth=depth)
    case = Case(config, random.Random(f"{seed} {acc_bits} {depth}"), 60)
    assert rtl(case) == case.results


@pytest.mark.parametrize("cols", [1, 2, 5, 12])
@pytest.mark.parametrize("tile", [1, 4])
@pytest.mark.parametrize("register", [0, 1, 2])
def test_gates(cols: int, tile: int, register: int, seed: int) -> None:
    """Gated sums at the least distance behind the sums that decide; both cases, with several gated drains."""
    config = ArrayConfig(rows=1, cols=cols, lanes=7, tile=tile, acc_bits=6, sum_bits=9, threshold_depth=32,
                         memory_registers=register, gate=1)
    case = Case(config, random.Random(f"{seed} {cols} {tile}"), 120)
    assert rtl(case) == case.results


def test_a_gate_is_closed_or_open() -> None:
    """S = 3 against the gates 4 and 3: 2S alone with the threshold 6, or 2S + p with the threshold 12."""
    config = ArrayConfig(rows=1, cols=1, lanes=7, tile=1, acc_bits=6, sum_bits=9, threshold_depth=8, gate=1)
    thresholds = [4, 6, 12, 3, 6, 12]
    combine = COMBINES["gated"]
    for base, gated_sum, wanted in ((0, 6, (6, 1)), (3, 6, (12, 1)), (3, 5, (11, 0)), (0, 63, (6, 1))):
        sums = [Sum(0, 3, None, base), Sum(0, gated_sum, combine, base + 1, double=True, gated=True)]
        assert threshold_unit(config, sums, thresholds)[-1] == wanted


@pytest.mark.parametrize("register", [0, 1, 2])
def test_rows_that_share_their_thresholds(register: int, seed: int) -> None:
    """A sum meets the threshold that comes with it; stored sums and the host's words are in the last entries."""
    config = ArrayConfig(rows=2, cols=1, lanes=7, tile=1, acc_bits=6, sum_bits=9, threshold_depth=32, raw_depth=8,
                         zero_padding=0, memory_registers=register)
    rng, latency = random.Random(f"{seed} {register}"), config.memory_latency
    entries = [rng.randrange(1 << config.sum_bits) for _ in range(config.raw_depth)]
    steps: list[dict[str, Any]] = [{"host_write": 1, "host_data": value, "combine": {
        "address": config.shared_thresholds + i}} for i, value in enumerate(entries)]
    sums = [(len(steps) + i, rng.randrange(1 << config.acc_bits), rng.randrange(1 << config.acc_bits),
             rng.randrange(config.threshold_depth), rng.random() < 0.2) for i in range(100)]
    steps += [{} for _ in range(100 + latency + 1)]
    for at, value, threshold, address, store in sums:
        store = store and address >= config.shared_thresholds
        steps[at] |= {"sum": value, "combine": {"enable": 1, "address": address, "store": int(store)}}
        steps[at + latency] |= {"threshold": threshold}
        if store:
            entries[address - config.shared_thresholds] = value
    first = len(steps)
    steps += [{"combine": {"address": config.shared_thresholds + i}} for i in range(len(entries))] + [{}] * latency
    trace = play(ThresholdUnit(config=config), steps)
    assert [trace[at + latency + 1]["element"] for at, *_ in sums] == [
        int(value >= threshold) for _, value, threshold, *_ in sums]
    assert [trace[first + i + latency]["host_read"] for i in range(len(entries))] == entries


@pytest.mark.parametrize("cols", [1, 3])
@pytest.mark.parametrize("register", [0, 1, 2])
def test_elements_of_8_bits(cols: int, register: int, seed: int) -> None:
    config = ArrayConfig(rows=1, cols=cols, lanes=1, tile=2, acc_bits=16, sum_bits=17, threshold_depth=20,
                         element_bits=8, memory_registers=register)
    case = Case(config, random.Random(f"{seed} {cols}"), 60)
    assert rtl(case) == case.results
    elements = {value for output, value in case.results if output == "element"}
    assert {0, 255} < elements


@pytest.mark.parametrize("cols", [1, 3])
def test_simulators(cols: int, simulator: str, seed: int) -> None:
    config = ArrayConfig(rows=1, cols=cols, lanes=7, tile=2, acc_bits=6, sum_bits=9, threshold_depth=20)
    case = Case(config, random.Random(seed), 100)
    assert rtl(case, simulator) == case.results


def test_a_reset_keeps_the_thresholds_and_forgets_the_border_class() -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=1, acc_bits=4, threshold_depth=4)
    write = {"host_write": 1, "combine": {"address": 1}, "host_data": 9}
    steps: list[dict[str, Any]] = [
        write, {"fill": 1, "offset": 3}, {"take": 1}, {"rst": 1}, {"combine": {"address": 1}}, {}]
    assert play(ThresholdUnit(config=config), steps)[-1]["host_read"] == 9
