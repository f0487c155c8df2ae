"""The epilogue: control passes down the tile rows, and a write to a row reaches this row alone."""

import random
from typing import Any

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.output.epilogue import Epilogue, control_layout
from signum.verif.bench.streams import unpack
from signum.verif.bench.trace import AMARANTH, play

# stacked 1, 2 and 3 deep; the last tile row is whole, or not
SIZES = [(1, 1), (3, 4), (4, 1), (5, 2), (11, 1), (19, 2)]
LARGE = 66              # rows, each a tile row
DEPTH, RAW = 16, 4
# one access pattern and two, requantized sums, thresholds of all rows
KINDS: dict[str, dict[str, int]] = {
    **{f"plain {register}": {"access_patterns": 1, "requantize_depth": 0, "memory_registers": register}
       for register in (0, 1, 2)},
    "patterns": {"requantize_depth": 0},
    "requantized": {"requantize_depth": 4},
    **{f"shared {register}": {"access_patterns": 1, "requantize_depth": 0, "memory_registers": register,
                              "zero_padding": 0, "raw_depth": RAW} for register in (0, 1)},
}
SOME = "plain 1", "requantized", "shared 1"             # kinds of the larger sizes
CASES = [(rows, height, kind) for kind in KINDS for rows, height in SIZES if rows < 19 or kind in SOME] + [
    pytest.param(LARGE, 1, kind, marks=pytest.mark.slow) for kind in SOME[1:]]


def config_of(rows: int, height: int, kind: str) -> ArrayConfig:
    values = {"zero_padding": int(rows > 3 or "access_patterns" in KINDS[kind])} | KINDS[kind]
    return ArrayConfig(rows=rows, cols=1, lanes=40, tile_height=height, acc_bits=6, sum_bits=9,
                       activation_depth=DEPTH, threshold_depth=DEPTH, **values)


def level_of(total: int, scale: int, offset: int, shift: int) -> int:
    """A requantized sum of a binary array: clipped to INT4, and 8 more."""
    return min(15, max(0, (total * scale + offset >> shift) + 8))


class Case:
    """Actions of the host and of the sequencer, each held until it has reached every row, and the rows' contents."""

    def __init__(self, config: ArrayConfig, rng: random.Random, actions: int) -> None:
        self.config = config
        self.rng = rng
        self.latency = config.memory_latency
        self.steps: list[dict[str, Any]] = []
        self.expected: list[tuple[int, str, int, int]] = []     # cycle, output, row, value
        rows = range(config.rows)
        self.untouched: list[int] = []                          # rows still to be chosen, before any is again
        self.words = [[0] * DEPTH for _ in rows]
        self.thresholds = [[0] * (config.raw_depth or DEPTH) for _ in rows]     # the last ones, where rows share others
        self.pixels, self.classes = [[0] * config.access_patterns for _ in rows], [0] * config.rows
        for _ in range(actions):
            rng.choice([self._write_words, self._write_all_words, self._write_thresholds, self._fill, self._clear,
                        self._segments])()
            self._read()

    def _hold(self, control: dict[str, Any], cycles: int | None = None, **inputs: Any) -> None:
        count = self.config.tile_rows + 1 + self.latency + self.config.requantize_cycles if cycles is None else cycles
        self.steps += [{"control": control, **inputs}] * count

    def _row(self) -> tuple[int, int, list[int]]:
        """A row or all rows: the number, whether it is all, and the list of the rows."""
        if not self.untouched:
            self.untouched = self.rng.sample(range(self.config.rows), self.config.rows)
        row, every = self.untouched.pop(), self.rng.random() < 0.2
        return row, int(every), list(range(self.config.rows)) if every else [row]

    def _place(self, row: int, address: int) -> int:
        """Index of the threshold of a row at an address."""
        return (address + self.classes[row]) % len(self.thresholds[row])

    def _value(self) -> int:
        """A threshold, often as small as a sum or a level."""
        return self.rng.getrandbits(self.rng.choice([self.config.sum_bits, self.config.acc_bits, 4]))

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
        address, value, columns = self.rng.randrange(DEPTH), self._value(), int(self.rng.random() < 0.9)
        control = {"combine": {"address": address}}
        self._hold(control)
        self._hold(control, 1, host={"unit": row, "columns": columns, "thresholds": 1 - every, "all_thresholds": every,
                                     "data": value})
        for r in chosen if columns else ():
            self.thresholds[r][self._place(r, address)] = value

    def _fill(self) -> None:
        """Give rows the next pixel and its border class: a row without a fill takes its last one again."""
        row, every, chosen = self._row()
        nexts = [self.rng.randrange(DEPTH) for _ in range(self.config.access_patterns)]
        border = self.rng.randrange(DEPTH) if self.config.zero_padding else 0
        fill = {"fill": 1, "fill_all": every, "fill_row": row}
        self._hold({"pixel": fill | {"next": nexts}}, 1)
        self._control({"border": fill | {"offset": border}})
        for r in range(self.config.rows):
            if r not in chosen:
                again = {"fill": 1, "fill_row": r}
                self._control({"pixel": again | {"next": self.pixels[r]},
                               "border": again | {"offset": self.classes[r]}})
            else:
                self.pixels[r], self.classes[r] = nexts, border
        self._control({"pixel": {"take": 1}, "border": {"take": 1}})

    def _clear(self) -> None:
        self._control({"pixel": {"clear": 1}, "border": {"clear": 1}})
        self.pixels = [[0] * self.config.access_patterns for _ in self.pixels]
        self.classes = [0] * self.config.rows

    def _control(self, control: dict[str, Any]) -> None:
        """A cycle; without border classes, their part is left out."""
        self._hold({name: value for name, value in control.items() if name != "border" or self.config.zero_padding}, 1)

    def _requantized(self) -> tuple[int, dict[str, Any]]:
        """Whether sums are requantized, and the control that comes with a sum."""
        if not self.config.requantize_depth:
            return 0, {}
        largest = (8 << self.config.requantize_shift) - 1
        bias = self.rng.randrange(-largest, largest) & (1 << self.config.offset_bits) - 1
        return self.rng.randrange(2), {"scale": [self.rng.getrandbits(10)], "bias": [bias]}

    def _operand(self, value: int, residual: int, control: dict[str, Any]) -> int:
        if not residual:
            return value
        bias, bits = control["bias"][0], self.config.offset_bits
        return level_of(value, control["scale"][0], bias - (bias >> bits - 1 << bits), self.config.requantize_shift)

    def _segments(self) -> None:
        """Segments of a layer, a cycle each, with sums of their own for each row; the last S may be stored."""
        config, rng, rows = self.config, self.rng, range(self.config.rows)
        count, lead, store, base = rng.randrange(1, 4), config.requantize_cycles, rng.random() < 0.5, len(self.steps)
        address, residual = rng.randrange(DEPTH), 0
        steps: list[dict[str, Any]] = [
            {"control": {}, "sums": [rng.getrandbits(config.acc_bits) for _ in rows]}
            for _ in range(lead + count + config.tile_rows + self.latency + 2)]
        totals = [0 for _ in rows]
        for number in range(count):
            residual, control = (residual, self._requantized()[1]) if number else self._requantized()
            double, threshold, last = int(number > 0 and rng.random() < 0.4), self._value(), number == count - 1
            steps[number]["control"] |= control             # with the sum, before the combine
            steps[lead + number]["control"] |= {"combine": {
                "address": address, "keep": int(number > 0), "double": double, "enable": 1,
                "store": int(store and last)}}
            if config.raw_depth:
                steps[lead + number + self.latency]["control"] |= {"thresholds": [threshold]}
            for r in rows:
                later = number + r // config.rows_per_tile
                p = self._operand(steps[later]["sums"][r], residual, control)
                totals[r] = ((totals[r] << double) * (number > 0) + p) % (1 << config.sum_bits)
                limit = threshold if config.raw_depth else self.thresholds[r][self._place(r, address)]
                self.expected.append((base + lead + later + self.latency + 1, "elements", r, int(totals[r] >= limit)))
                if store and last:
                    self.thresholds[r][self._place(r, address)] = totals[r]
        self.steps += [step | ({"residual": residual} if config.requantize_depth else {}) for step in steps]

    def _read(self) -> None:
        """Read a word and a threshold of every row, and compare sums with these thresholds."""
        offset, address = self.rng.randrange(DEPTH), self.rng.randrange(DEPTH)
        pattern, threshold = self.rng.randrange(self.config.access_patterns), self._value()
        sums = [self.rng.getrandbits(self.config.acc_bits) for _ in self.words]
        shared = {"thresholds": [threshold]} if self.config.raw_depth else {}
        residual, control = self._requantized()
        self._hold({"offset": offset, "pattern": pattern, "combine": {"address": address}, **control, **shared},
                   sums=sums, **({"residual": residual} if self.config.requantize_depth else {}))
        self._hold({}, 1)
        last = len(self.steps) - 2
        for r, value in enumerate(sums):
            kept = self.thresholds[r][self._place(r, address)]
            word = self.words[r][(offset + self.pixels[r][pattern]) % DEPTH]
            bit = int(self._operand(value, residual, control) >= (threshold if shared else kept))
            self.expected += [(last, "activations", r, word), (last, "results", r, kept),
                              (last + 1, "elements", r, bit)]


def rtl(case: Case, simulator: str = AMARANTH) -> list[tuple[int, str, int, int]]:
    trace = play(Epilogue(config=case.config, rows=case.config.rows), case.steps, simulator)
    return [(cycle, output, row, trace[cycle][output][row]) for cycle, output, row, _ in case.expected]


@pytest.mark.sweep(38)
@pytest.mark.parametrize(("rows", "height", "kind"), CASES)
def test_sizes(rows: int, height: int, kind: str, seed: int) -> None:
    actions = 12 if rows == LARGE else 12 + 5 * rows
    case = Case(config_of(rows, height, kind), random.Random(f"{seed} {rows} {height}"), actions)
    assert rtl(case) == case.expected


def test_simulators(simulator: str, seed: int) -> None:
    case = Case(config_of(11, 1, "plain 1"), random.Random(seed), 40)
    assert rtl(case, simulator) == case.expected


@pytest.mark.parametrize(("rows", "height", "kind"), CASES)
def test_control_comes_out_a_cycle_later_for_each_tile_row(rows: int, height: int, kind: str, seed: int) -> None:
    config = config_of(rows, height, kind)
    rng, layout = random.Random(f"{seed} {rows}"), control_layout(config)
    sent = [rng.getrandbits(layout.size) for _ in range(config.tile_rows + 20)]
    trace = play(Epilogue(config=config, rows=rows), [{"control": unpack(layout, bits)} for bits in sent])
    assert [outputs["control_next"] for outputs in trace[config.tile_rows:]] == [
        {name: bits >> field.offset & (1 << field.width) - 1 for name, field in layout} for bits in sent[:20]]


@pytest.mark.parametrize(("rows", "height"), [*SIZES, pytest.param(LARGE, 1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "raw_depth" in KINDS[kind]])
def test_thresholds_of_all_rows(rows: int, height: int, kind: str, seed: int) -> None:
    """They pass down the tile rows with the control, and every row compares its own sums with them."""
    config = config_of(rows, height, kind)
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
