"""A host in a network as far as a virtual board needs one: Ethernet frames, ARP, and UDP datagrams over IPv4."""

import struct
import zlib
from ipaddress import IPv4Address

__all__ = [
    "ARP",
    "ARP_BODY",
    "BROADCAST",
    "FIXED_ARP",
    "ICMP",
    "IPV4",
    "REPLY",
    "REQUEST",
    "UDP",
    "NetworkHost",
    "checksum",
]

PREAMBLE = b"\x55" * 7 + b"\xD5"
LEAST_FRAME = 60            # bytes without the check sequence
IPV4, ARP = 0x0800, 0x0806
ICMP, UDP = 1, 17
BROADCAST = b"\xFF" * 6
ETHERNET_HEAD, IP_HEAD, UDP_HEAD = struct.Struct(">6s6sH"), struct.Struct(">BBHHHBBH4s4s"), struct.Struct(">HHHH")
ARP_BODY = struct.Struct(">HHBBH6s4s6s4s")
FIXED_ARP = 1, IPV4, 6, 4   # Ethernet and IPv4, and the bytes of their addresses
REQUEST, REPLY = 1, 2


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class NetworkHost:
    """A host with one peer: it makes frames of datagrams, and takes frames of the peer.

    Parameters
    ----------
    address, peer : str
        IPv4 addresses of the host and of the peer.
    port, peer_port : int
        UDP ports.
    mac, peer_mac : int
        MAC addresses.

    Members
    -------
    damaged : int
        Frames so far whose check sequence was wrong.
    """

    def __init__(self, *, address: str, port: int, peer: str, peer_port: int, peer_mac: int,
                 mac: int = 0x0253_474E_4D01) -> None:
        self.address, self.peer = IPv4Address(address).packed, IPv4Address(peer).packed
        self.mac, self.peer_mac = mac.to_bytes(6, "big"), peer_mac.to_bytes(6, "big")
        self.port, self.peer_port = port, peer_port
        self.damaged = 0

    def frame(self, destination: bytes, kind: int, body: bytes) -> bytes:
        """A frame with preamble, padding and check sequence."""
        frame = (ETHERNET_HEAD.pack(destination, self.mac, kind) + body).ljust(LEAST_FRAME, b"\0")
        return PREAMBLE + frame + struct.pack("<I", zlib.crc32(frame))

    def packet(self, protocol: int, body: bytes) -> bytes:
        """A packet of IPv4 to the peer."""
        head = IP_HEAD.pack(0x45, 0, IP_HEAD.size + len(body), 0, 0, 64, protocol, 0, self.address, self.peer)
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body

    def udp(self, payload: bytes) -> bytes:
        """A datagram to the peer's port, without a checksum."""
        return UDP_HEAD.pack(self.port, self.peer_port, UDP_HEAD.size + len(payload), 0) + payload

    def datagram(self, payload: bytes) -> bytes:
        """The frame of a datagram to the peer, with preamble, padding and check sequence."""
        return self.frame(self.peer_mac, IPV4, self.packet(UDP, self.udp(payload)))

    def take(self, frame: bytes) -> tuple[bytes, bytes]:
        """The payload of a datagram in a frame, and the frame to answer it with; either may be empty."""
        start = frame.find(b"\xD5") + 1
        body, check = frame[start:-4], frame[-4:]
        if not start or len(body) < LEAST_FRAME or struct.pack("<I", zlib.crc32(body)) != check:
            self.damaged += 1
            return b"", b""
        return self.take_body(body)

    def take_body(self, frame: bytes) -> tuple[bytes, bytes]:
        """As `take`, of a frame without preamble and check sequence."""
        destination, _, kind = ETHERNET_HEAD.unpack_from(frame)
        rest = frame[ETHERNET_HEAD.size:]
        if kind == ARP and destination in (self.mac, BROADCAST):
            return b"", self._arp(rest)
        if kind == IPV4 and destination == self.mac:
            return self._payload(rest), b""
        return b"", b""

    def _arp(self, body: bytes) -> bytes:
        """The reply to a request for this host."""
        *fixed, operation, mac, address, _, wanted = ARP_BODY.unpack_from(body)
        if tuple(fixed) != FIXED_ARP or operation != REQUEST or wanted != self.address:
            return b""
        return self.frame(mac, ARP, ARP_BODY.pack(*FIXED_ARP, REPLY, self.mac, self.address, mac, address))

    def _payload(self, body: bytes) -> bytes:
        """The payload of a datagram from the peer's port to this host's."""
        version, _, length, _, fragment, _, protocol, _, source, destination = IP_HEAD.unpack_from(body)
        if version != 0x45 or fragment & 0x3FFF or checksum(body[:IP_HEAD.size]) or protocol != UDP:
            return b""
        if (source, destination) != (self.peer, self.address):
            return b""
        source_port, port, size, _ = UDP_HEAD.unpack_from(body, IP_HEAD.size)
        if (source_port, port) != (self.peer_port, self.port) or size > length - IP_HEAD.size:
            return b""
        return body[IP_HEAD.size + UDP_HEAD.size:IP_HEAD.size + size]
