"""The host's side of the link: its errors, its bursts, and a window of every size at a serial line."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signum.fpga.flow.lines.board_line import Window
from signum.fpga.host.framing import encode
from signum.fpga.host.link import PATIENCE, Link, LinkError, bursts
from signum.fpga.host.virtual_board import VirtualBoard
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Region
from signum.hdl.host.frames import Command, Kind, most_words
from signum.hdl.host.hdlc import ESCAPE, FLAG, FLIPPED
from signum.verif.bench.bridge_line import BridgeLine
from signum.verif.fuzz.line import response_frame
from signum.verif.runs.faults import CONFIG, TIMEOUT


class Dead:
    """A line without a response."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.seconds = 0.0

    def write(self, data: bytes) -> None:
        self.frames.append(data)

    def read(self, timeout: float) -> bytes:
        self.seconds += timeout
        return b""

    def close(self) -> None:
        """Nothing is open."""


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 7))
def test_bursts_keep_the_order_and_follow_the_addresses(addresses: list[int], most: int) -> None:
    def following(address: int) -> int:
        return address + 2 if address % 4 else address + 1

    found = list(bursts(((address, i) for i, address in enumerate(addresses)), following, most))
    assert [i for _, items in found for i in items] == list(range(len(addresses)))
    for start, items in found:
        assert 1 <= len(items) <= most
        address = start
        for i in items:
            assert addresses[i] == address
            address = following(address)
    for (_, items), (start, _) in pairwise(found):
        assert len(items) == most or start != following(addresses[items[-1]])


def test_the_words_of_an_array_go_in_the_order_of_their_slices() -> None:
    """With several slices a word, addresses step over the unused ones; a frame holds them all the same."""
    layout = AddressMap(ArrayConfig.preset("ecp5_cnv").replace(lanes=96))
    addresses = [layout.address(Region.ACTIVATIONS, word=word, slice=part) for word in range(20) for part in range(3)]
    assert addresses[3] - addresses[2] > 1
    assert len(list(bursts(((address, 0) for address in addresses), layout.following, 255))) == 1


@pytest.mark.sweep(3)
@pytest.mark.parametrize("slots", [1, 2, 4, 8, 16])
def test_windows_of_every_size(slots: int, seed: int) -> None:
    rng = random.Random(seed)
    board = VirtualBoard(CONFIG, window=Window(slots, 128))
    link = Link(board, timeout=TIMEOUT)
    link.open()
    link.follow(AddressMap(CONFIG))
    places = [AddressMap(CONFIG).address(Region.ACTIVATIONS, word=word) for word in range(200)]
    values = [rng.getrandbits(12) for _ in places]
    link.write(zip(places, values, strict=True))
    assert link.read(places) == values
    assert link.retries == 0
    board.close()


def test_a_lost_frame_is_sent_again_alone(seed: int) -> None:
    """The frames behind it wait on the board, which tells of them: the host needs no pause."""
    sent: list[int] = []
    polls: list[bytes] = []

    def lose_third(frames: list[bytes]) -> list[bytes]:
        sent.extend([frame[1] for frame in frames if frame[4] == Command.WRITE])
        polls.extend([frame for frame in frames if frame[4] == Command.POLL])
        return [frame for frame in frames if not (frame[4] == Command.WRITE and frame[1] == 2 and sent.count(2) == 1)]

    line = BridgeLine(random.Random(seed), slots=8, faults=lose_third)
    link = Link(line, timeout=2000.0)
    link.open()
    while link.session in (0x7D, 0x7E):
        link.open()
    writes = [(0x5000 + 2 * k, k) for k in range(8)]
    link.write(writes)
    assert link.read([0x5000]) == [0]
    assert line.writes == writes
    assert sent == [0, 1, 2, 3, 4, 5, 6, 7, 2]
    assert polls == []
    assert link.retries == 1


def test_a_dead_line() -> None:
    line = Dead()
    with pytest.raises(LinkError, match=r"^no board responded in 25 attempts of 0\.2 s$"):
        Link(line).open()
    assert line.seconds == pytest.approx(5.0)


def test_a_line_that_dies(seed: int) -> None:
    link = Link(BridgeLine(random.Random(seed)), timeout=400.0)
    link.open()
    link.transport = line = Dead()
    with pytest.raises(LinkError, match=r"^the board did not respond in 25 attempts of 400\.0 s$"):
        link.read([0])
    assert line.seconds == 26 * 400     # behind the read, and behind each poll


def test_a_board_that_executes_nothing(seed: int) -> None:
    line = BridgeLine(random.Random(seed))
    link = Link(line, timeout=400.0)
    link.open()
    line.bus_stands = True
    with pytest.raises(LinkError, match=f"^the board did not go on for {PATIENCE * 400} s: reset it$"):
        link.read([0])


def test_a_link_without_a_session() -> None:
    with pytest.raises(LinkError, match=r"^a session must be open before frames are sent$"):
        Link(Dead()).read([0])


def test_the_longest_frames() -> None:
    assert most_words(128) == 29
    assert most_words(4096) == 255
    assert len(encode(0, 0, 0, Command.WRITE, bytes(5 + 4 * 29))) - 2 <= 128 + 4


class Scripted:
    """A board that answers each frame of the host by a function of its session and sequence number."""

    def __init__(self, answer: Callable[[int, int, int], bytes], noise: bytes = b"") -> None:
        self.commands: list[int] = []
        self.answer = answer
        self.noise = noise
        self.waiting = b""
        self.reads = 0

    def write(self, data: bytes) -> None:
        for escaped in data.split(bytes([FLAG])):
            first, *rest = escaped.split(bytes([ESCAPE]))
            frame = first + b"".join(bytes([part[0] ^ FLIPPED]) + part[1:] for part in rest)
            if len(frame) >= 5:
                self.commands.append(frame[4])
                session = frame[2] if frame[4] == Command.OPEN else frame[0]
                self.waiting += self.answer(session, frame[1], frame[4])

    def read(self, timeout: float) -> bytes:
        self.reads += 1
        assert self.reads < 10_000
        found, self.waiting = self.waiting, b""
        return found or self.noise

    def close(self) -> None:
        """Nothing is open."""


def opened(session: int, sequence: int, command: int) -> bytes:
    return response_frame(session, Kind.OPENED) if command == Command.OPEN else b""


def test_a_read_of_another_length() -> None:
    def answer(session: int, sequence: int, command: int) -> bytes:
        words = response_frame(session, Kind.WORDS, b"12345", sequence=sequence)
        return opened(session, sequence, command) or (
            words + response_frame(session, Kind.STATUS, sequence=sequence + 1) if command == Command.READ else b"")

    link = Link(Scripted(answer))
    link.open()
    with pytest.raises(LinkError, match=r"^the board must give 4 bytes for a read of 1 words, not 5$"):
        link.read([3])


def test_reads_without_their_words() -> None:
    def answer(session: int, sequence: int, command: int) -> bytes:
        return opened(session, sequence, command) or response_frame(session, Kind.STATUS, sequence=sequence + 1)

    line = Scripted(answer)
    link = Link(line, attempts=4)
    link.open()
    with pytest.raises(LinkError, match=r"^the board must give the words of a read, not execute it 4 times without "):
        link.read([3])
    assert line.commands == [Command.OPEN, *[Command.READ] * 4]
    assert link.retries == 4


def test_a_board_that_responds_late() -> None:
    """Each opening without a response is a repetition, and no frame is sent that nothing asks for."""
    opens = 0

    def answer(session: int, sequence: int, command: int) -> bytes:
        nonlocal opens
        opens += command == Command.OPEN
        if opens < 3:
            return response_frame(session, Kind.CLOSED)         # of a session that never was
        words = response_frame(session, Kind.WORDS, b"\x05\0\0\0", sequence=sequence)
        return opened(session, sequence, command) or words + response_frame(session, Kind.STATUS, sequence=sequence + 1)

    line = Scripted(answer)
    link = Link(line)
    link.open()
    assert link.retries == 2
    assert link.read([3]) == [5]
    assert line.commands == [*[Command.OPEN] * 3, Command.READ]


def test_words_that_come_behind_the_end_of_their_read() -> None:
    """On a line that reorders frames."""
    def answer(session: int, sequence: int, command: int) -> bytes:
        return opened(session, sequence, command) or (
            response_frame(session, Kind.STATUS, sequence=sequence + 1)
            + response_frame(session, Kind.WORDS, b"\x05\0\0\0", sequence=sequence))

    link = Link(Scripted(answer))
    link.open()
    assert link.read([3]) == [5]
    assert link.read([4]) == [5]
    assert link.retries == 0


def test_numbers_of_answers() -> None:
    """Each once and in order, of whatever responses they come with; a response of another kind has none."""
    first = 0

    def answer(session: int, sequence: int, command: int) -> bytes:
        nonlocal first
        if command != Command.PIXELS:
            return opened(session, sequence, command)
        data = bytes(range(10 * sequence, 10 * sequence + 4))
        found = (response_frame(session, Kind.ANSWERS, data, sequence=sequence + 1, first=first)
                 + response_frame(session, Kind.ANSWERS, data[2:], sequence=sequence + 1, first=first + 1)
                 + response_frame(session, Kind.STATUS, b"\xEE" * 4, sequence=sequence + 1, first=first + 2))
        first += 2
        return found

    line = Scripted(answer)
    link = Link(line)
    link.open()
    taken: list[bytes] = []
    link.stream(bytes(200), 4, 2, [], taken.append)
    assert b"".join(taken) == bytes([0, 1, 2, 3, 10, 11, 12, 13])
    assert line.commands == [Command.OPEN, Command.PIXELS, Command.PIXELS]


@pytest.mark.parametrize("draw", [lambda most: 0, lambda most: most - 1], ids=["least", "most"])
def test_a_session_differs_from_the_one_before(draw: Callable[[int], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbelow", draw)
    link = Link(Scripted(opened))
    for _ in range(3):
        before = link.session
        link.open()
        assert link.session != before
        assert link.session in range(256)


def test_addresses_follow_each_other_by_one_until_an_array_is_known() -> None:
    """And then as those of its words do, but for the registers of a loader."""
    assert list(bursts([(5, "a"), (6, "b"), (8, "c")])) == [(5, ["a", "b"]), (8, ["c"])]
    link = Link(Dead())
    assert link.following(7) == 8
    layout = AddressMap(ArrayConfig.preset("ecp5_cnv").replace(lanes=96))
    link.follow(layout)
    last = layout.address(Region.ACTIVATIONS, word=3, slice=2)
    assert link.following(last) == layout.address(Region.ACTIVATIONS, word=4, slice=0) != last + 1
    assert link.following(1 << 31 | last) == (1 << 31 | last) + 1


@pytest.mark.parametrize("window", [0x00, 0x32, 0x7F])
def test_windows_without_room(window: int) -> None:
    link = Link(Scripted(lambda session, sequence, command: response_frame(session, Kind.OPENED, window=window)))
    with pytest.raises(LinkError, match=r"^the board must tell a window of 1 to 16 slots that hold a frame, not "):
        link.open()


@pytest.mark.parametrize("noise", [b"\x55" * 4000, response_frame(1, Kind.STATUS) * 100])
def test_a_line_that_is_never_quiet(noise: bytes) -> None:
    with pytest.raises(LinkError, match=r"^no board responded in 5 attempts of "):
        Link(Scripted(lambda session, sequence, command: b"", noise), attempts=5).open()
    link = Link(Scripted(opened, noise), attempts=5)
    link.open()
    with pytest.raises(LinkError, match=r"^the board did not (respond in 5 attempts of|go on for) "):
        link.read([3])
