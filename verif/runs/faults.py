"""Fault injection on the line to a board: `signum faults` counts the outcomes.

The board is the Verilated top with its serial pins, the host is `fpga.host.device.Device`, and the line between them
loses, doubles, flips and invents bytes, resets the board, cuts its power, and dies. A second board is in a network,
which loses datagrams, doubles them, and lets them overtake each other. Every accepted result must be right; every other
operation must be refused within bounded time.
"""

import dataclasses
import functools
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from signum.fpga.flow.lines.board_line import Window
from signum.fpga.flow.lines.ethernet_line import Ethernet
from signum.fpga.flow.program_file import ProgramFile, ProgramFileError
from signum.fpga.flow.tools import ToolError
from signum.fpga.host.device import Device, DeviceError
from signum.fpga.host.link import Link, LinkError
from signum.fpga.host.model import ModelError
from signum.fpga.host.virtual_board import NetworkEnd, VirtualBoard
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind
from signum.hdl.host.bus import DATA_BITS
from signum.hdl.lib.command import Command, Integer
from signum.verif.bench.cases import Case, draw_case
from signum.verif.bench.stream_cases import draw_stream, with_streams
from signum.verif.bench.stream_runs import StreamCase, expected_answers
from signum.verif.benchmarks.record import keep

__all__ = ["CONFIG", "Counts", "FaultyLine", "FaultyNetwork", "HangError", "command", "run_faults"]

OUT = Path("build/faults")
CONFIG = ArrayConfig(rows=2, cols=3, lanes=12, tile=2, acc_bits=8, sum_bits=16, weight_depth=128, activation_depth=256,
                     threshold_depth=128, program_depth=128, requantize_depth=32)
STREAMS = with_streams(CONFIG.replace(requantize_depth=0))
BYTES = ("lost", "doubled", "flipped", "invented")
DRAWS, PROGRAMS = 60, 6      # programs with the most results, the only ones that reveal some damage
IMAGES = 24                 # of a stream
INFERENCES = 12             # inferences of a session
TIMEOUT, ATTEMPTS = 0.15, 12        # of the link, in seconds of the board
PATIENCE = 600.0        # seconds of the board after which a load or an inference hangs
RATES = (0.0003, 0.001, 0.003, 0.006)
WINDOW = Window(slots=4, slot_bytes=256, number_bits=6)     # short frames, so that many are on their way

DATAGRAMS = ("lost", "doubled", "late")
NETWORK_RATES = (0.01, 0.03, 0.1, 0.2)
NETWORK_CLOCK = 100e6
NETWORK_TIMEOUT = 60e-6         # seconds of the board
NETWORK_PATIENCE = 0.2
LATEST = 4                      # datagrams by which one is late


class HangError(AssertionError):
    """An operation unfinished after the patience of its line."""


class FaultyLine:
    """A `fpga.host.link.Transport` to a board, with faults.

    Parameters
    ----------
    board : VirtualBoard
    rng : Generator
    rate : float
        Probability of a fault for each byte.
    event : str
        "reset", "power" or "dead": the event after some bytes, or none.
    within : int
        Bytes among which the event happens.

    Members
    -------
    injected : Counter of str
        Faults by kind.
    """

    timeout = TIMEOUT
    patience = PATIENCE

    def __init__(self, board: VirtualBoard, rng: np.random.Generator, rate: float, event: str = "",
                 within: int = 1) -> None:
        self.board = board
        self.rng = rng
        self.rate = rate
        self.event = event
        self.countdown = int(rng.integers(within))
        self.dead = False
        self.injected: Counter[str] = Counter()
        self.deadline = 0.0
        self.begin()

    def begin(self) -> None:
        """Begin an operation, and restart its time limit."""
        self.deadline = self.board.cycles + self.patience * self.board.clock

    def _pass(self, count: int) -> None:
        """Count bytes, and let the event happen among them."""
        self.countdown -= count
        if self.event and self.countdown < 0:
            self._happen()

    def damaged(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            self._pass(1)
            if self.rng.random() >= self.rate:
                out.append(byte)
                continue
            kind = str(self.rng.choice(BYTES))
            self.injected[kind] += 1
            out += {"lost": b"", "doubled": bytes([byte, byte]),
                    "flipped": bytes([byte ^ 1 << int(self.rng.integers(8))]),
                    "invented": bytes([byte, int(self.rng.integers(256))])}[kind]
        return b"" if self.dead else bytes(out)

    def _happen(self) -> None:
        self.injected[self.event] += 1
        if self.event == "reset":
            self.board.reset()
        elif self.event == "power":
            self.board.power_cycle()
        else:
            self.dead = True
        self.event = ""

    def write(self, data: bytes) -> None:
        # in pieces, for resets in the middle of a frame
        for start in range(0, len(data), 16):
            self.board.write(self.damaged(data[start:start + 16]))

    def read(self, timeout: float) -> bytes:
        if self.board.cycles > self.deadline:
            raise HangError(f"an operation must end within {self.patience} s of the board")
        return self.damaged(self.board.read(timeout))

    def close(self) -> None:
        """Keep the board for the next session."""


class FaultyNetwork(FaultyLine):
    """A `FaultyLine` to a board in a network, with faults of datagrams: ``rate`` is the probability of one for each."""

    timeout = NETWORK_TIMEOUT
    patience = NETWORK_PATIENCE

    def __init__(self, board: VirtualBoard, rng: np.random.Generator, rate: float, event: str = "",
                 within: int = 1) -> None:
        super().__init__(board, rng, rate, event, within)
        end = board.end
        assert isinstance(end, NetworkEnd)
        for way in ("wire", "wire_back"):
            held: list[tuple[int, bytes]] = []          # late datagrams, and how many may overtake them
            setattr(end, way, functools.partial(self._carried, held))

    def _carried(self, held: list[tuple[int, bytes]], datagram: bytes) -> list[bytes]:
        if self.dead:
            return []
        out = [datagram]
        if self.rng.random() < self.rate:
            kind = str(self.rng.choice(DATAGRAMS))
            self.injected[f"datagram, {kind}"] += 1
            out = [datagram, datagram] if kind == "doubled" else []
            if kind == "late":
                held.append((int(self.rng.integers(1, LATEST + 1)), datagram))
                return out
        waiting = [(left - 1, late) for left, late in held]
        held[:] = [(left, late) for left, late in waiting if left]
        return out + [late for left, late in waiting if not left]

    def write(self, data: bytes) -> None:
        self.board.write(self.damaged(data))

    def damaged(self, data: bytes) -> bytes:
        """The bytes as they are: the network's faults are those of datagrams."""
        self._pass(len(data))
        return data


@dataclass
class Counts:
    """The outcomes of all faults.

    Members
    -------
    injected : Counter of str
        Faults by kind.
    retried : int
        Repeated frames.
    reloaded : int
        Reloads of a program after a reset of the board.
    refused : int
        Operations that ended in an error.
    answers : int
        Batches with accepted results.
    wrong_accepted : int
        Accepted wrong results; accepted programs of damaged files or for another array.
    hangs : int
        Operations that did not end.
    """

    injected: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    reloaded: int = 0
    refused: int = 0
    answers: int = 0
    wrong_accepted: int = 0
    hangs: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {"injected": self.injected.total(), "retried": self.retried, "refused": self.refused,
                "wrong_accepted": self.wrong_accepted, "hangs": self.hangs, "reloaded": self.reloaded,
                "answers": self.answers, "kinds": dict(sorted(self.injected.items()))}


def session(board: VirtualBoard, case: Case | StreamCase, other: Case, rng: np.random.Generator,
            counts: Counts) -> None:
    """One connection: a program for another array, the right program, and its runs, under the same faults."""
    event = str(rng.choice(["", "reset", "power", "dead"], p=[0.55, 0.2, 0.2, 0.05]))
    in_network = isinstance(board.end, NetworkEnd)
    kind, rates = (FaultyNetwork, NETWORK_RATES) if in_network else (FaultyLine, RATES)
    line = kind(board, rng, float(rng.choice(rates)), event, within=6_000)
    link = Link(line, timeout=line.timeout, attempts=ATTEMPTS)
    device: Device | None = None
    expected = np.array(expected_answers(case)) if isinstance(case, StreamCase) else expected_results(case)
    try:
        device = Device(link)
        if rng.random() < 0.1:
            counts.injected["other array"] += 1
            try:
                device.load(other.program)
                counts.wrong_accepted += 1
            except DeviceError:
                counts.refused += 1
        line.begin()
        device.load(case.program)
        for _ in range(INFERENCES):
            line.begin()
            if isinstance(case, StreamCase):
                found = device.answer(case.images.astype(np.uint8)) & (1 << DATA_BITS) - 1
            else:
                found = device.infer(case.maps)
            counts.answers += 1
            counts.wrong_accepted += not np.array_equal(found.reshape(expected.shape), expected)
    except (LinkError, DeviceError):
        counts.refused += 1
    except HangError:
        counts.hangs += 1
    counts.injected += line.injected
    counts.retried += link.retries
    counts.reloaded += device.reloads if device else 0
    if line.dead or (device and board.busy):        # the reset button
        board.reset()


def share_of_results(case: Case) -> float:
    """Ratio of read words to written words."""
    written = len(list(case.program.load_writes())) / INFERENCES + len(list(case.program.input_writes(case.maps)))
    return len(case.program.result_reads(case.program.images)) / written


def draw_numbers(rng: np.random.Generator) -> StreamCase:
    """A stream of small images with answers of numbers."""
    while True:
        case = draw_stream(rng, STREAMS, batches=1)
        answer = expected_answers(case)[0]
        if case.answers.kind != AnswerKind.WORDS and len(answer) < 40 and case.images[0].size < 120:
            images = rng.integers(0, 2, (IMAGES, *case.images.shape[1:]))
            return dataclasses.replace(case, images=images)


def expected_results(case: Case) -> np.ndarray:
    last = case.graph.layers[-1]
    found = case.graph.run(case.maps)[last.name]
    return last.values(found) if last.raw else found


def damage_file(case: Case, folder: Path, rng: np.random.Generator, counts: Counts) -> None:
    """A program file with a byte lost, doubled, flipped or invented, or cut: it must be refused."""
    path = folder / "program.sgn"
    ProgramFile(case.program).save(path)
    whole = path.read_bytes()
    at = int(rng.integers(len(whole)))
    kind = str(rng.choice([*BYTES, "cut"]))
    middle = {"lost": b"", "doubled": whole[at:at + 1] * 2, "flipped": bytes([whole[at] ^ 1 << int(rng.integers(8))]),
              "invented": whole[at:at + 1] + rng.bytes(1), "cut": b""}[kind]
    path.write_bytes(whole[:at] + middle + (b"" if kind == "cut" else whole[at + 1:]))
    counts.injected[f"file, {kind}"] += 1
    try:
        ProgramFile.load(path)
        counts.wrong_accepted += 1
    except ProgramFileError:
        counts.refused += 1


def run_faults(count: int, seed: int, progress: Callable[[Counts], None] = lambda counts: None) -> Counts:
    """Inject at least ``count`` faults, drawn from the seed."""
    rng = np.random.default_rng(seed)
    boards = [VirtualBoard(config, window=WINDOW) for config in (CONFIG, STREAMS)]
    boards.append(VirtualBoard(STREAMS, clock=NETWORK_CLOCK, line=Ethernet(), window=WINDOW))
    counts = Counts()
    cases = sorted((draw_case(rng, CONFIG) for _ in range(DRAWS)), key=share_of_results)[-PROGRAMS:]
    streams = [draw_numbers(rng) for _ in range(PROGRAMS)]
    other = draw_case(rng, CONFIG.replace(cols=CONFIG.cols + 1))
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            for _ in range(max(1, count // 100)):
                damage_file(case, Path(folder), rng, counts)
    while counts.injected.total() < count:
        number = int(rng.integers(PROGRAMS))
        session(boards[0], cases[number], other, rng, counts)
        session(boards[1], streams[number], other, rng, counts)
        session(boards[2], streams[number], other, rng, counts)
        progress(counts)
    for board in boards:
        board.close()
    return counts


@click.command("faults", cls=Command, failed=(ModelError, ToolError, OSError))
@click.option("--n", "-n", type=Integer(1), default=10_000, show_default=True, help="Faults to inject.")
@click.option("--seed", type=Integer(0), default=1, show_default=True, help="Which faults are drawn.")
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(n: int, seed: int, record: bool) -> int:
    """Disturb the line to a board, and count the answers.

    The exit status is 1 where a wrong answer was accepted or an operation hung.
    """
    console = Console()
    counts = run_faults(n, seed)
    report = {**counts.to_dict(), "seed": seed, "config": CONFIG.to_dict()}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    console.print_json(json.dumps(report))
    if counts.wrong_accepted or counts.hangs:
        return 1
    if record:
        keep("faults", OUT / "report.json")
    return 0
