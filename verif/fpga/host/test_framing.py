"""Frames as bytes: the framing, its inverse, and damage."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signum.fpga.host.framing import ResponseParser, encode, encode_open
from signum.hdl.host.frames import Command, Kind

BYTES = st.binary(max_size=60)


def framed(data: bytes) -> bytes:
    """A frame with its CRC, by the table of RFC 1662."""
    whole = data + zlib.crc32(data).to_bytes(4, "little")
    return b"".join(bytes([0x7D, byte ^ 0x20]) if byte in (0x7D, 0x7E) else bytes([byte]) for byte in whole) + b"\x7e"


def test_zeros_behind_a_response() -> None:
    """They are no part of it, nor are those missing that end a CRC."""
    payloads = (number.to_bytes(4, "little") for number in range(1 << 16))
    whole = next(frame for frame in map(response, payloads) if frame[-2] == 0)
    for broken in (whole[:-1] + b"\0" + whole[-1:], whole[:-2] + whole[-1:]):
        assert ResponseParser().feed(broken) == []
    assert len(ResponseParser().feed(whole)) == 1


@pytest.mark.parametrize("last", [0x7D, 0x7E])
def test_an_escape_at_the_end_of_a_response(last: int) -> None:
    """The last byte of a CRC may be escaped; an escape without a byte behind it is damage."""
    payloads = (number.to_bytes(4, "little") for number in range(1 << 16))
    whole = next(frame for frame in map(response, payloads) if frame[-3:-1] == bytes([0x7D, last ^ 0x20]))
    assert len(ResponseParser().feed(whole)) == 1
    assert ResponseParser().feed(whole[:-2] + whole[-1:]) == []


def response(payload: bytes, session: int = 3, kind: int = Kind.WORDS) -> bytes:
    return framed(bytes([session, kind, 0xA2, 9 | 7 << 5, 17]) + struct.pack("<HH", 0x8001, 511) + payload)


@given(st.integers(0, 255), st.integers(0, 1000), st.integers(0, 1 << 20), st.sampled_from(list(Command)), BYTES)
def test_frames_to_the_board(session: int, sequence: int, taken: int, command: Command, body: bytes) -> None:
    head = struct.pack("<BBHB", session, sequence % 256, taken % 65536, command)
    assert encode(session, sequence, taken, command, body) == b"\x7e" + framed(head + body)
    assert encode_open(session) == b"\x7e" + framed(struct.pack("<BBHB", session, 0, session, Command.OPEN))


@given(st.lists(BYTES, max_size=5), st.lists(st.integers(0, 400), max_size=6))
def test_frames_of_the_board_in_any_pieces(payloads: list[bytes], cuts: list[int]) -> None:
    data = b"noise" + bytes([0x7E]) + b"".join(map(response, payloads))
    parser, found, start = ResponseParser(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        found += parser.feed(data[start:max(start, cut)])
        start = max(start, cut)
    assert [each.payload for each in found] == payloads
    assert parser.damaged == 1
    for each in found:
        assert each[:8] == (3, Kind.WORDS, 4, 1024, 9, 8, 17, 0x8001)
        assert each.first == 511


def test_every_flipped_bit_is_detected() -> None:
    frame = response(bytes(range(0x78, 0x88)))
    for bit in range(8 * len(frame)):
        broken = bytearray(frame)
        broken[bit // 8] ^= 1 << bit % 8
        assert ResponseParser().feed(bytes(broken) + b"\x7e") == []


@pytest.mark.parametrize("data", [b"", b"\x7d", b"\xff\xff\xff\xff", b"\x7d" * 20, bytes(13)])
def test_what_is_no_frame(data: bytes) -> None:
    assert ResponseParser().feed(data + b"\x7e") == []


def test_a_kind_that_there_is_not() -> None:
    assert ResponseParser().feed(response(b"", kind=9)) == []
