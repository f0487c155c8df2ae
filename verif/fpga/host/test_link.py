"""The host's side of the link: its errors, its bursts, and a window of every size at a serial line."""

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signum.fpga.flow.lines.board_line import Window
from signum.fpga.host.framing import encode
from signum.fpga.host.link import PATIENCE, Link, LinkError, bursts
from signum.fpga.host.serial_transport import SerialTransport
from signum.fpga.host.virtual_board import VirtualBoard
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Region
from signum.hdl.host.frames import Command, most_words
from signum.verif.bench.bridge_line import BridgeLine
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
    """The frames behind it wait on the board."""
    sent: list[int] = []

    def lose_third(frames: list[bytes]) -> list[bytes]:
        sent.extend([frame[1] for frame in frames if frame[4] == Command.WRITE])
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
    assert link.retries == 1


def test_a_dead_line() -> None:
    line = Dead()
    with pytest.raises(LinkError, match=r"^no board responded in 25 attempts of 0\.2 s$"):
        Link(line).open()
    assert line.seconds == pytest.approx(5.0)


def test_a_line_that_dies(seed: int) -> None:
    link = Link(BridgeLine(random.Random(seed)), timeout=400.0)
    link.open()
    link.transport = Dead()
    with pytest.raises(LinkError, match=r"^the board did not respond in 25 attempts of 400\.0 s$"):
        link.read([0])


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


def test_a_port_that_there_is_not() -> None:
    message = "serial port /dev/none cannot be opened: "
    with pytest.raises(LinkError, match=f"^{re.escape(message)}"):
        SerialTransport("/dev/none", 1_000_000)


def test_the_longest_frames() -> None:
    assert most_words(128) == 29
    assert most_words(4096) == 255
    assert len(encode(0, 0, 0, Command.WRITE, bytes(5 + 4 * 29))) - 2 <= 128 + 4
