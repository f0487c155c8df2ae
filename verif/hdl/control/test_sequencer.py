"""The sequencer against the loop nest of the design: every step of every row, in exactly the predicted cycles.

The steps are reconstructed from the outputs as in the rows and the array: a row holds its next pixel, takes it, and
adds the offset; a dot product runs from ``first`` to ``last`` without a pause.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from signum.golden.compiler.cycles import layer_cycles, predict_cycles
from signum.golden.reference.units import Step, sequencer
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, LayerFlag, LayerRecord, SegmentFlag
from signum.hdl.control.sequencer import Sequencer
from signum.hdl.lib.delay import delay
from signum.verif.bench.cases import draw_case
from signum.verif.bench.records import (
    LARGEST,
    LOOPS,
    draw_array,
    draw_long_record,
    draw_record,
    most,
    most_further,
    with_one_loop,
)
from signum.verif.bench.trace import AMARANTH, play

ARRAYS = 3


class Programmed(wiring.Component):
    """A sequencer with its program memory; a layer's last write comes ``storing`` cycles after its last step."""

    def __init__(self, *, config: ArrayConfig, words: Sequence[int], storing: int) -> None:
        self.config = config
        self.words = words
        self.storing = storing
        self.unit = Sequencer(config=config)
        super().__init__({name: member for name, member in self.unit.signature.members.items()
                          if name not in ("program_address", "program_data", "done")})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sequencer = unit = self.unit
        depth = 1 << self.config.program_bits
        m.submodules.program = memory = Memory(shape=len(unit.program_data), depth=depth, init=self.words)
        reader = memory.read_port()
        word = delay(m, reader.data, self.config.memory_latency - 1, "word")
        m.d.comb += unit.done.eq(delay(m, unit.ends, self.storing - 1, "done"))
        m.d.comb += [unit.start.eq(self.start), reader.addr.eq(unit.program_address), unit.program_data.eq(word)]
        for path, member, value in self.signature.flatten(self):
            if member.flow is not In:
                source: Any = unit
                for name in path:
                    source = source[name] if isinstance(name, int) else getattr(source, name)
                m.d.comb += value.eq(source)
        return m


@dataclass(frozen=True)
class Run:
    """The trace of a run.

    Members
    -------
    layers : list
        For each layer its back fields, its steps, and for each dot product its first and last cycle.
    takes : list of int
        Groups taken in each layer.
    ends : list of int
        The cycles that end a layer.
    cycles : int
        Cycles of a busy sequencer.
    """

    layers: list[tuple[dict[str, int], list[Step], list[tuple[int, int]]]]
    takes: list[int]
    ends: list[int]
    cycles: int


def read_run(config: ArrayConfig, trace: list[dict[str, Any]], storing: int) -> Run:
    """A run from the cycle after its start."""
    run = Run([], [], [], sum(outputs["busy"] for outputs in trace))
    held = [[0] * config.access_patterns for _ in range(config.rows)]
    used = [list(row) for row in held]
    inside = False
    last_step = 0
    isa = Isa(config)
    for cycle, now in enumerate(trace):
        if run.layers and now["busy"] and now["layer"] != run.layers[-1][0]:
            back, steps, _ = run.layers[-1]
            assert steps, "a layer must have steps"
            drained = last_step + config.memory_latency + config.pipeline
            assert cycle > drained, "the layer must stay until it has drained"
            if any(now["layer"][field.name] != back[field.name] for field in isa.store):
                assert cycle >= last_step + storing, "the layer must stay until its results are stored"
        if now["first"]:
            assert not inside, "a dot product must end before the next one begins"
            inside = True
            run.layers[-1][2].append((cycle, cycle))
        if inside:
            size = 1 << config.activation_bits
            addresses = tuple((row[now["pattern"]] + now["offset"]) % size for row in used)
            run.layers[-1][1].append(Step(addresses, now["weight"], bool(now["first"]), bool(now["last"]),
                                          bool(now["last"] and now["doubles"]), bool(now.get("shifts"))))
            last_step = cycle
        if now["ends"]:
            run.ends.append(cycle)
        if now["last"]:
            assert inside, "a dot product must begin before it ends"
            inside = False
            run.layers[-1][2][-1] = (run.layers[-1][2][-1][0], cycle)
        if now["restart"]:
            assert not run.layers or cycle >= last_step + storing, "the layer before must end first"
            run.layers.append((now["layer"], [], []))
            run.takes.append(0)
        if now["take"]:
            assert not inside or now["last"], "the rows must not move on within a dot product"
            run.takes[-1] += 1
            used = [list(row) for row in held]
        if now["fill"]:
            for row in range(config.rows) if now["fill_all"] else [now["fill_row"]]:
                held[row] = now["fill_next"]
    assert not inside, "the last dot product must end"
    return run


def draw_starts(rng: random.Random, cycles: int) -> list[dict[str, int]]:
    """A start, and further starts during the run, which are ignored."""
    return [{"start": 1}, *({"start": int(rng.random() < 0.1)} for _ in range(cycles)), *[{}] * 5]


def rtl(config: ArrayConfig, records: Sequence[LayerRecord], rng: random.Random, storing: int,
        simulator: str = AMARANTH) -> list[Run]:
    """Two runs, with a run between them cut short by a reset."""
    cycles = sum(layer_cycles(config, records, storing=[storing] * len(records)))
    whole = draw_starts(rng, cycles)
    cut = rng.randrange(1, cycles + 2)
    unit = Programmed(config=config, words=Isa(config).encode(list(records)), storing=storing)
    trace = play(unit, [*whole, *whole[:cut], {"rst": 1}, *whole], simulator)
    assert trace[len(whole) + cut + 1]["busy"] == 0
    return [read_run(config, part, storing) for part in (trace[1:len(whole)], trace[len(whole) + cut + 2:])]


def check(config: ArrayConfig, records: Sequence[LayerRecord], rng: random.Random, simulator: str = AMARANTH,
          waits: Sequence[int] = (0, 0, 1, 2, 5, 10, 20, 40)) -> None:
    """Compare both runs with the records: steps, groups, gaps, layers and cycles.

    A layer's last write comes one of ``waits`` after the earliest cycle.
    """
    back = [field.name for field in Isa(config).back]
    storing = config.memory_latency + config.pipeline + 1 + rng.choice(waits)
    for run in rtl(config, records, rng, storing, simulator):
        assert run.cycles == sum(layer_cycles(config, records, storing=[storing] * len(records)))
        assert len(run.layers) == len(records)
        assert run.ends == [dots[-1][1] for _, _, dots in run.layers], "each layer ends once, with its last step"
        for record, (layer, steps, dots), takes in zip(records, run.layers, run.takes, strict=True):
            expected = list(sequencer(config, record))
            assert layer == {name: record.fields[name] for name in back}
            assert known(steps, expected) == expected
            groups = (record.fields["x"] + 1) * (record.fields["y"] + 1)
            assert takes == (-(-groups // config.rows) if record.has(LayerFlag.SPLIT) else groups)
            gaps = [segment["gap"] for segment in record.segments
                    if not segment["flags"] & SegmentFlag.CONTINUE]
            idle = [begin - last - 1 for (_, last), (begin, _) in pairwise(dots)]
            assert all(cycles >= gaps[i % len(gaps)] for i, cycles in enumerate(idle))


def known(steps: list[Step], expected: list[Step]) -> list[Step]:
    """The steps, without the addresses of rows past the last pixel."""
    return [Step(tuple(None if wanted is None else address for address, wanted in
                       zip(step.addresses, other.addresses, strict=True)), step.weight, step.first, step.last,
                 step.double, step.shift)
            for step, other in zip(steps, expected, strict=True)]


def draw_program(rng: random.Random, config: ArrayConfig, layers: int, steps: int = 2000,
                 ) -> list[LayerRecord]:
    """Random layers of bounded numbers of steps."""
    records: list[LayerRecord] = []
    while len(records) < layers:
        record = draw_record(rng, config, last=len(records) == layers - 1)
        if sum(1 for _ in sequencer(config, record)) <= steps:
            records.append(record)
    return records


def drawn_array(rng: random.Random) -> ArrayConfig:
    config = draw_array(rng)
    return config.replace(pipeline=rng.randint(0, config.most_stages), zero_padding=rng.randint(0, 1),
                          program_depth=1024)


def compiled_array(rng: random.Random, depth: int) -> ArrayConfig:
    """An array that the compiler has networks for."""
    return ArrayConfig(rows=rng.randint(1, 3), cols=rng.randint(1, 4), lanes=9, acc_bits=rng.choice([4, 8]),
                       weight_depth=depth, activation_depth=depth, threshold_depth=depth, program_depth=1024)


def shared_array(number: int, seed: int) -> ArrayConfig:
    """One of a few arrays that every test uses, besides its own; the compiler has networks for the first."""
    rng = random.Random(f"{seed} {number}")
    if not number:
        return compiled_array(rng, 128)
    return drawn_array(rng).replace(**LARGEST)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("array", range(ARRAYS))
def test_random_programs(array: int, number: int, seed: int) -> None:
    rng = random.Random(f"{seed} {array} {number}")
    config = shared_array(array, seed)
    check(config, draw_program(rng, config, rng.randint(1, 4), 600), rng)
    check(config, [*(draw_long_record(rng, config, last=False) for _ in range(15)), draw_long_record(rng, config)], rng)
    config = drawn_array(rng)
    check(config, draw_program(rng, config, rng.randint(1, 4), 300), rng)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("array", range(ARRAYS))
def test_turns_of_a_loop(array: int, loop: str, seed: int) -> None:
    """With each bit of the counter alone, and with the lowest one: only its high bits tell it from one or two turns."""
    rng = random.Random(f"{seed} {array} {loop}")
    config = shared_array(array, seed)
    largest = most_further(config, loop, 255)
    turns = [value for bit in range(1, largest.bit_length()) for value in (1 << bit, 1 << bit | 1)]
    records = [with_one_loop(rng, config, draw_layer(rng, config, last=False), loop, further) for further in turns]
    check(config, [*records, with_one_loop(rng, config, draw_layer(rng, config), loop, largest)], rng)


def draw_layer(rng: random.Random, config: ArrayConfig, *, last: bool = True) -> LayerRecord:
    """A random layer, not of raw sums, whose windows have one pixel."""
    while True:
        record = draw_record(rng, config, last=last)
        if not record.has(LayerFlag.RAW):
            return record


@pytest.mark.parametrize("number", range(3))
def test_compiled_programs(number: int, seed: int) -> None:
    """Programs of the compiler: its gaps and its joined segments."""
    rng = random.Random(f"{seed} {number}")
    for config in shared_array(0, seed), compiled_array(rng, 4096):
        while True:
            program = draw_case(np.random.default_rng(rng.getrandbits(32)), config).program
            if predict_cycles(config, program.records) <= 1500:
                break
        check(config, program.records, rng)


@pytest.mark.parametrize("pixels", [1, 2, 3])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("array", range(ARRAYS))
def test_one_step(array: int, pixels: int, split: bool, seed: int) -> None:
    """Dot products of one step without gaps: the dispatch of the pixels is slower than the array."""
    rng = random.Random(seed)
    config = shared_array(array, seed)
    record = one_step(Isa(config), split, most(Isa(config), "x", pixels - 1))
    check(config, [record], rng)


def one_step(isa: Isa, split: bool, x: int, *, last: bool = True, gap: int = 0) -> LayerRecord:
    fields = dict.fromkeys((field.name for field in isa.layer), 0)
    flags = (LayerFlag.LAST if last else 0) | (LayerFlag.SPLIT if split else 0)
    segment = dict.fromkeys((field.name for field in isa.segment), 0) | {"gap": gap}
    return LayerRecord(fields | {"flags": int(flags), "x": x, "pattern0_step": 3}, (segment,))


@pytest.mark.parametrize("array", range(ARRAYS))
def test_the_last_gap_of_a_layer_holds_for_the_next(array: int, seed: int) -> None:
    """Even where it is longer than the pause between the layers, which the compiler never generates."""
    for config in shared_array(array, seed), ArrayConfig(rows=2, cols=1, lanes=1, activation_depth=64, fetch_width=32):
        isa = Isa(config)
        [bits] = (field.bits for field in isa.segment if field.name == "gap")
        longest = (1 << bits) - 1
        for gap in (1, longest // 2, longest):
            records = [one_step(isa, False, 0, last=False, gap=gap), one_step(isa, False, 0)]
            check(config, records, random.Random(seed))
            steps = [dots[0][0] for _, _, dots in rtl(config, records, random.Random(seed), 5)[0].layers]
            assert steps[1] - steps[0] > gap
        assert steps[1] - steps[0] == gap + 1


@pytest.mark.parametrize("pipeline", range(5))
@pytest.mark.parametrize("fetch_width", [1, 4, 32])
def test_drain_fields_are_replaced_just_after_the_last_drain(fetch_width: int, pipeline: int, seed: int) -> None:
    """Long segments: all but the drain fields are fetched before the last step, and the next layer waits for these."""
    for config in shared_array(pipeline % ARRAYS, seed), ArrayConfig(
            rows=2, cols=3, lanes=32, pipeline=pipeline, activation_depth=64, zero_padding=0, fetch_width=fetch_width):
        isa = Isa(config)
        records = []
        for number in range(3):
            record = one_step(isa, False, 0, last=number == 2)
            fields = dict(record.fields) | {"thresholds": most(isa, "thresholds", 200) - number % 2,
                                            "out_start": most(isa, "out_start", 60) - number % 2}
            records.append(LayerRecord(fields, (dict(record.segments[0]) | {"words": most(isa, "words", 50)},)))
        check(config, records, random.Random(f"{seed} {fetch_width} {pipeline}"), waits=[0])


def test_simulators(simulator: str, seed: int) -> None:
    rng = random.Random(seed)
    config = ArrayConfig(rows=3, cols=4, lanes=5, tile=2, activation_depth=60, weight_depth=200)
    check(config, draw_program(rng, config, 4), rng, simulator)
