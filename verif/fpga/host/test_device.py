"""The driver against a virtual board: results, refusals, and boards that lose their program."""

import dataclasses
import re

import numpy as np
import pytest

from signum.fpga.host.device import PATIENCE, Device, DeviceError
from signum.fpga.host.link import Link, LinkError
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.cycles import predict_cycles
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import answer_bits
from signum.hdl.host.bus import (
    FAULT_BIT,
    MAGIC,
    REGION_AT,
    UNIT_AT,
    VERSION,
    WORD_AT,
    Control,
    Region,
    Register,
    Status,
    config_words,
)
from signum.verif.bench.cases import draw_case
from signum.verif.bench.stream_cases import draw_stream, with_streams
from signum.verif.bench.stream_runs import expected_answers
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


class Registers(Link):
    """A link to registers, each at ``step`` addresses, and to a memory that takes every word.

    Members
    -------
    words : dict of int
        By register.
    statuses : list of int
        Values of `Register.STATUS`, one a read; the last one stays.
    written : list of (int, int)
    streams : list of bytes
        What a stream of images gives, in parts; BoardResetError or LinkError raise it.
    """

    def __init__(self, words, *, step=1):
        super().__init__(Dead())
        self.words = words
        self.step = step
        self.statuses = [0]
        self.written = []
        self.streams = []
        self.sent = b""

    def open(self):
        pass

    def read(self, addresses):
        return [self._read(address // self.step) for address in addresses]

    def _read(self, register):
        if register == Register.STATUS:
            return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return self.words.get(register, 0)

    def write(self, writes):
        self.written += writes

    def stream(self, values, answers, answer_bytes, tail, take):
        self.sent = values
        self.write(tail)
        for part in self.streams:
            if isinstance(part, Exception):
                raise part
            take(part)


def registers_of(config, step=1):
    """A board that is idle, and has run a program in no cycles."""
    return Registers({Register.MAGIC: MAGIC, Register.VERSION: VERSION, **config_words(config)}, step=step)


@pytest.mark.parametrize("step", [1, 2, 4, 1 << 11])
def test_registers_are_as_far_apart_as_the_slices_of_a_word(step):
    """The step is found; a run is started by the register of that address."""
    board = registers_of(CONFIG, step)
    device = Device(board)
    assert device.config == CONFIG
    device._run()
    assert board.written == [(Register.CONTROL * step, Control.START)]


def test_a_step_that_is_too_wide():
    with pytest.raises(DeviceError, match=rf"^the board must have hardware of version {VERSION}, not {MAGIC}: "):
        Device(registers_of(CONFIG, 1 << 12))


def test_a_run_is_awaited():
    board = registers_of(CONFIG)
    device = Device(board)
    board.statuses = [Status.BUSY] * 3 + [0, 0, Status.BUSY]
    device._run()
    assert board.statuses == [Status.BUSY]
    board.statuses = [Status.BUSY, 0, 0]
    device._await_idle()
    assert board.statuses == [0]


@pytest.mark.parametrize("wait", ["_await_idle", "_await_end"])
def test_a_board_that_runs_on_and_on(wait):
    board = registers_of(CONFIG)
    device = Device(board)
    board.statuses = [Status.BUSY] * PATIENCE + [0]
    with pytest.raises(DeviceError, match=r"^the board must be idle, not run on and on: reset it$"):
        getattr(device, wait)()
    assert board.statuses == [0]


WRONG_WORD = 1 | 1 << FAULT_BIT | Region.WEIGHTS << REGION_AT | 2 << UNIT_AT | 77 << WORD_AT
REFUSED = r"^word 77 of the weights of column 2 must have the right parity: a bit has flipped in the board's memory$"


def test_a_word_of_the_wrong_parity(seed):
    """Whenever the board tells of it; then everything is loaded again."""
    case = draw_case(np.random.default_rng(seed), CONFIG)
    board = registers_of(CONFIG.replace(parity=1))
    board.words[Register.PARITY] = WRONG_WORD
    device = Device(board)
    device.program = case.program
    for statuses in ([Status.FAULT | Status.BUSY], [Status.BUSY, 0, Status.FAULT], [0, Status.FAULT, 0]):
        board.statuses = [*statuses]
        device._loaded = True
        with pytest.raises(DeviceError, match=REFUSED):
            device._run()
        assert not device._loaded
    board.statuses = [0, 0, Status.FAULT]           # what comes later is not of this run
    device._run()
    device = Device(board := registers_of(CONFIG))
    board.statuses = [Status.FAULT]                 # an array without parity does not tell
    device._run()


PIXELS = with_streams(ArrayConfig(rows=2, cols=3, lanes=5, tile=2, sum_bits=20, weight_depth=512, activation_depth=1024,
                                  threshold_depth=512, requantize_depth=0))


def stream_of(seed, config=PIXELS):
    """A case, the board with its cycles, and a device that the program is loaded into."""
    case = draw_stream(np.random.default_rng(seed), config, batches=1)
    board = registers_of(config)
    board.words[Register.CYCLES] = predict_cycles(config, case.program.records)
    device = Device(board)
    device.load(case.program)
    return case, board, device


def bytes_of(case):
    """The numbers of the answers on the line."""
    width = -(-answer_bits(case.program.config) // 8)
    return b"".join(number.to_bytes(4, "little")[:width] for answer in expected_answers(case) for number in answer)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_answers_in_parts(size, seed):
    """Numbers in two parts, answers in several; each is told once, and the images are sent channels last."""
    for number in range(6):
        case, board, device = stream_of(seed + number)
        data = bytes_of(case)
        board.streams = [data[at:at + size] for at in range(0, len(data), size)]
        told: list[np.ndarray] = []
        found = device.answer(case.images.astype(np.uint8), told.append)
        assert np.array_equal(np.concatenate(told), found)
        assert len(found) == len(case.images)
        if found.dtype != bool:
            assert [[int(value) & 0xFFFF_FFFF for value in image.reshape(-1)] for image in found] == (
                expected_answers(case))
        assert board.sent == case.images.astype(np.uint8).transpose(0, 2, 3, 1).tobytes()


def test_a_part_of_a_batch_is_flushed(seed):
    case, board, device = stream_of(seed)
    whole = case.program.images
    data = bytes_of(case)
    one = len(data) // len(case.images)
    images = np.concatenate([case.images] * (whole + 1)).astype(np.uint8)
    for count, flushes in ((whole, 0), (whole + 1, 1)):
        board.written.clear()
        board.streams = [(data * (whole + 1))[:one * count]]
        device.answer(images[:count])
        assert board.written == [(Register.CONTROL, Control.STREAM | Control.FLUSH)] * flushes


def test_no_answer_of_a_board_with_a_wrong_word(seed):
    """Behind the answers, or where none comes any more."""
    for streams, status, error in (([], Status.FAULT, REFUSED), ([], 0, "^silent$"), (None, Status.FAULT, REFUSED)):
        case, board, device = stream_of(seed, PIXELS.replace(parity=1))
        board.words[Register.PARITY] = WRONG_WORD
        board.streams = [bytes_of(case)] if streams is None else [LinkError("silent")]
        board.statuses = [status]
        with pytest.raises((DeviceError, LinkError), match=error):
            device.answer(case.images.astype(np.uint8))


def test_images_that_do_not_fit(seed):
    case, _, device = stream_of(seed)
    images = case.images.astype(np.uint8)
    b, c, h, w = images.shape
    for wrong in (images.astype(np.int64), images[:0], images[:, :, :-1], np.zeros((b, c + 1, h, w), np.uint8)):
        with pytest.raises(DeviceError, match=rf"^the images must be uint8 \(B, {c}, {h}, {w}\) with B of at least 1"):
            device.answer(wrong)
    device.program = None
    with pytest.raises(DeviceError, match=r"^a program that takes pixels must be loaded before answer is called$"):
        device.answer(images)


def test_a_program_from_the_flash(seed):
    """It is used as it is, if the board streams already; a reset loads it again."""
    case, board, device = stream_of(seed)
    board.written.clear()
    board.statuses = [Status.STREAM]
    board.words[Register.CYCLES] = 0
    device.attach(case.program)
    board.streams = [bytes_of(case)]
    device.answer(case.images.astype(np.uint8))
    assert [write for write in board.written if write[1] != Control.STREAM | Control.FLUSH] == []
    board.statuses = [0]
    with pytest.raises(DeviceError, match=r"^the board must have a program from its flash: a light that blinks "):
        device.attach(case.program)
    with pytest.raises(DeviceError, match=r"^the program must be compiled for the board's array, which has lanes = 5 "):
        device.attach(dataclasses.replace(case.program, config=PIXELS.replace(lanes=6)))


def test_maps_of_different_numbers_of_images():
    two, none, other = (np.zeros((count, 2, 2, 3), bool) for count in (2, 0, 1))
    shapes = {"a": (2, 2, 3), "b": (2, 2, 3)}
    Device._check_maps(shapes, {"a": two, "b": two})
    for maps, counts in (({"a": two, "b": other}, "[1, 2]"), ({"a": none, "b": none}, "[0]"),
                         ({"a": none, "b": two}, "[0, 2]")):
        with pytest.raises(DeviceError, match=rf"^the input maps must be of one number of images, .* not "
                                              rf"{re.escape(counts)}$"):
            Device._check_maps(shapes, maps)


@pytest.mark.parametrize(("words", "message"), [
    ({0: 7}, f"the board must have an accelerator (magic {MAGIC:#010x}), not 0x00000007"),
    ({0: MAGIC, 1: 99}, f"the board must have hardware of version {VERSION}, not 99: build its bitstream again"),
    ({0: MAGIC, 1: VERSION}, "the board must tell a configuration that there can be: rows must be a positive integer, "
                             "not 0"),
])
def test_no_accelerator(words, message):
    with pytest.raises(DeviceError, match=f"^{re.escape(message)}$"):
        Device(Registers(words))
