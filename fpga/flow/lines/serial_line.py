"""A serial port as the line of a board."""

from dataclasses import dataclass
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import Module
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.host.uart import UARTReceiver, UARTTransmitter

from .board_line import BoardError, LineUnit, Window

__all__ = ["SerialLine", "SerialPort", "baud_divisor"]

BAUD_TOLERANCE = 0.02


def baud_divisor(clock: float, baud: int) -> int:
    """Clock cycles a bit for a clock in Hz.

    Raises
    ------
    BoardError
        If the rate is off by more than 2 %, or a bit is shorter than four cycles.
    """
    if baud < 1 or clock / baud < 3.5:
        raise BoardError(f"baud must be 1 to {int(clock / 4)} at {clock / 1e6:.4g} MHz, not {baud}")
    divisor = round(clock / baud)
    if abs(clock / divisor / baud - 1) > BAUD_TOLERANCE:
        raise BoardError(f"baud must divide {clock / 1e6:.4g} MHz to within {BAUD_TOLERANCE:.0%}, "
                         f"not {baud}: the nearest is {clock / divisor:.0f}")
    return divisor


@dataclass(frozen=True)
class SerialPort:
    """A serial port of a board.

    Parameters
    ----------
    baud : int
        Bits a second.
    """

    baud: int
    window: Window | None = None

    @property
    def text(self) -> str:
        """Its name for people."""
        return f"serial, {self.baud / 1e6:g} Mbaud"

    def unit(self, clock: float) -> "SerialLine":
        """Its receiver and transmitter; BoardError if the clock does not make the rate."""
        return SerialLine(divisor=baud_divisor(clock, self.baud))

    def sources(self) -> dict[str, str]:
        """Nothing beside the design."""
        return {}

    def models(self) -> dict[str, str]:
        """No cells."""
        return {}


class SerialLine(LineUnit):
    """A `UARTReceiver` and a `UARTTransmitter` with the same rate.

    Parameters
    ----------
    divisor : int
        Clock cycles a bit, at least 4.

    Members
    -------
    line : Out(line_signature)
        The line.
    rx : In(1)
        From the host, asynchronous.
    tx : Out(1)
        To the host.
    """

    ordered = True
    slow = True

    def __init__(self, *, divisor: int) -> None:
        self.divisor = divisor
        self.receiver = UARTReceiver(divisor=divisor)
        self.transmitter = UARTTransmitter(divisor=divisor)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver, m.submodules.transmitter = receiver, transmitter = self.receiver, self.transmitter
        wiring.connect(m, receiver.o, wiring.flipped(self.line).received)
        sent = self.line.sent
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            transmitter.i.payload.eq(sent.p.byte),
            transmitter.i.valid.eq(sent.valid),
            sent.ready.eq(transmitter.i.ready),
        ]
        return m

    def connect_pads(self, m: Module, platform: Platform, pins: Any) -> None:
        """Connect ``rx`` and ``tx`` of ``pins`` to the platform's resource ``uart``."""
        uart = platform.request("uart", 0, dir={"rx": "-", "tx": "-"})
        m.submodules.rx, m.submodules.tx = rx, tx = io.Buffer("i", uart.rx), io.Buffer("o", uart.tx)
        m.d.comb += [pins.rx.eq(rx.i), tx.o.eq(pins.tx)]
