"""Frames of `hdl.host.frames` as bytes: requests to a board, and its responses in a stream of bytes."""

import struct
import zlib
from typing import NamedTuple

from signum.hdl.host.frames import COUNT_BITS, CRC_BYTES, RESPONSE_HEAD_BYTES, Command, Kind, count_bits
from signum.hdl.host.hdlc import ESCAPE, FLAG, FLIPPED

__all__ = ["Response", "ResponseParser", "encode", "encode_open"]

GOOD = 0x2144_DF1C          # the CRC-32 of data and their CRC-32
LONGEST = 1 << 16           # bytes without a flag that are no frame
ESCAPED = {bytes([byte]): bytes([ESCAPE, byte ^ FLIPPED]) for byte in (ESCAPE, FLAG)}      # the escape itself first


def encode(session: int, sequence: int, taken: int, command: Command, body: bytes = b"") -> bytes:
    """A frame between two flags: the first one ends whatever noise came before."""
    data = struct.pack("<BBHB", session, sequence & 0xFF, taken & 0xFFFF, command) + body
    data += struct.pack("<I", zlib.crc32(data))
    for plain, escaped in ESCAPED.items():
        data = data.replace(plain, escaped)
    return bytes([FLAG]) + data + bytes([FLAG])


def encode_open(session: int) -> bytes:
    """The frame that begins a session."""
    return encode(session, 0, session, Command.OPEN)


class Response(NamedTuple):
    """A whole frame of a board, with the fields of `hdl.host.frames`.

    Members
    -------
    slots, slot_bytes : int
        The board's window.
    payload : bytes
        Words or answers.
    """

    session: int
    kind: Kind
    slots: int
    slot_bytes: int
    number_bits: int
    sequence_bits: int
    sequence: int
    held: int
    first: int
    payload: bytes

    @property
    def counts(self) -> int:
        """The modulus of a count of answers."""
        return 1 << count_bits(self.number_bits, self.sequence_bits)


def decode(frame: bytes) -> Response | None:
    """The response between two flags, or None where it is damaged."""
    if len(frame) < RESPONSE_HEAD_BYTES + CRC_BYTES or frame[-1] == ESCAPE:
        return None
    first, *rest = frame.split(bytes([ESCAPE]))
    data = first + b"".join(bytes([part[0] ^ FLIPPED]) + part[1:] for part in rest if part)
    if len(data) < RESPONSE_HEAD_BYTES + CRC_BYTES or zlib.crc32(data) != GOOD or data[1] not in list(Kind):
        return None
    session, kind, window, counts, sequence, held, number = struct.unpack("<BBBBBHH", data[:RESPONSE_HEAD_BYTES])
    return Response(session, Kind(kind), 1 << (window & 0xF), 1 << (window >> 4), counts % (1 << COUNT_BITS),
                    (counts >> COUNT_BITS) + 1, sequence, held, number, data[RESPONSE_HEAD_BYTES:-CRC_BYTES])


class ResponseParser:
    """Finds the whole frames in a stream of bytes.

    Members
    -------
    damaged : int
        Frames, or pieces of such, that were dropped.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._begun = b""

    def feed(self, data: bytes) -> list[Response]:
        """The frames that end in these bytes."""
        *frames, begun = (self._begun + data).split(bytes([FLAG]))
        self._begun = begun[-LONGEST:]
        found = []
        for frame in frames:
            if response := decode(frame):
                found.append(response)
            else:
                self.damaged += bool(frame)
        return found
