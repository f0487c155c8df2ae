"""Flipped bits in the memories of arrays with parity: a word that is used tells its address, and no other word does."""

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.fpga.host.model import ModelError
from signum.golden.compiler.program import Program
from signum.golden.reference import interpret
from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Control, Region, Register, Status, WrongWord
from signum.hdl.lib.emit import to_verilog
from signum.verif.bench.cases import Case
from signum.verif.bench.memory_faults import Memory, open_memories
from signum.verif.bench.programs import check_values, draw_short_case, program_job
from signum.verif.bench.simulate import default_seed
from signum.verif.bench.stream_cases import with_streams
from signum.verif.bench.stream_runs import expected_answers
from signum.verif.hdl.test_reset import Streams, short_stream

SMALL = ArrayConfig(rows=2, cols=3, lanes=5, tile=2, sum_bits=20, requantize_depth=64, parity=1)
ARRAYS = {
    "small": SMALL,
    # a stack of rows, two slices of a word, wide drains, registers around the memories, no border classes
    "registered": SMALL.replace(rows=5, cols=12, lanes=40, tile=2, drain_width=2, memory_registers=1, zero_padding=0,
                                pipeline=1),
    # one threshold memory for all rows
    "shared": SMALL.replace(rows=5, cols=6, lanes=12, tile=2, drain_width=2, memory_registers=1, zero_padding=0,
                            threshold_depth=512, raw_depth=256),
    # the faults of so many tile columns arrive after a run's end
    "wide": SMALL.replace(rows=1, cols=30, tile=1),
    # thresholds that a decision chooses
    "gated": SMALL.replace(gate=1),
    "8 bits": SMALL.replace(lanes=3, element_bits=8, acc_bits=28, sum_bits=32, requantize_shift=16, drain_width=1),
}
NAME = "signum"
TRANSFERS = 2000    # bus words of a case
CASES = 5
WORDS = 4           # of each memory
PATIENCE = 2000     # cycles for an answer
SETTLED = 10        # cycles in which the last word of the host is written
ALL = {Region.THRESHOLDS: Region.ALL_THRESHOLDS, Region.ACTIVATIONS: Region.ALL_ACTIVATIONS}
Words = dict[tuple[Region, int], set[int]]


class Watch(interpret.LayerRun):
    """Notes the words of activations and thresholds that a run reads, by row."""

    reads: Words

    def _note(self, region: Region, addresses: np.ndarray) -> None:
        """Addresses (pixels, ...), or (B, pixels, ...) where they depend on the image."""
        rows = self.config.rows
        for row in range(rows):
            own = addresses if addresses.ndim == 2 else addresses[0 if self.program.split else row]
            self.reads.setdefault((region, row), set()).update(
                (own[row::rows] if self.program.split else own).ravel().tolist())

    def _counts(self, memory: np.ndarray, addresses: np.ndarray, words: np.ndarray) -> np.ndarray:
        self._note(Region.ACTIVATIONS, addresses)
        return super()._counts(memory, addresses, words)

    def _places(self, window: int, entry: int) -> np.ndarray:
        """The addresses of thresholds."""
        kept = self.program.thresholds
        places = np.broadcast_to(np.arange(len(kept))[:, None], kept.shape)
        object.__setattr__(self.program, "thresholds", places)      # reads do not depend on the thresholds
        found = super()._thresholds(window, entry)
        object.__setattr__(self.program, "thresholds", kept)
        return found

    def _compared(self, sums: np.ndarray, window: int, opens: np.ndarray) -> np.ndarray:
        if self.record.combine.gates:
            self._note(Region.THRESHOLDS, np.where(opens, self._places(window, 2), self._places(window, 1)))
        return super()._compared(sums, window, opens)

    def _thresholds(self, window: int, entry: int = 0) -> np.ndarray:
        found = super()._thresholds(window, entry)
        if entry:                       # noted as the gates choose them
            return found
        self._note(Region.THRESHOLDS, self._places(window, entry))
        if self.config.raw_depth:       # of all rows
            rows = [self.reads.pop((Region.THRESHOLDS, row)) for row in range(self.config.rows)]
            self.reads.setdefault((Region.ALL_THRESHOLDS, 0), set()).update(*rows)
        return found


def words_read(case: Case, monkeypatch: pytest.MonkeyPatch) -> Words:
    """The words that a run reads: of activations and thresholds by the interpreter, of others all that are written."""
    found = Watch.reads = {}
    with monkeypatch.context() as patch:
        patch.setattr(interpret, "LayerRun", Watch)
        interpret.interpret(case.program, case.maps)
    written = words_written(case.program, case.maps)
    return found | {place: words for place, words in written.items()
                    if place[0] in (Region.PROGRAM, Region.WEIGHTS, Region.COEFFICIENTS)}


def words_written(program: Program, maps: dict[str, np.ndarray]) -> Words:
    """The words that the host writes."""
    layout = AddressMap(program.config)
    found: Words = {}
    for address, _ in [*program.load_writes(), *(program.input_writes(maps) if maps else ())]:
        place = layout.decode(address)
        found.setdefault((place.region, place.unit), set()).add(place.word)
    return found


def words_first_read(case: Case, reads: Words) -> Words:
    """Of the words that a run reads, those that the host has written: no layer writes them before."""
    written = words_written(case.program, case.maps)
    first = dict(reads)
    for row in range(case.program.config.rows):
        first[Region.ACTIVATIONS, row] = reads[Region.ACTIVATIONS, row] & (
            written.get((Region.ALL_ACTIVATIONS, 0), set()) | written.get((Region.ACTIVATIONS, row), set()))
    return first


def drawn(rng: np.random.Generator, config: ArrayConfig) -> Case:
    """A random case; with gated layers where the array has gates."""
    while True:
        case = draw_short_case(rng, config, TRANSFERS)
        if not config.gate or any(record.combine.gates for record in case.program.records):
            return case


def nothing() -> None:
    """Flip no bit."""


class Board:
    """An array whose memories can be changed."""

    def __init__(self, config: ArrayConfig, seed: int) -> None:
        self.verilog, self.memories = open_memories(to_verilog(Accelerator(config=config), NAME)[0], NAME)
        self.config = config
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """Begin with other random words in the memories."""
        self.model = AcceleratorModel(self.config, verilog=self.verilog, seed=seed)
        self.control = self.model.map.address(Region.REGISTERS, word=Register.CONTROL)

    def flip(self, memory: Memory, word: int, rng: np.random.Generator) -> None:
        self.model.model.flip(memory.scope, memory.name, word - self.first(memory), int(rng.integers(memory.bits)))

    def first(self, memory: Memory) -> int:
        """Address of the first word."""
        return self.config.shared_thresholds if memory.region == Region.THRESHOLDS else 0

    def words(self, memory: Memory) -> range:
        """The addresses of the words."""
        return range(self.first(memory), self.first(memory) + memory.depth)

    def scramble(self, rng: np.random.Generator) -> None:
        """Words of any parity, as after power-up: emitted memories begin with zeros."""
        for memory in self.memories:
            for word in np.flatnonzero(rng.random(memory.depth) < 0.5).tolist():
                self.flip(memory, self.words(memory)[word], rng)

    def run(self, case: Case, flip: Callable[[], None] = nothing, at: int | None = None,
            late: Callable[[], None] = nothing) -> WrongWord | None:
        """Run a case; the first wrong word, and results and cycles are checked where there is none.

        ``flip`` is called before the run, or in its cycle ``at``; ``late`` before the results are read.
        """
        model, job = self.model, program_job(case.program, [case.maps])
        [run] = job["runs"]
        model.model.reset()                 # no earlier flip stays
        model.write([*job["writes"], *run["writes"]])
        if at is None:
            model.model.run(SETTLED)
            flip()
        model.write([(self.control, Control.START)])
        if at is not None:
            model.model.run(at)
            flip()
        try:
            model.model.until("busy", 0, 2 * job["cycles"] + 1000)
        except ModelError:
            wrong = model.fault()
            assert wrong, "a run that goes on and on must tell why"
            return wrong
        late()
        status, cycles = (model.map.address(Region.REGISTERS, word=word) for word in (Register.STATUS, Register.CYCLES))
        told, count = model.read([status, cycles])
        found = model.read(run["reads"])
        wrong = model.fault()
        if wrong is None:
            assert not told & Status.FAULT
            check_values([case], [count], [found])
        return wrong


@pytest.fixture(params=["small", *(pytest.param(name, marks=pytest.mark.slow) for name in ARRAYS if name != "small")],
                scope="module")
def board(request):
    made = Board(ARRAYS[request.param], default_seed())
    yield made
    made.model.close()


@pytest.mark.sweep(6)
def test_nothing_is_wrong(board: Board) -> None:
    """Results and cycles are the golden model's, with memories of random words, and no fault is told."""
    for seed in range(CASES):
        rng = np.random.default_rng([default_seed(), seed])
        board.model.close()
        board.begin(1 + seed)
        for _ in range(3):
            case = drawn(rng, board.config)
            alone = dataclasses.replace(case, maps={name: elements[:1] for name, elements in case.maps.items()})
            for some in (alone, case):      # rows without an image read words that nobody has written
                board.scramble(rng)
                assert board.run(some) is None


@pytest.mark.sweep(2)
def test_words_that_a_run_reads(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each flipped bit is told with the memory, its unit and the address."""
    tried = dict.fromkeys(Region, 0)
    for seed in range(CASES):
        rng = np.random.default_rng([default_seed(), seed])
        case = drawn(rng, board.config)
        first = words_first_read(case, words_read(case, monkeypatch))
        for memory in board.memories:
            words = sorted(first.get((memory.region, memory.unit), ()))
            for word in rng.choice(words, min(WORDS, len(words)), replace=False).tolist() if words else ():
                told = board.run(case, partial(board.flip, memory, word, rng))
                assert told == (memory.region, memory.unit, word), f"{told}, {memory}, {word}: {case}"
                tried[memory.region] += 1
    regions = {memory.region for memory in board.memories}
    if board.config.signed or board.config.raw_depth:
        # elements of 8 bits are clipped, not compared; rows that share their thresholds have results alone
        regions.remove(Region.THRESHOLDS)
    for region in regions:
        assert tried[region], f"words of the {region.name} must be read"


@pytest.mark.sweep(2)
def test_words_that_nobody_reads(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flipped bit there changes nothing."""
    for seed in range(CASES):
        rng = np.random.default_rng([default_seed(), seed])
        case = drawn(rng, board.config)
        reads = words_read(case, monkeypatch)
        by_region: dict[Region, set[int]] = {}
        for (region, _), words in reads.items():
            by_region.setdefault(region, set()).update(words)
        [run] = program_job(case.program, [case.maps])["runs"]
        results = {board.model.map.decode(address).word for address in run["reads"]}
        for memory in board.memories:
            if case.program.split and memory.region in (Region.ACTIVATIONS, Region.THRESHOLDS,
                                                        Region.ALL_THRESHOLDS):
                continue                            # rows past the last pixel read further words
            free = sorted(set(board.words(memory)) - by_region.get(memory.region, set()) - results)
            for word in rng.choice(free, min(2, len(free)), replace=False).tolist():
                assert board.run(case, partial(board.flip, memory, word, rng)) is None, f"{memory}, {word}: {case}"


def test_a_bit_that_flips_in_any_cycle(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either the word is told, or it did no harm: the results and the cycles are right."""
    told = 0
    for seed in range(CASES):
        rng = np.random.default_rng([default_seed(), seed])
        case = drawn(rng, board.config)
        reads = words_read(case, monkeypatch)
        cycles = program_job(case.program, [case.maps])["cycles"]
        for _ in range(40):
            memory = board.memories[rng.integers(len(board.memories))]
            word = int(rng.choice(sorted(reads.get((memory.region, memory.unit)) or {board.first(memory)})))
            wrong = board.run(case, partial(board.flip, memory, word, rng), int(rng.integers(cycles)))
            assert wrong in (None, (memory.region, memory.unit, word)), f"{wrong}, {memory}, {word}: {case}"
            told += wrong is not None
    assert told


def test_results(board: Board) -> None:
    """A result whose bit flips before the host reads it is told."""
    rng = np.random.default_rng(default_seed())
    for _ in range(CASES):
        case = drawn(rng, board.config)
        address = int(rng.choice(program_job(case.program, [case.maps])["runs"][0]["reads"]))
        place = board.model.map.decode(address)
        [memory] = [memory for memory in board.memories
                    if (memory.region, memory.unit, memory.part) == (place.region, place.unit, place.slice)]
        told = board.run(case, late=partial(board.flip, memory, place.word, rng))
        assert told == (place.region, place.unit, place.word)


@pytest.mark.slow
def test_answers_of_a_stream() -> None:
    """A bit flips while pixels come, runs go on and answers leave: all answers are right, or no further one leaves."""
    rng = np.random.default_rng(default_seed())
    board = Board(with_streams(SMALL), default_seed())
    model, tried = board.model, {True: 0, False: 0}
    for _ in range(CASES // 2):
        case = short_stream(rng, board.config)
        wanted = [number for numbers in expected_answers(case) for number in numbers]
        written = words_written(case.program, {})
        streams = Streams(model, case)
        length = model.model.cycles
        assert all_answers(streams, len(wanted), None, 0) == wanted
        length = model.model.cycles - length
        for _ in range(40):
            memory = board.memories[rng.integers(len(board.memories))]
            words = written.get((memory.region, memory.unit), set()) | written.get(
                (ALL.get(memory.region, memory.region), 0), set())
            word = int(rng.choice(sorted(words or {0})))
            found = all_answers(Streams(model, case), len(wanted), partial(board.flip, memory, word, rng),
                                int(rng.integers(length)))
            wrong = model.fault()
            tried[wrong is not None] += 1
            assert wrong in (None, (memory.region, memory.unit, word)), f"{wrong}, {memory}, {word}"
            assert found == wanted if wrong is None else found == wanted[:len(found)], f"{wrong}, {memory}, {word}"
            if wrong and memory.region == Region.PROGRAM:
                model.model.reset()                     # the run may go on and on
    assert all(tried.values())
    model.close()


def all_answers(streams: Streams, count: int, flip: Callable[[], None] | None, at: int) -> list[int]:
    """Up to ``count`` numbers of answers, as far as they come; in cycle ``at`` a bit flips."""
    found: list[int] = []
    waited = 0
    for cycle, number in enumerate(streams.cycles()):
        if flip and cycle == at:
            flip()
        waited += 1
        if number is not None:
            found.append(number)
            waited = 0
        if len(found) == count or waited > PATIENCE:
            break
    streams.quiet()
    return found
