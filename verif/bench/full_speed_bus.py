"""D+ and D- at full speed, as a host has them (USB 2.0, chapter 7); nothing here is shared with the device."""

from typing import Any

from cocotb.triggers import First, RisingEdge, Timer, ValueChange
from cocotb.utils import get_sim_time

from signum.verif.bench.streams import read
from signum.verif.bench.usb_coding import decoded, encoded
from signum.verif.bench.usb_host import TIMEOUT

__all__ = ["FullSpeedBus"]

FULL_SPEED_BIT = 1e12 / 12e6        # ps


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
        ends = [*(time for time, _ in changes[1:]), end]
        return decoded([(levels, round((after - now) / self.bit))
                        for (now, levels), after in zip(changes, ends, strict=True)])
