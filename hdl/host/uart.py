"""A serial port: eight data bits, no parity, one stop bit, as byte streams."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["UARTReceiver", "UARTTransmitter"]

LEAST_DIVISOR = 4


def checked_divisor(divisor: int) -> int:
    if not isinstance(divisor, int) or isinstance(divisor, bool) or divisor < LEAST_DIVISOR:
        raise ValueError(f"divisor must be an integer of at least {LEAST_DIVISOR}, not {divisor!r}")
    return divisor


class UARTReceiver(wiring.Component):
    """Serial line to bytes.

    The line passes two flip-flops and is sampled in the middle of each bit. A start bit that ends before its middle is
    ignored as a glitch. A byte is offered as soon as its stop bit was sampled, and may wait while the next arrives.

    Parameters
    ----------
    divisor : int
        Clock cycles a bit, at least 4.

    Members
    -------
    rx : In(1)
        The line, from any clock domain; 1 when idle.
    o : Out(stream.Signature(8))
        Received bytes.
    framing_error : Out(1)
        High for the cycle after a stop bit that was 0: the byte is dropped, and the line must return to 1 before
        the next start bit.
    overflow : Out(1)
        High for the cycle after a byte came while the previous byte was still waiting: the new byte is dropped.

    Raises
    ------
    ValueError
        If the divisor is not an integer of at least 4.
    """

    def __init__(self, *, divisor: int) -> None:
        self.divisor = checked_divisor(divisor)
        super().__init__({
            "rx": In(1, init=1),
            "o": Out(stream.Signature(8)),
            "framing_error": Out(1),
            "overflow": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = cdc.FFSynchronizer(self.rx, line, init=1)

        timer = Signal(range(self.divisor))
        # a marker moves from the top to the lowest bit; the bits above it are then the byte
        shift = Signal(9)
        sample = Signal()               # the timer is 0
        m.d.sync += [timer.eq(timer - 1), sample.eq(timer == 1), self.framing_error.eq(0), self.overflow.eq(0)]
        with m.If(sample):
            m.d.sync += timer.eq(self.divisor - 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("idle"):
                m.d.sync += [timer.eq(self.divisor // 2 - 1), sample.eq(0), shift.eq(1 << 8)]
                with m.If(~line):
                    m.next = "start bit"
            with m.State("start bit"), m.If(sample):
                m.next = "bits"
                with m.If(line):
                    m.next = "idle"
            with m.State("bits"), m.If(sample):
                m.d.sync += shift.eq(Cat(shift[1:], line))
                with m.If(shift[0]):
                    with m.If(~line):
                        m.d.sync += self.framing_error.eq(1)
                        m.next = "bad stop bit"
                    with m.Else():
                        m.next = "idle"
                        with m.If(self.o.valid & ~self.o.ready):
                            m.d.sync += self.overflow.eq(1)
                        with m.Else():
                            m.d.sync += [self.o.payload.eq(shift[1:]), self.o.valid.eq(1)]
            with m.State("bad stop bit"), m.If(line):
                m.next = "idle"
        return m


class UARTTransmitter(wiring.Component):
    """Bytes to a serial line; one byte in ``10 * divisor`` cycles.

    Parameters
    ----------
    divisor : int
        Clock cycles a bit, at least 4.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes to send.
    tx : Out(1)
        The line, from a register; 1 when idle.

    Raises
    ------
    ValueError
        If the divisor is not an integer of at least 4.
    """

    def __init__(self, *, divisor: int) -> None:
        self.divisor = checked_divisor(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer = Signal(range(self.divisor))
        # start bit, byte, stop bit; the stop bit is the last 1, and stays on the line at the end
        shift = Signal(10, init=1)
        free = Signal(init=1)           # the timer is 0, and so are all bits but the stop bit
        m.d.comb += [
            self.tx.eq(shift[0]),
            self.i.ready.eq(free),
        ]
        m.d.sync += free.eq((timer == 1) & ~shift[1:].any() | free & ~self.i.valid)
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(free), m.If(self.i.valid):
            m.d.sync += [shift.eq(Cat(0, self.i.payload, 1)), timer.eq(self.divisor - 1)]
        with m.Else():
            m.d.sync += [shift.eq(shift >> 1), timer.eq(self.divisor - 1)]
        return m
