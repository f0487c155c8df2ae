"""The driver against a virtual board: results, refusals, and boards that lose their program."""

import re

import numpy as np
import pytest

from signum.fpga.host.device import Device, DeviceError
from signum.fpga.host.link import Link, LinkError
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.cycles import predict_cycles
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import MAGIC, VERSION
from signum.verif.bench.cases import draw_case
from signum.verif.runs.faults import CONFIG, TIMEOUT, expected_results

WIDE = ArrayConfig(rows=1, cols=2, lanes=70, tile=1, acc_bits=8, sum_bits=16, weight_depth=256, activation_depth=256,
                   threshold_depth=128, program_depth=128, requantize_depth=32)


@pytest.fixture(scope="module")
def boards():
    made = {config: VirtualBoard(config) for config in (CONFIG, WIDE)}
    yield made
    for board in made.values():
        board.close()


@pytest.fixture
def board(boards):
    boards[CONFIG].power_cycle()
    return boards[CONFIG]


def device_of(board):
    return Device(Link(board, timeout=TIMEOUT))


@pytest.mark.parametrize("config", [CONFIG, WIDE], ids=["one slice", "three slices"])
def test_answers(boards, config, seed):
    rng = np.random.default_rng(seed)
    device = device_of(boards[config])
    assert device.config == config
    for _ in range(3):
        case = draw_case(rng, config)
        device.load(case.program)
        taken: list[np.ndarray] = []
        maps = {name: np.concatenate([elements] * 3)[1:] for name, elements in case.maps.items()}
        expected = np.concatenate([expected_results(case)] * 3)[1:]
        found = device.infer(maps, taken.append)
        assert (found.reshape(expected.shape) == expected).all()
        assert (np.concatenate(taken) == found).all()
        counters = device.read_counters()
        assert counters.cycles == predict_cycles(config, case.program.records)
        assert (counters.retries, counters.reloads) == (0, 0)


@pytest.mark.parametrize("happens", ["reset", "power_cycle"])
@pytest.mark.parametrize("runs", [0, 1, 2])
def test_a_board_that_was_reset_is_loaded_again(board, happens, runs, seed):
    case = draw_case(np.random.default_rng(seed), CONFIG)
    device = device_of(board)
    device.load(case.program)
    for _ in range(runs):
        device.infer(case.maps)
    getattr(board, happens)()
    found = device.infer(case.maps)
    expected = expected_results(case)
    assert (found.reshape(expected.shape) == expected).all()
    assert device.read_counters().reloads == 1


def test_a_board_that_is_reset_again_and_again(board, seed, monkeypatch):
    case = draw_case(np.random.default_rng(seed), CONFIG)
    device = device_of(board)
    device.load(case.program)
    original = case.program.result_reads

    def result_reads(images):
        board.reset()
        return original(images)

    monkeypatch.setattr(type(case.program), "result_reads", lambda program, images: result_reads(images))
    with pytest.raises(DeviceError, match=r"^the board must keep its program, not lose it 3 times: "):
        device.infer(case.maps)


def test_another_array(board, seed):
    case = draw_case(np.random.default_rng(seed), CONFIG.replace(cols=4, lanes=13))
    message = ("the program must be compiled for the board's array, which has cols = 3 and not 4, "
               "lanes = 12 and not 13")
    with pytest.raises(DeviceError, match=f"^{re.escape(message)}$"):
        device_of(board).load(case.program)


def test_inputs_that_do_not_fit(board, seed):
    rng = np.random.default_rng(seed)
    device = device_of(board)
    with pytest.raises(DeviceError, match=r"^a program must be loaded before infer is called$"):
        device.infer({})
    case = draw_case(rng, CONFIG)
    device.load(case.program)
    name, elements = next(iter(case.maps.items()))
    for maps in ({}, {**case.maps, "more": elements}, {**case.maps, name: elements[:0]},
                 {**case.maps, name: elements[..., :-1]}):
        with pytest.raises(DeviceError, match=r"^(the input maps|input map \w+) must be "):
            device.infer(maps)


def test_a_run_that_does_not_end_as_predicted(board, seed):
    case = draw_case(np.random.default_rng(seed), CONFIG)
    device = device_of(board)
    device.load(case.program)
    device._cycles -= 1
    with pytest.raises(DeviceError, match=rf"^a run must take {device._cycles} cycles, not {device._cycles + 1}$"):
        device.infer(case.maps)


class Dead:
    """A line without a response."""

    def __init__(self):
        self.seconds = 0.0

    def write(self, data):
        pass

    def read(self, timeout):
        self.seconds += timeout
        return b""

    def close(self):
        pass


def test_a_dead_line():
    line = Dead()
    with pytest.raises(LinkError, match=r"^no board responded in 25 attempts of 0\.2 s$"):
        Device(Link(line))
    assert line.seconds < 10


class Memory(Link):
    """A link to words at addresses."""

    def __init__(self, words):
        super().__init__(Dead())
        self.words = words

    def open(self):
        pass

    def read(self, addresses):
        return [self.words.get(address, 0) for address in addresses]


@pytest.mark.parametrize(("words", "message"), [
    ({0: 7}, f"the board must have an accelerator (magic {MAGIC:#010x}), not 0x00000007"),
    ({0: MAGIC, 1: 99}, f"the board must have hardware of version {VERSION}, not 99: build its bitstream again"),
    ({0: MAGIC, 1: VERSION}, "the board must tell a configuration that there can be: rows must be a positive integer, "
                             "not 0"),
])
def test_no_accelerator(words, message):
    with pytest.raises(DeviceError, match=f"^{re.escape(message)}$"):
        Device(Memory(words))
