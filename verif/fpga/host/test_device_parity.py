"""The driver of a board with parity: it refuses what was made from a word whose bit has flipped, and names the word."""

import re

import numpy as np
import pytest

from signum.fpga.host import virtual_board
from signum.fpga.host.device import Device, DeviceError
from signum.fpga.host.link import Link
from signum.fpga.host.virtual_board import NAME, VirtualBoard
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import Region
from signum.verif.bench.memory_faults import open_memories
from signum.verif.bench.programs import draw_short_case
from signum.verif.bench.stream_cases import draw_stream, with_streams
from signum.verif.bench.stream_runs import expected_answers
from signum.verif.runs.faults import expected_results

pytestmark = pytest.mark.slow

CONFIG = with_streams(ArrayConfig(rows=2, cols=3, lanes=5, tile=2, sum_bits=20, weight_depth=512, activation_depth=1024,
                                  threshold_depth=512, requantize_depth=0, parity=1))
TIMEOUT = 0.01


@pytest.fixture(scope="module")
def board_and_memories():
    found = []
    emit = virtual_board.to_verilog

    def opened(*arguments):
        text, known = emit(*arguments)
        public, memories = open_memories(text, NAME)
        found.extend(memories)
        return public, known

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(virtual_board, "to_verilog", opened)
        board = VirtualBoard(CONFIG)
    yield board, found
    board.close()


def test_results(board_and_memories, seed):
    """Refused, and right again after the program is loaded again by the next call."""
    board, memories = board_and_memories
    board.power_cycle()
    device = Device(Link(board, timeout=TIMEOUT))
    assert device.config == CONFIG
    rng = np.random.default_rng(seed)
    for memory in [memory for memory in memories if memory.region in (Region.PROGRAM, Region.WEIGHTS)]:
        case = draw_short_case(rng, CONFIG, 1000)
        device.load(case.program)
        expected = expected_results(case)
        assert (device.infer(case.maps).reshape(expected.shape) == expected).all()
        word = 0 if memory.region == Region.PROGRAM else case.program.weight_start
        board._model.flip(memory.scope, memory.name, word, int(rng.integers(memory.bits)))
        place = "program" if memory.region == Region.PROGRAM else f"weights of column {memory.unit}"
        with pytest.raises(DeviceError, match=f"^word {word} of the {place} must have the right parity: a bit has "
                                              "flipped in the board's memory$"):
            device.infer(case.maps)
        if board._model["busy"]:
            board.reset()
        assert (device.infer(case.maps).reshape(expected.shape) == expected).all()


def test_answers(board_and_memories, seed):
    board, memories = board_and_memories
    board.power_cycle()
    device = Device(Link(board, timeout=TIMEOUT))
    rng = np.random.default_rng(seed)
    case = draw_stream(rng, CONFIG, batches=1)
    device.load(case.program)
    images = case.images.astype(np.uint8)
    right = device.answer(images)
    assert len(right) == len(expected_answers(case))
    weights = [memory for memory in memories if memory.region == Region.WEIGHTS]
    memory, word = weights[rng.integers(len(weights))], case.program.weight_start
    board._model.flip(memory.scope, memory.name, word, int(rng.integers(memory.bits)))
    with pytest.raises(DeviceError, match=re.escape(f"word {word} of the weights of column {memory.unit} must have")):
        device.answer(images)
    assert (device.answer(images) == right).all()
