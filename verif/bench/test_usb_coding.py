"""Levels of USB packets: by hand, there and back, and everything that a receiver must refuse."""

import random

import pytest

from signum.verif.bench.usb_coding import decoded, encoded

SYNC = [(0, 1), (1, 1), (0, 1), (1, 1), (0, 1), (1, 1)]     # K J K J K J, and two bits of K
SE0, J = (0, 0), (1, 0)
END = [(SE0, 2), (J, 1)]


def wires(packet: bytes) -> list[tuple[tuple[int, ...], int]]:
    """A packet as levels of both wires, with its end."""
    return [*(((level, 1 - level), bits) for level, bits in encoded(packet)), *END]


def test_levels_by_hand() -> None:
    """ACK, 0xD2, is 01001011 from its lowest bit on; a 0 changes the level."""
    assert encoded(b"\xD2") == [*SYNC, (0, 2), (1, 2), (0, 1), (1, 2), (0, 3)]


def test_a_zero_is_stuffed_behind_six_ones() -> None:
    """The one that ends SYNC is the first of the six (USB 2.0, 7.1.9)."""
    assert encoded(b"\xFF\xFF") == [*SYNC, (0, 7), (1, 7), (0, 6)]


def test_there_and_back(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        packet = bytes(rng.choice((rng.randrange(256), 0xFF, 0x00)) for _ in range(rng.randrange(1, 70)))
        assert decoded(wires(packet)) == packet


@pytest.mark.parametrize(("levels", "message"), [
    (wires(b"\xD2")[:-2], "a packet must end with two bits of SE0 and J"),
    ([*wires(b"\xD2")[:-2], (SE0, 3), (J, 1)], "a packet must end with two bits of SE0 and J"),
    (wires(b"\xD2")[1:], "a packet must be of J and K in turn"),
    ([*wires(b"\xD2")[:-4], ((1, 1), 2), *wires(b"\xD2")[-3:]], "a packet must be of J and K in turn"),
    ([*wires(b"\xD2")[:-3], ((0, 1), 8), *END], "a level must last 1 to 7 bits, not 8"),
    ([*wires(b"\xD2")[:5], ((1, 0), 2), *wires(b"\xD2")[6:]], "a packet must begin with SYNC"),
    ([*wires(b"\xD2")[:-3], ((0, 1), 2), *END], "a packet must be of whole bytes, not 7 bits"),
])
def test_what_is_refused(levels: list[tuple[tuple[int, ...], int]], message: str) -> None:
    with pytest.raises(AssertionError, match=f"^{message}"):
        decoded(levels)
