"""Packets of USB: their kinds, tokens and data with their CRCs, after USB 2.0, chapter 8.

Nothing here is shared with the device.
"""

import enum
from collections.abc import Iterable, Iterator

__all__ = ["Pid", "bits_of", "data_packet", "packets_of", "payload_of", "token"]


class Pid(enum.IntEnum):
    """The kinds of packets (USB 2.0, table 8-1)."""

    OUT, IN, SOF, SETUP = 0b0001, 0b1001, 0b0101, 0b1101
    DATA0, DATA1 = 0b0011, 0b1011
    ACK, NAK, STALL, NYET = 0b0010, 0b1010, 0b1110, 0b0110
    PING = 0b0100

    @property
    def octet(self) -> int:
        """The kind and its complement."""
        return self | (self ^ 0xF) << 4


def crc(bits: Iterable[int], polynomial: int, width: int) -> int:
    """The complement of the remainder, from all ones on, in the order of the wire: its highest power is bit 0."""
    remainder = (1 << width) - 1
    for bit in bits:
        feedback = bit ^ remainder >> width - 1
        remainder = (remainder << 1 & (1 << width) - 1) ^ (polynomial if feedback else 0)
    return sum((~remainder >> i & 1) << width - 1 - i for i in range(width))


def bits_of(data: bytes) -> Iterator[int]:
    """Bits in the order of the wire."""
    return (byte >> i & 1 for byte in data for i in range(8))


def token(pid: Pid, address: int, endpoint: int) -> bytes:
    """The packet of a token."""
    value = address | endpoint << 7
    value |= crc((value >> i & 1 for i in range(11)), 0b00101, 5) << 11
    return bytes([pid.octet, value & 0xFF, value >> 8])


def data_packet(pid: Pid, payload: bytes) -> bytes:
    """The packet of data."""
    return bytes([pid.octet]) + payload + crc(bits_of(payload), 0x8005, 16).to_bytes(2, "little")


def payload_of(packet: bytes) -> bytes:
    """The data of a packet, whose CRC must be right."""
    assert data_packet(Pid(packet[0] & 0xF), packet[1:-2]) == packet, f"the CRC of {packet.hex()} must be right"
    return packet[1:-2]


def packets_of(frames: Iterable[bytes], most: int) -> list[bytes]:
    """The packets of frames: each of its last ones is short, or empty."""
    return [frame[start:start + most] for frame in frames for start in range(0, len(frame) + 1, most)]
