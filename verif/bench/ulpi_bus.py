"""A transceiver at the ULPI port of a device (ULPI 1.1), and the host's cable behind it; nothing is shared with the
device."""

import enum
import random
from typing import Any

import cocotb
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, First, Lock, RisingEdge, Timer, ValueChange, with_timeout

from signum.verif.bench.streams import read
from signum.verif.bench.usb_host import TIMEOUT

__all__ = ["ULPIBus"]

HIGH_SPEED_TIMEOUT = 736            # bits at high speed until the first host gives up waiting
OWN_DISTANCE, DISTANCE = 88, 8      # bits at high speed between two packets of the host, and behind one of the device


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
