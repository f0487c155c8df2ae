"""A USB cable of full speed at the pins of a virtual board, and the host of `verif.bench.usb_host` behind it."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from signum.fpga.flow.lines.usb_line import ENDPOINT
from signum.fpga.host.model import Model
from signum.verif.bench.usb_coding import decoded, encoded
from signum.verif.bench.usb_host import TIMEOUT, Host
from signum.verif.bench.usb_packets import Pid

__all__ = ["ModelBus", "USBEnd"]

BIT_RATE = 12e6
FRAME = 1e-3            # seconds between two starts of frames
IDLE = 10e-6            # seconds between two questions while the device has nothing
RESET = 30e-6

T = TypeVar("T")


def finished(steps: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        steps.send(None)
    except StopIteration as result:
        return result.value
    raise AssertionError("a bus must not wait for a simulator")


class ModelBus:
    """The cable as the host has it; see `verif.bench.usb_host.Bus`. Its methods never wait: the model's cycles pass.

    Parameters
    ----------
    model : Model
        With the pins of a `fpga.flow.lines.usb_line.USBLine`.
    clock : float
        Frequency of the model's clock in Hz.
    """

    packet_bytes = 64
    pings = False

    def __init__(self, model: Model, clock: float) -> None:
        self.model = model
        self.clock = clock
        self.bit = clock / BIT_RATE
        model.cable()

    async def reset(self) -> None:
        assert self.model["pull_up"], "the device must be connected"
        self.model.cable_play([0b00, 0b01], [RESET * self.clock, 1.1 * RESET * self.clock])

    async def send(self, packet: bytes) -> None:
        levels, ends = [0b01], [2.0]
        for level, bits in encoded(packet):
            levels.append(0b01 if level else 0b10)
            ends.append(ends[-1] + bits)
        for level, bits in ((0b00, 2), (0b01, 1)):
            levels.append(level)
            ends.append(ends[-1] + bits)
        self.model.cable_play(levels, [end * self.bit for end in ends])

    async def receive(self) -> bytes | None:
        levels, times = self.model.cable_listen(round((TIMEOUT - 1) * self.bit))
        if not levels:
            return None
        return decoded([((level & 1, level >> 1), round((after - before) / self.bit))
                        for level, before, after in zip(levels, times, times[1:], strict=False)])

    async def idle(self, microseconds: float) -> None:
        self.model.run(round(microseconds * 1e-6 * self.clock))


class USBEnd:
    """The host's end of a board's USB: it brings the device into use, sends what waits, and asks for more in turn.

    Parameters
    ----------
    clock : float
        Frequency of the board's clock in Hz.
    """

    def __init__(self, clock: float) -> None:
        self.clock = clock

    def attach(self, model: Model) -> None:
        """Begin at the pins of a model, with nothing on its way."""
        self._model = model
        self.host = Host(ModelBus(model, self.clock))
        self._waiting = bytearray()
        self._frame = 0
        self._enumerated = False

    @property
    def busy(self) -> bool:
        """Bytes wait."""
        return bool(self._waiting)

    def send(self, data: bytes) -> None:
        """Queue bytes."""
        self._waiting += data

    def run(self, cycles: int, room: int) -> list[bytes]:
        """Run for some cycles, and to the end of a transaction, fewer once ``room`` bytes have come: packets."""
        model = self._model
        end = model.cycles + cycles
        if not self._enumerated:
            model.run(round(10e-6 * self.clock))
            finished(self.host.enumerate())
            self._enumerated = True
        found: list[bytes] = []
        while model.cycles < end and sum(map(len, found)) < room:
            if model.cycles >= self._frame * FRAME * self.clock:
                self._frame = round(model.cycles / self.clock / FRAME) + 1
                finished(self.host.sof(self._frame % (1 << 11)))
            sent = self._send()
            packet = finished(self.host.read(tries=1))
            if packet:
                found.append(packet)
            elif not sent:
                model.run(round(IDLE * self.clock))
        return found

    def _send(self) -> bool:
        """Offer a packet, if bytes wait; returns whether the device took it."""
        packet = bytes(self._waiting[:self.host.bus.packet_bytes])
        if not packet:
            return False
        if finished(self.host.out(ENDPOINT, self.host.toggles["out"], packet)) is not Pid.ACK:
            return False
        self.host.toggles["out"] ^= 1
        del self._waiting[:len(packet)]
        return True
