"""The host's side of the link against a model of the bridge, on a line that fails in every way."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signum.fpga.host.link import Link, LinkError, SerialTransport, bursts, decode_response, encode_read, encode_write
from signum.hdl.host.bridge import CRC, Answer

WORDS = st.lists(st.integers(0, 2**32 - 1), max_size=255)


def crc(data):
    """The CRC by its definition, from the hardware's own parameters."""
    return CRC.compute(data).to_bytes(4, "little")


def response(sequence, answer, words):
    body = bytes([sequence, answer, len(words)]) + b"".join(word.to_bytes(4, "little") for word in words)
    return b"\x5a" + body + crc(body)


class Bridge:
    """What `hdl.host.bridge` does with bytes, and with silence."""

    def __init__(self):
        self.memory = {}
        self.frame = bytearray()
        self.broken = None

    def silence(self):
        """The line was quiet: what the bridge says then."""
        why = self.broken if self.broken is not None else Answer.GAP if self.frame else None
        sequence = self.frame[1] if len(self.frame) > 1 else 0
        self.frame.clear()
        self.broken = None
        return b"" if why is None else self.response(sequence, why, [])

    def byte(self, byte):
        """A byte came: what the bridge says to it."""
        if self.broken is not None:
            return b""
        self.frame.append(byte)
        frame = bytes(self.frame)
        if frame[0] != 0xA5 or (len(frame) == 12 and crc(frame[1:8]) != frame[8:]):
            self.broken = Answer.BAD_HEADER
        elif len(frame) >= 12:
            return self.serve(frame)
        return b""

    def serve(self, frame):
        _, sequence, command, count = frame[:4]
        address = int.from_bytes(frame[4:8], "little")
        payload = frame[12:]
        if command == 0x52:
            self.frame.clear()
            return self.response(sequence, Answer.OK, [self.memory.get(address + i, 0) for i in range(count)])
        if payload and len(payload) % 4 == 0 and len(payload) <= 4 * count:
            place = address + len(payload) // 4 - 1
            self.memory[place] = int.from_bytes(payload[-4:], "little")
        if len(payload) < 4 * count + 4:
            return b""
        if crc(payload[:-4]) != payload[-4:]:
            self.broken = Answer.BAD_PAYLOAD
            return b""
        self.frame.clear()
        return self.response(sequence, Answer.OK, [])

    def response(self, sequence, answer, words):
        return response(sequence, answer, words)


class Wire:
    """A transport to a `Bridge` whose time passes in `read` alone; bytes are lost, doubled and flipped."""

    def __init__(self, fault=0.0, seed=0):
        self.bridge = Bridge()
        self.fault = fault
        self.random = random.Random(seed)
        self.inbox = bytearray()
        self.reads = 0

    def damaged(self, data):
        for byte in data:
            if self.random.random() < self.fault:
                bit = 1 << self.random.randrange(8)
                yield from self.random.choice([b"", bytes([byte, byte]), bytes([byte ^ bit])])
            else:
                yield byte

    def write(self, data):
        for byte in self.damaged(data):
            self.inbox += bytes(self.damaged(self.bridge.byte(byte)))

    def read(self, count, timeout):
        self.reads += 1
        assert timeout > 0
        if len(self.inbox) < count:
            self.inbox += bytes(self.damaged(self.bridge.silence()))
        data = bytes(self.inbox[:count])
        del self.inbox[:count]
        return data

    def close(self):
        pass


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


@pytest.mark.parametrize("count", [0, 1, 254, 255, 256, 600])
def test_reads_what_was_written(count):
    wire = Wire()
    link = Link(wire)
    values = [random.getrandbits(32) for _ in range(count)]
    link.ping()
    link.write(0x1234, values)
    assert link.read(0x1234, count) == values
    assert wire.bridge.memory == {0x1234 + i: value for i, value in enumerate(values)}
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
def test_a_faulty_line_never_gives_a_wrong_word(fault):
    wire = Wire(fault, seed=1)
    link = Link(wire, attempts=40)
    known: dict[int, int] = {}
    for step in range(150):
        address = wire.random.randrange(50)
        values = [wire.random.getrandbits(32) for _ in range(wire.random.choice([1, 3, 12]))]
        link.write(address, values)
        known |= {address + i: value for i, value in enumerate(values)}
        assert known.items() <= wire.bridge.memory.items(), f"step {step}"
        assert link.read(address, len(values)) == values
    assert link.retries > 10


def test_a_dead_line_is_given_up():
    class Dead(Wire):
        def write(self, data):
            pass

    wire = Dead()
    message = ("no good answer to a read of 3 words at address 0x10 in 5 attempts; the last one: "
               "0 bytes, then none for 0.5 s")
    with pytest.raises(LinkError, match=f"^{re.escape(message)}$"):
        Link(wire, attempts=5, timeout=0.5).read(0x10, 3)
    assert wire.reads == 10


def test_endless_noise_is_given_up():
    class Noise(Wire):
        def read(self, count, timeout):
            self.reads += 1
            return self.random.randbytes(count)

    wire = Noise()
    with pytest.raises(LinkError, match="in 4 attempts"):
        Link(wire, attempts=4).write(0, [1])
    assert wire.reads < 1000


def test_a_late_answer_is_not_taken_for_the_next():
    class Late(Wire):
        """The answers of the first frame come with those of the second."""

        late = b""

        def read(self, count, timeout):
            if not self.late:
                self.late, self.inbox = bytes(self.inbox), bytearray()
                return b""
            if self.late != b"gone" and self.inbox:
                self.inbox[:0] = self.late
                self.late = b"gone"
            return super().read(count, timeout)

    wire = Late()
    wire.bridge.memory = {0: 7}
    link = Link(wire)
    assert link.read(0, 1) == [7]
    assert link.retries == 1


def test_what_must_not_be_done_twice_is_tried_once():
    class Mute(Bridge):
        def response(self, *_):
            return b""

    wire = Wire()
    wire.bridge = Mute()
    with pytest.raises(LinkError, match="in 1 attempts"):
        Link(wire).write(5, [9], attempts=1)
    assert wire.bridge.memory == {5: 9}


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
