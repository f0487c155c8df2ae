"""A host in a network: frames and datagrams to its peer and back, requests for its address, and all that it drops."""

import random
import struct
import zlib
from ipaddress import IPv4Address

import pytest

from signum.fpga.host.network import (
    ARP,
    ARP_BODY,
    BROADCAST,
    FIXED_ARP,
    ICMP,
    REPLY,
    REQUEST,
    UDP,
    NetworkHost,
    checksum,
)

HOST, BOARD = ("192.168.1.1", 40_000, 0x0253_474E_4D01), ("192.168.1.50", 5347, 0x0253_474E_4D02)


def host_of(own: tuple[str, int, int], peer: tuple[str, int, int]) -> NetworkHost:
    return NetworkHost(address=own[0], port=own[1], mac=own[2], peer=peer[0], peer_port=peer[1], peer_mac=peer[2])


@pytest.fixture
def host() -> NetworkHost:
    return host_of(HOST, BOARD)


@pytest.fixture
def board() -> NetworkHost:
    return host_of(BOARD, HOST)


def sealed(body: bytes) -> bytes:
    """A frame with preamble and check sequence."""
    return b"\x55" * 7 + b"\xD5" + body + struct.pack("<I", zlib.crc32(body))


def opened(frame: bytes) -> bytes:
    """A frame without them."""
    return frame[8:-4]


def with_byte(frame: bytes, at: int, value: int) -> bytes:
    """A frame with another byte at a place behind the preamble, and the right check sequence."""
    body = bytearray(opened(frame))
    body[at] = value
    return sealed(bytes(body))


def test_the_checksum_of_a_head():
    """The head that Wikipedia's page on it computes."""
    head = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7")
    assert checksum(head) == 0
    assert checksum(head[:10] + bytes(2) + head[12:]) == 0xB861


def test_the_bytes_of_a_datagram(host):
    frame = host.datagram(b"abc")
    assert frame[:8] == b"\x55" * 7 + b"\xD5"
    body = opened(frame)
    assert body[:14].hex() == "0253474e4d02" "0253474e4d01" "0800"
    assert body[14:34].hex() == "4500001f00000000401 1".replace(" ", "") + f"{checksum_of(body[14:34]):04x}" \
        "c0a80101" "c0a80132"
    assert body[34:45].hex() == "9c40" "14e3" "000b" "0000" + b"abc".hex()
    assert body[45:] == bytes(60 - 45)                  # the least frame
    assert frame[-4:] == struct.pack("<I", zlib.crc32(body))


def checksum_of(head: bytes) -> int:
    return checksum(head[:10] + bytes(2) + head[12:])


@pytest.mark.parametrize("size", [0, 1, 17, 18, 19, 1472])
def test_datagrams_reach_the_peer(host, board, size, seed):
    """Without their padding."""
    payload = random.Random(seed).randbytes(size)
    assert board.take(host.datagram(payload)) == (payload, b"")
    assert host.take(board.datagram(payload)) == (payload, b"")
    assert board.take_body(opened(host.datagram(payload))) == (payload, b"")
    assert host.damaged == board.damaged == 0


def test_a_request_for_the_address_of_the_host_is_replied(host):
    asked, asker = IPv4Address(HOST[0]).packed, IPv4Address(BOARD[0]).packed
    mac = BOARD[2].to_bytes(6, "big")
    request = ARP_BODY.pack(*FIXED_ARP, REQUEST, mac, asker, bytes(6), asked)
    board = host_of(BOARD, HOST)
    for destination in (BROADCAST, host.mac):
        payload, reply = host.take(board.frame(destination, ARP, request))
        assert payload == b""
        body = opened(reply)
        assert body[:14] == mac + host.mac + b"\x08\x06"
        assert body[14:42] == ARP_BODY.pack(*FIXED_ARP, REPLY, host.mac, asked, mac, asker)
    others = (ARP_BODY.pack(*FIXED_ARP, REQUEST, mac, asker, bytes(6), asker),
              ARP_BODY.pack(*FIXED_ARP, REPLY, mac, asker, bytes(6), asked),
              ARP_BODY.pack(6, *FIXED_ARP[1:], REQUEST, mac, asker, bytes(6), asked))
    for other in others:
        assert host.take(board.frame(BROADCAST, ARP, other)) == (b"", b"")
    assert host.take(board.frame(mac, ARP, request)) == (b"", b"")


def test_damaged_frames_are_counted(host, board, seed):
    rng = random.Random(seed)
    frame = board.datagram(b"payload")
    for count in range(1, 30):
        broken = bytearray(frame)
        broken[rng.randrange(8, len(frame))] ^= 1 << rng.randrange(8)
        assert host.take(bytes(broken)) == (b"", b"")
        assert host.damaged == count
    for short in (b"", frame[8:], sealed(opened(frame)[:59])):
        assert host.take(short) == (b"", b"")
    assert host.damaged == 32


@pytest.mark.parametrize(("at", "value"), [
    (0, 0xAA),              # another destination
    (12, 0x86),             # another kind of frame
    (14, 0x46),             # a head with options
    (20, 0x20),             # a part of a packet
    (24, 0),                # a wrong checksum of the head
    (35, 1), (37, 1),       # other ports
    (39, 200),              # longer than its packet
])
def test_whole_frames_with_another_content(host, board, at, value):
    frame = board.datagram(b"payload")
    assert opened(frame)[at] != value
    assert host.take(with_byte(frame, at, value)) == (b"", b"")
    assert host.damaged == 0


def test_packets_of_other_protocols_and_of_other_hosts(host, board):
    assert host.take(board.frame(host.mac, 0x0800, board.packet(ICMP, board.udp(b"payload")))) == (b"", b"")
    stranger = host_of(("192.168.1.51", *BOARD[1:]), HOST)
    assert host.take(stranger.datagram(b"payload")) == (b"", b"")
    assert board.packet(UDP, b"")[12:20] == board.address + board.peer
