"""A USB host on a cable: transactions, requests and enumeration (USB 2.0, chapters 8 and 9), and errors on purpose.

Nothing here is shared with the device.
"""

import enum
import random
from typing import Protocol

from signum.verif.bench.usb_packets import Pid, data_packet, payload_of, token

__all__ = ["TIMEOUT", "Bus", "Host", "Request", "StallError"]

TIMEOUT = 16                        # bits at full speed until the first host gives up waiting
RECOVERY = 2                        # us after a request; a host leaves more
DEVICE, CONFIGURATION, STRING = 1, 2, 3     # types of descriptors


class Request(enum.IntEnum):
    """Standard requests (USB 2.0, table 9-4)."""

    GET_STATUS = 0
    CLEAR_FEATURE = 1
    SET_ADDRESS = 5
    GET_DESCRIPTOR = 6
    GET_CONFIGURATION = 8
    SET_CONFIGURATION = 9


DEVICE, CONFIGURATION, STRING = 1, 2, 3     # types of descriptors


class StallError(AssertionError):
    """The device refused a request."""


class Bus(Protocol):
    """The cable as the host has it.

    Members
    -------
    packet_bytes : int
        Of a bulk packet.
    pings : bool
        A host asks for room by `Pid.PING` after a NAK.
    """

    packet_bytes: int
    pings: bool

    async def reset(self) -> None:
        """Reset the device, and negotiate the speed."""

    async def send(self, packet: bytes) -> None:
        """Send a packet, at the least distance from the packet before."""

    async def receive(self) -> bytes | None:
        """The device's response, or None if none begins in time."""

    async def idle(self, microseconds: float) -> None:
        """Leave the wires idle."""


class Host:
    """A host and its only device.

    Parameters
    ----------
    bus : Bus
    loss : float
        Probability that a packet is damaged on its way, in either direction.

    Members
    -------
    naks, timeouts, repeated : int
        Transactions refused, without a response, and packets that came twice.
    """

    def __init__(self, bus: Bus, *, loss: float = 0.0) -> None:
        self.bus = bus
        self.loss = loss
        self.naks = self.timeouts = self.repeated = 0
        self.address = 0
        self.toggles = {"out": 0, "in": 0}

    def _spoiled(self, packet: bytes) -> bytes:
        place = random.randrange(8 * len(packet))
        spoiled = bytearray(packet)
        spoiled[place // 8] ^= 1 << place % 8
        return bytes(spoiled)

    async def send(self, packet: bytes) -> None:
        """Send a packet, damaged or whole."""
        await self.bus.send(self._spoiled(packet) if random.random() < self.loss else packet)

    async def receive(self) -> bytes | None:
        """A response; None for none, and for a damaged one."""
        packet = await self.bus.receive()
        if packet is None:
            self.timeouts += 1
        elif packet[0] >> 4 ^ 0xF != packet[0] & 0xF:
            raise AssertionError(f"a packet must begin with a kind and its complement, not {packet.hex()}")
        return None if random.random() < self.loss else packet

    async def sof(self, frame: int) -> None:
        """The start of a frame of the bus."""
        await self.send(token(Pid.SOF, frame & 0x7F, frame >> 7))

    async def out(self, endpoint: int, toggle: int, data: bytes, pid: Pid = Pid.OUT) -> Pid | None:
        """A transaction with data to the device; returns its handshake."""
        await self.send(token(pid, self.address, endpoint))
        await self.send(data_packet((Pid.DATA0, Pid.DATA1)[toggle], data))
        return await self.handshake()

    async def handshake(self) -> Pid | None:
        """The response of the device, a handshake."""
        packet = await self.receive()
        assert packet is None or len(packet) == 1, f"a handshake must have 1 byte, not {len(packet or b'')}"
        return Pid(packet[0] & 0xF) if packet else None

    async def into(self, endpoint: int, toggle: int, acknowledge: bool = True) -> bytes | Pid | None:
        """A transaction with data from the device; returns them, a handshake, or None for nothing new."""
        await self.send(token(Pid.IN, self.address, endpoint))
        packet = await self.receive()
        if packet is None:
            return None
        pid = Pid(packet[0] & 0xF)
        if pid not in (Pid.DATA0, Pid.DATA1):
            assert len(packet) == 1, f"a handshake must have 1 byte, not {len(packet)}"
            return pid
        payload = payload_of(packet)
        if acknowledge:
            await self.send(bytes([Pid.ACK.octet]))
        if pid is not (Pid.DATA0, Pid.DATA1)[toggle]:
            self.repeated += 1
            return None
        return payload

    async def write(self, data: bytes, endpoint: int = 1) -> None:
        """Send a bulk packet until the device accepts it."""
        while True:
            answer = await self.out(endpoint, self.toggles["out"], data)
            if answer is Pid.ACK:
                break
            assert answer in (None, Pid.NAK), f"a bulk packet must be accepted or refused for now, not {answer!r}"
            if answer is Pid.NAK:
                self.naks += 1
                while self.bus.pings and not await self._room(endpoint):
                    pass
        self.toggles["out"] ^= 1

    async def _room(self, endpoint: int) -> bool:
        await self.send(token(Pid.PING, self.address, endpoint))
        return await self.handshake() is Pid.ACK

    async def read(self, endpoint: int = 1, tries: int = 1000) -> bytes | None:
        """The next bulk packet; None if there is none after so many tries."""
        for _ in range(tries):
            found = await self.into(endpoint, self.toggles["in"])
            if isinstance(found, bytes):
                self.toggles["in"] ^= 1
                return found
            assert found in (None, Pid.NAK), f"a bulk endpoint must have data or none for now, not {found!r}"
            self.naks += found is Pid.NAK
        return None

    async def request(self, kind: int, request: Request, value: int = 0, index: int = 0, length: int = 0) -> bytes:
        """A control transfer without data, or with data from the device; StallError if the device refuses it."""
        setup = bytes([kind, request]) + b"".join(part.to_bytes(2, "little") for part in (value, index, length))
        while (answer := await self.out(0, 0, setup, Pid.SETUP)) is not Pid.ACK:
            assert answer is None, f"a SETUP packet must be accepted, not {answer!r}"
        found, toggle = b"", 1
        while len(found) < length:
            part = await self._stage(toggle)
            found += part
            toggle ^= 1
            if len(part) < 64:
                break
        if not length:
            assert await self._stage(1) == b"", "the status of a request must be an empty packet"
            await self.bus.idle(RECOVERY)
            return b""
        while (answer := await self.out(0, 1, b"")) is not Pid.ACK:
            assert answer in (None, Pid.NAK), f"the status of a request must be accepted, not {answer!r}"
        return found

    async def _stage(self, toggle: int) -> bytes:
        while not isinstance(part := await self.into(0, toggle), bytes):
            if part is Pid.STALL:
                raise StallError("the device refused a request")
            self.naks += part is Pid.NAK
        return part

    async def descriptor(self, kind: int, index: int = 0, length: int = 255, language: int = 0) -> bytes:
        """A descriptor."""
        return await self.request(0x80, Request.GET_DESCRIPTOR, kind << 8 | index, language, length)

    async def text(self, index: int) -> str:
        """A string of the device, in English."""
        return (await self.descriptor(STRING, index, language=0x0409))[2:].decode("utf-16-le")

    async def begin(self) -> None:
        """Reset the bus: the device has address 0, and no configuration."""
        await self.bus.reset()
        self.address = 0

    async def configure(self) -> None:
        """Select the only configuration: both toggles are at DATA0."""
        await self.request(0, Request.SET_CONFIGURATION, 1)
        self.toggles = {"out": 0, "in": 0}

    async def enumerate(self, address: int = 5) -> tuple[bytes, bytes]:
        """Bring the device into use; returns the descriptors of device and configuration."""
        await self.begin()
        head = await self.descriptor(DEVICE, length=8)
        assert (head[:2], head[7]) == (b"\x12\x01", 64), f"a descriptor of a device must begin so, not {head.hex()}"
        await self.request(0, Request.SET_ADDRESS, address)
        self.address = address
        device = await self.descriptor(DEVICE, length=18)
        total = int.from_bytes((await self.descriptor(CONFIGURATION, length=9))[2:4], "little")
        configuration = await self.descriptor(CONFIGURATION, length=total)
        await self.configure()
        return device, configuration
