"""The driver of boards that take pixels and give answers, over lines that lose and damage bytes."""

import secrets

import numpy as np
import pytest

from signum.fpga.host.device import Device, DeviceError
from signum.fpga.host.link import Link
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.answers import Answers, ranked
from signum.golden.compiler.compile import compile_graph
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import Register
from signum.verif.bench.stream_cases import draw_stream, with_streams
from signum.verif.bench.stream_runs import StreamCase, expected_answers
from signum.verif.runs.faults import TIMEOUT, WINDOW, FaultyLine

CONFIG = with_streams(ArrayConfig(rows=2, cols=3, lanes=40, tile=2, acc_bits=8, sum_bits=16, weight_depth=256,
                                  activation_depth=512, threshold_depth=256))


@pytest.fixture(scope="module")
def board():
    board = VirtualBoard(CONFIG, window=WINDOW)         # long frames would hardly ever arrive whole
    yield board
    board.close()


def draw_small(rng: np.random.Generator) -> StreamCase:
    """A case whose answers are short."""
    while True:
        case = draw_stream(rng, CONFIG, batches=1)
        if len(expected_answers(case)[0]) < 40 and case.images[0].size < 300:
            return case


def answers_of(device: Device, case: StreamCase) -> list[list[int]]:
    found = device.answer(case.images.astype(np.uint8))
    if found.dtype == bool:
        layer = case.graph.layers[-1]
        assert np.array_equal(found, case.graph.run(case.encoder.bits(case.images))[layer.name])
        return expected_answers(case)
    return [[int(value) & 0xFFFF_FFFF for value in image.reshape(-1)] for image in found]


def test_answers(board: VirtualBoard, seed: int) -> None:
    rng = np.random.default_rng(seed)
    device = Device(Link(board, timeout=TIMEOUT))
    for _ in range(4):
        case = draw_small(rng)
        device.load(case.program)
        for _ in range(2):
            assert answers_of(device, case) == expected_answers(case)
    with pytest.raises(DeviceError, match="must be uint8"):
        device.answer(np.zeros((1, 1, 1, 1)))
    with pytest.raises(DeviceError, match="that reads maps must be loaded"):
        device.infer({})


@pytest.mark.parametrize("frames", range(8))        # all counts of frames, in as many bits as the board has
def test_a_host_may_draw_the_session_of_the_last_one(
        board: VirtualBoard, seed: int, frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 256 does; the board, which has executed frames and given answers, takes its opening for a repetition."""
    monkeypatch.setattr(secrets, "randbelow", lambda most: 0)
    case = draw_small(np.random.default_rng(seed))
    last = Device(Link(board, timeout=TIMEOUT))
    last.load(case.program)
    assert answers_of(last, case) == expected_answers(case)
    for _ in range(frames):
        last.link.read([Register.MAGIC])
    link = Link(board, timeout=TIMEOUT)
    link.session = last.link.session - 1     # an opening adds 1 and a drawn number
    device = Device(link)
    assert link.session != last.link.session
    device.load(case.program)
    assert answers_of(device, case) == expected_answers(case)


@pytest.mark.parametrize("rate", [0.002, 0.005])
def test_a_faulty_line_gives_no_wrong_answer(board: VirtualBoard, seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    line = FaultyLine(board, rng, rate, "", within=10_000)
    device = Device(Link(line, timeout=TIMEOUT))
    case = min((draw_small(rng) for _ in range(8)), key=lambda case: sum(1 for _ in case.program.load_writes()))
    device.load(case.program)
    line.begin()
    while line.injected.total() < 12 or device.link.retries < 6:
        assert answers_of(device, case) == expected_answers(case)


@pytest.mark.parametrize("happens", ["reset", "power_cycle"])
def test_a_board_that_was_reset_is_loaded_again(board: VirtualBoard, seed: int, happens: str) -> None:
    device = Device(Link(board, timeout=TIMEOUT))
    case = draw_small(np.random.default_rng(seed))
    device.load(case.program)
    assert answers_of(device, case) == expected_answers(case)
    getattr(board, happens)()
    assert answers_of(device, case) == expected_answers(case)
    assert device.reloads == 1


def test_digits_on_the_smallest_board(seed: int) -> None:
    """64 bytes of an image in, a class out."""
    config = ArrayConfig.preset("icebreaker_pixels")
    graph = digits_graph_untrained(0)
    board = VirtualBoard(config)
    device = Device(Link(board, timeout=TIMEOUT))
    device.load(compile_graph(graph, config, answers=Answers()))
    images = digits().test.images[:5]
    layer = graph.layers[-1]
    expected = ranked(layer.values(graph.run(digits_encoder().bits(images))[layer.name]), 1)
    assert np.array_equal(device.answer(images.astype(np.uint8)).reshape(-1), expected.reshape(-1))
    board.close()
