"""A USB host at the pins of a device: packets, transactions, enumeration, and errors on purpose.

The formats are those of USB 2.0, chapters 7 (levels), 8 (packets and transactions) and 9 (requests), and of ULPI 1.1.
Nothing here is shared with the device.
"""

import enum
import random
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import cocotb
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, First, Lock, RisingEdge, Timer, ValueChange, with_timeout
from cocotb.utils import get_sim_time

from signum.verif.bench.streams import read

__all__ = ["TIMEOUT", "Bus", "FullSpeedBus", "Host", "Pid", "Request", "StallError", "ULPIBus", "data_packet",
           "decoded", "encoded", "packets_of", "token"]

FULL_SPEED_BIT = 1e12 / 12e6        # ps
TIMEOUT = 16                        # bits at full speed until the first host gives up waiting
HIGH_SPEED_TIMEOUT = 736            # at high speed
OWN_DISTANCE, DISTANCE = 88, 8      # bits at high speed between two packets of the host, and behind one of the device
RECOVERY = 2                        # us after a request; a host leaves more


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


def encoded(packet: bytes) -> list[tuple[int, int]]:
    """A packet as levels of D+, which those of D- complement, and their numbers of bits: SYNC, and stuffed bits."""
    runs: list[tuple[int, int]] = []
    level, ones = 1, 0
    for bit in [0, 0, 0, 0, 0, 0, 0, 1, *bits_of(packet)]:
        ones = ones + 1 if bit else 0
        for sent in (bit, 0) if ones == 6 else (bit,):
            level ^= not sent
            if runs and runs[-1][0] == level:
                runs[-1] = level, runs[-1][1] + 1
            else:
                runs.append((level, 1))
        ones %= 6
    return runs


def decoded(runs: list[tuple[tuple[int, ...], int]]) -> bytes:
    """The packet of levels (of D+ and D-) and their numbers of bits; its coding must be right."""
    assert runs[-2:] == [((0, 0), 2), ((1, 0), 1)], f"a packet must end with two bits of SE0 and J, not {runs[-2:]}"
    bits: list[int] = []
    before = 1
    for (p, n), count in runs[:-2]:
        assert (p, n) == (1 - before, before), f"a packet must be of J and K in turn, not {runs}"
        assert 1 <= count <= 7, f"a level must last 1 to 7 bits, not {count}"
        bits += [0] + [1] * (count - 1)
        before = p
    assert bits[:8] == [0, 0, 0, 0, 0, 0, 0, 1], f"a packet must begin with SYNC, not {bits[:8]}"
    plain, ones = [], 1
    stuffed = False
    for bit in bits[8:]:
        if stuffed:
            assert not bit, "a zero must be stuffed behind six ones"
        else:
            plain.append(bit)
        ones = ones + 1 if bit else 0
        stuffed = ones == 6
    assert not stuffed, "a zero must be stuffed behind the last six ones"
    assert len(plain) % 8 == 0, f"a packet must be of whole bytes, not {len(plain)} bits"
    return bytes(sum(bit << i for i, bit in enumerate(plain[start:start + 8])) for start in range(0, len(plain), 8))


class FullSpeedBus:
    """D+ and D- of a device at full speed.

    Ports of the top: the levels of the host ``host_p``, ``host_n``; the levels of the cable ``wire_p``, ``wire_n``;
    ``drives``, while the device drives them; ``pull_up``.

    Parameters
    ----------
    dut : handle
    deviation : float
        Of the host's clock from the nominal frequency; up to 0.0025 is allowed.

    Members
    -------
    slowest : float
        Bits from the end of a packet to the slowest response so far.
    """

    packet_bytes = 64
    pings = False

    def __init__(self, dut: Any, *, deviation: float = 0.0) -> None:
        self.dut = dut
        self.bit = FULL_SPEED_BIT * (1 + deviation)
        self.slowest = 0.0
        self._ended = 0.0
        self._idle()

    def _idle(self) -> None:
        self._drive(1, 0)

    def _drive(self, p: int, n: int) -> None:
        self.dut.host_p.value = p
        self.dut.host_n.value = n

    async def reset(self) -> None:
        """30 us, of which a device needs 2.5 us at least and 10 ms at most."""
        assert read(self.dut.pull_up), "the device must be connected"
        self._drive(0, 0)
        await Timer(30, unit="us")
        self._idle()
        await Timer(2, unit="us")

    async def send(self, packet: bytes) -> None:
        await self._wait(2)
        start, bits = get_sim_time("ps"), 0
        for level, count in encoded(packet):
            self._drive(level, 1 - level)
            bits += count
            await self._until(start + bits * self.bit)
        self._drive(0, 0)
        await self._until(start + (bits + 2) * self.bit)
        self._idle()
        self._ended = get_sim_time("ps")
        await self._wait(1)

    async def idle(self, microseconds: float) -> None:
        await Timer(microseconds, unit="us")

    async def _until(self, time: float) -> None:
        await Timer(round(time - get_sim_time("ps")), unit="ps")

    async def _wait(self, bits: float) -> None:
        await Timer(round(bits * self.bit), unit="ps")

    async def receive(self) -> bytes | None:
        drives, wires = self.dut.drives, (self.dut.wire_p, self.dut.wire_n)
        waited = await First(rising := RisingEdge(drives), Timer(round((TIMEOUT - 1) * self.bit), unit="ps"))
        if waited is not rising:
            return None
        begin = get_sim_time("ps")
        response = (begin - self._ended) / self.bit
        self.slowest = max(self.slowest, response)
        assert response >= 2, f"a response must leave 2 bits of distance, not {response:.2f}"
        changes: list[tuple[float, tuple[int, ...]]] = []
        while read(drives):
            now, levels = get_sim_time("ps"), tuple(map(read, wires))
            if changes and changes[-1][0] == now:
                changes.pop()
            changes.append((now, levels))
            await First(ValueChange(wires[0]), ValueChange(wires[1]), ValueChange(drives))
        end = get_sim_time("ps")
        return decoded([(levels, round((after - now) / self.bit)) for (now, levels), after in
                             zip(changes, [time for time, _ in changes[1:]] + [end], strict=True)])


class LineState(enum.IntEnum):
    """The cable as a ULPI transceiver tells it; at high speed, SE0 is silence."""

    SE0, J, K = 0b00, 0b01, 0b10


class ULPIBus:
    """A transceiver on the ULPI port of a device, and the cable behind it; the device is the link.

    Ports of the top: those of `fpga.flow.lines.usb_line.ulpi_signature`, prefixed by ``ulpi__``. The clock is driven
    outside.

    Parameters
    ----------
    dut : handle
    high : bool
        The host is capable of high speed.
    pause : float
        Probability that a byte in either direction waits for a cycle, as behind a stuffed bit.
    silent : bool
        The transceiver has no pin on VBUS.
    """

    FUNCTION = 0x04                     # address of the function control register
    RECEIVES = 1 << 4
    POWERED = 0b11 << 2

    def __init__(self, dut: Any, *, high: bool = True, pause: float = 0.0, silent: bool = False) -> None:
        self.high = high
        self.silent = silent
        self.pause = pause
        self.registers = {self.FUNCTION: 0x41}
        self.packet_bytes = 512 if high else 64
        self.pings = high
        self.byte = 1 if high else 40                       # cycles
        self.clk, self.rst = dut.ulpi__clk, dut.ulpi__rst
        self.data, self.sent, self.drives = dut.ulpi__data__i, dut.ulpi__data__o, dut.ulpi__data__oe
        self.nxt, self.stp, self.dir = dut.ulpi__nxt, dut.ulpi__stp, dut.ulpi__dir
        self.nxt.value = self.dir.value = self.data.value = 0
        self._packets: Queue[bytes] = Queue()
        self._chirps: Queue[int] = Queue()
        self._port = Lock()
        self._last_was_ours = False
        cocotb.start_soon(self._serve())

    @property
    def function(self) -> tuple[int, int, int]:
        """Speed, termination, and mode of operation, as the device has set them."""
        value = self.registers[self.FUNCTION]
        return value & 3, value >> 2 & 1, value >> 3 & 3

    async def _edges(self, count: int) -> None:
        if count:
            await ClockCycles(self.clk, count)

    async def _serve(self) -> None:
        """Execute the commands of the link."""
        await self._edges(2)
        while True:
            if not read(self.drives) or not read(self.sent):
                await First(ValueChange(self.sent), ValueChange(self.drives))
                continue
            await RisingEdge(self.clk)
            command = read(self.sent)
            if read(self.dir) or not command:
                continue
            async with self._port:
                self.nxt.value = 1
                await RisingEdge(self.clk)
                assert read(self.sent) == command, "a command must stay until it is taken"
                if command >> 6 == 0b10:
                    await RisingEdge(self.clk)
                    self.registers[command & 0x3F] = read(self.sent)
                    self.nxt.value = 0
                    await RisingEdge(self.clk)
                    assert read(self.stp), "a register's value must be followed by STP"
                else:
                    assert command >> 6 == 0b01, f"a command must write a register or transmit, not {command:#x}"
                    await self._transmit(command & 0xF)

    async def _transmit(self, pid: int) -> None:
        if pid == 0:
            assert self.function[2] == 0b10, "a chirp must be sent without bit stuffing"
            await RisingEdge(self.stp)
            await RisingEdge(self.clk)
            self.nxt.value = 0
            self._chirps.put_nowait(0)
            return
        packet = [pid | (pid ^ 0xF) << 4]
        wait = self.byte - 1
        self.nxt.value = not wait
        while True:
            await RisingEdge(self.clk)
            if read(self.stp):
                break
            if read(self.nxt):
                packet.append(read(self.sent))
                wait = self.byte - 1 + (random.random() < self.pause)
                self.nxt.value = not wait
            else:
                wait -= 1
                self.nxt.value = wait <= 0
        self.nxt.value = 0
        self._last_was_ours = False
        self._packets.put_nowait(bytes(packet))

    def _status(self, state: LineState, receives: bool = False) -> int:
        return state | (0 if self.silent else self.POWERED) | (self.RECEIVES if receives else 0)

    async def _tell(self, state: LineState) -> None:
        """Tell the link that the level of the cable has changed."""
        async with self._port:
            self.dir.value = 1
            await RisingEdge(self.clk)
            self.data.value = self._status(state)
            await RisingEdge(self.clk)
            self.dir.value = 0
            self.data.value = 0
            await RisingEdge(self.clk)

    async def reset(self) -> None:
        while read(self.rst):
            await RisingEdge(self.clk)
        if self.function != (0, 0, 0):
            await self._edges(70_000)           # 1.2 ms, of which the transceiver takes 1 ms to start
            assert self.function == (1, 1, 0), "the device must pull up D+"
            await self._tell(LineState.J)
            await self._edges(6_000)
            assert not self._chirps.qsize(), "the device must be silent before a reset"
        await self._tell(LineState.SE0)
        await with_timeout(self._chirps.get(), 7, "ms")
        await self._edges(60)
        if self.high:
            for _ in range(3):
                for state in (LineState.K, LineState.J):
                    await self._tell(state)
                    await self._edges(50 * 60)
            await self._tell(LineState.SE0)
            await self._edges(60)
            assert self.function == (0, 0, 0), "the device must be at high speed"
        else:
            await Timer(3, unit="ms")
            await self._tell(LineState.J)
            await self._edges(60)
            assert self.function == (1, 1, 0), "the device must be at full speed"

    async def send(self, packet: bytes) -> None:
        if self.high:
            # SYNC, and the end of the packet before
            await self._edges((OWN_DISTANCE if self._last_was_ours else DISTANCE) // 8 + 4 + 1)
        else:
            await self._edges(15 + 40)
        self._last_was_ours = True
        async with self._port:
            quiet = LineState.J
            self.dir.value = self.nxt.value = 1
            await RisingEdge(self.clk)
            for byte in packet:
                for _ in range(self.byte - 1 + (random.random() < self.pause)):
                    self.nxt.value = 0
                    self.data.value = self._status(quiet, receives=True)
                    await RisingEdge(self.clk)
                self.nxt.value = 1
                self.data.value = byte
                await RisingEdge(self.clk)
            self.nxt.value = 0
            self.data.value = self._status(LineState.SE0)
            await self._edges(1 if self.high else 10)
            self.data.value = self._status(LineState.SE0 if self.high else LineState.J)
            await RisingEdge(self.clk)
            self.dir.value = 0
            self.data.value = 0
            await RisingEdge(self.clk)

    async def idle(self, microseconds: float) -> None:
        await Timer(microseconds, unit="us")

    async def receive(self) -> bytes | None:
        cycles = HIGH_SPEED_TIMEOUT // 8 if self.high else 5 * TIMEOUT
        for _ in range(cycles):
            if self._packets.qsize() or self._port.locked():
                # SYNC goes before the bytes, and so the packet ends later than they have left the link
                packet = await self._packets.get()
                await self._edges(4)
                return packet
            await RisingEdge(self.clk)
        return None


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
