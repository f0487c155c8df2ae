"""The host's side of the link against the hardware of a board, on a line with every kind of fault."""

import random
import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signum.fpga.host.link import Link, LinkError, SerialTransport, bursts, decode_response, encode_read, encode_write
from signum.fpga.host.virtual_board import VirtualBoard
from signum.hdl.host.bridge import CRC, Answer
from signum.hdl.host.bus import AddressMap, Region
from signum.verif.runs.faults import CONFIG, TIMEOUT, FaultyLine

ACTIVATIONS = AddressMap(CONFIG).address(Region.ACTIVATIONS)
WORDS = st.lists(st.integers(0, 2**32 - 1), max_size=255)


def crc(data):
    """The CRC by its definition, from the hardware's own parameters."""
    return CRC.compute(data).to_bytes(4, "little")


def response(sequence, answer, words):
    body = bytes([sequence, answer, len(words)]) + b"".join(word.to_bytes(4, "little") for word in words)
    return b"\x5a" + body + crc(body)


class Line:
    """A transport to a board."""

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        self.frames = 0

    def write(self, data: bytes) -> None:
        self.frames += 1
        self.board.write(data)

    def read(self, count: int, timeout: float) -> bytes:
        return self.board.read(count, timeout)

    def close(self) -> None:
        """Keep the board for the next test."""


@pytest.fixture(scope="module")
def board() -> Iterator[VirtualBoard]:
    """The hardware at the other end: bridge, serial line and memories in Verilator."""
    made = VirtualBoard(CONFIG)
    yield made
    made.close()


@given(st.integers(0, 255), st.integers(0, 2**32 - 1), WORDS)
def test_frames_are_those_of_the_table(sequence, address, words):
    header = bytes([0xA5, sequence, 0x57, len(words)]) + address.to_bytes(4, "little")
    payload = b"".join(word.to_bytes(4, "little") for word in words)
    assert encode_write(sequence, address, words) == header + crc(header[1:]) + payload + crc(payload)
    header = bytes([0xA5, sequence, 0x52, len(words)]) + address.to_bytes(4, "little")
    assert encode_read(sequence, address, len(words)) == header + crc(header[1:])


@given(st.integers(0, 255), st.sampled_from(Answer), WORDS)
def test_responses_are_those_of_the_table(sequence, answer, words):
    assert decode_response(response(sequence, answer, words)) == (sequence, answer, words)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=4), st.data())
def test_a_damaged_response_is_none(words, data):
    good = response(3, Answer.OK, words)
    place = data.draw(st.integers(0, len(good) - 1))
    flipped = bytearray(good)
    flipped[place] ^= data.draw(st.integers(1, 255))
    assert decode_response(bytes(flipped)) is None
    assert decode_response(good[:place]) is None
    assert decode_response(good + b"\x00") is None


def test_a_length_that_lies_is_none():
    body = bytes([1, Answer.OK, 2]) + bytes(4)
    assert decode_response(b"\x5a" + body + crc(body)) is None


@pytest.mark.parametrize("count", [0, 1, 254, 255, 256, 512])
def test_reads_what_was_written(board: VirtualBoard, count: int, seed: int) -> None:
    """In the activations of both rows, at successive addresses."""
    link = Link(board)
    values = [random.Random(seed + i).getrandbits(CONFIG.lanes) for i in range(count)]
    link.ping()
    link.write(ACTIVATIONS, values)
    assert link.read(ACTIVATIONS, count) == values
    assert link.retries == 0


@pytest.mark.parametrize(("addresses", "frames"), [
    ([], []),
    ([7], [(7, [7])]),
    ([0, 1, 2, 4, 3, 4, 4], [(0, [0, 1, 2]), (4, [4]), (3, [3, 4]), (4, [4])]),
    (range(5, 5 + 256), [(5, list(range(5, 260))), (260, [260])]),
    (range(255), [(0, list(range(255)))]),
])
def test_successive_addresses_share_a_frame(addresses, frames):
    assert list(bursts((address, address) for address in addresses)) == frames


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 300)), max_size=6))
def test_bursts_keep_every_pair_in_order(runs):
    pairs = [(1000 * first + i, object()) for first, count in runs for i in range(count)]
    found = list(bursts(pairs))
    assert [(address + i, item) for address, items in found for i, item in enumerate(items)] == pairs
    assert all(len(items) <= 255 for _, items in found)


@pytest.mark.parametrize("fault", [0.003, 0.01, 0.03])
def test_a_faulty_line_never_gives_a_wrong_word(board: VirtualBoard, fault: float, seed: int) -> None:
    rng = random.Random(seed)
    line = FaultyLine(board, np.random.default_rng(seed), fault)
    link = Link(line, timeout=TIMEOUT)
    known: dict[int, int] = {}
    for _ in range(150):
        address = ACTIVATIONS + rng.randrange(50)
        values = [rng.getrandbits(CONFIG.lanes) for _ in range(rng.choice([1, 3, 12]))]
        link.write(address, values)
        known |= {address + i: value for i, value in enumerate(values)}
        assert link.read(address, len(values)) == values
    assert link.retries > 10
    good = Link(board)
    good.settle()
    assert {address: good.read(address, 1)[0] for address in known} == known


def test_a_dead_line_is_given_up() -> None:
    class Dead:
        reads = 0

        def write(self, data: bytes) -> None:
            """Nothing leaves."""

        def read(self, count: int, timeout: float) -> bytes:
            self.reads += 1
            return b""

        def close(self) -> None:
            """Nothing is open."""

    line = Dead()
    message = ("no good answer to a read of 3 words at address 0x10 in 5 attempts; the last one: "
               "0 bytes, then none for 0.5 s")
    with pytest.raises(LinkError, match=f"^{re.escape(message)}$"):
        Link(line, attempts=5, timeout=0.5).read(0x10, 3)
    assert line.reads == 10


def test_endless_noise_is_given_up(board: VirtualBoard, seed: int) -> None:
    class Noise(Line):
        reads = 0
        random = random.Random(seed)

        def read(self, count: int, timeout: float) -> bytes:
            self.reads += 1
            return self.random.randbytes(count)

    line = Noise(board)
    with pytest.raises(LinkError, match="in 4 attempts"):
        Link(line, attempts=4).write(ACTIVATIONS, [1])
    assert line.reads < 1000
    Link(board).settle()


def test_a_late_answer_is_not_taken_for_the_next(board: VirtualBoard) -> None:
    class Late(Line):
        """The responses to the first and second frame come together; the word has changed in between."""

        held = inbox = b""

        def write(self, data: bytes) -> None:
            if self.frames == 1:
                self.inbox += self.held
                Link(self.board).write(ACTIVATIONS, [8])
            super().write(data)
            if self.frames == 1:
                self.held = self.board.read(12, TIMEOUT)
                assert decode_response(self.held)

        def read(self, count: int, timeout: float) -> bytes:
            data, self.inbox = self.inbox[:count], self.inbox[count:]
            return data + self.board.read(count - len(data), timeout)

    Link(board).write(ACTIVATIONS, [7])
    line = Late(board)
    link = Link(line)
    assert link.read(ACTIVATIONS, 1) == [8]
    assert (link.retries, line.frames) == (1, 2)
    assert line.inbox == b""


def test_one_attempt_sends_one_frame(board: VirtualBoard) -> None:
    class Mute(Line):
        def read(self, count: int, timeout: float) -> bytes:
            self.board.read(count, timeout)
            return b""

    line = Mute(board)
    with pytest.raises(LinkError, match="in 1 attempts"):
        Link(line).write(ACTIVATIONS + 5, [9], attempts=1)
    assert line.frames == 1
    assert Link(board).read(ACTIVATIONS + 5, 1) == [9]


@pytest.mark.parametrize(("frame", "message"), [
    (lambda: encode_read(0, 0, 256), "a frame must have 0 to 255 words, not 256"),
    (lambda: encode_read(0, 1 << 32, 1), "an address must be 0 to 2**32 - 1, not 4294967296"),
    (lambda: encode_write(0, -1, [1]), "an address must be 0 to 2**32 - 1, not -1"),
    (lambda: encode_write(0, 0, [1 << 32]), "a word must be an integer of 0 to 2**32 - 1"),
])
def test_what_a_frame_cannot_hold(frame, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        frame()


def test_a_port_that_is_not_there():
    with pytest.raises(LinkError, match=r"^serial port /dev/none cannot be opened: "):
        SerialTransport("/dev/none", 1_000_000)
