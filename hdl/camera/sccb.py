"""Setup of a sensor over I2C or SCCB: writes a table of registers at power-up."""

from collections.abc import Sequence

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["DELAY", "SensorSetup"]

DELAY = -1
"""In place of a register: a pause of so many milliseconds."""

PHASES = 4
QUARTERS = 400          # of bits in a millisecond, at 100 kbit/s
BYTE_BITS = 9           # with the acknowledgement


class SensorSetup(wiring.Component):
    """Writes registers in order, each in a transfer of its own, and then rests.

    A bit takes ``4 * quarter`` cycles. A missing acknowledgement is counted and the table goes on: SCCB does not demand
    any. Clock stretching is not supported; the sensors have none.

    Parameters
    ----------
    table : sequence of (int, int)
        Register and value; a register of `DELAY` waits for ``value`` milliseconds.
    device : int
        Address of 7 bits.
    register_bytes : int
        1 or 2 bytes of a register's address, the higher one first.
    quarter : int
        Cycles of a quarter of a bit, at least 1: a quarter of 10 microseconds for 100 kbit/s.

    Members
    -------
    scl, sda : Out(1)
        Low pulls the line low; high leaves it to its resistor.
    sda_in : In(1)
    done : Out(1)
        All registers are written.
    missed : Out(8)
        Missing acknowledgements, at most 255.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, table: Sequence[tuple[int, int]], device: int, register_bytes: int = 1,
                 quarter: int) -> None:
        if not table:
            raise ValueError("table must have at least one register")
        if device not in range(1 << 7):
            raise ValueError(f"device must be 0 to 127, not {device!r}")
        if register_bytes not in (1, 2):
            raise ValueError(f"register_bytes must be 1 or 2, not {register_bytes!r}")
        if not isinstance(quarter, int) or quarter < 1:
            raise ValueError(f"quarter must be a positive integer, not {quarter!r}")
        for register, value in table:
            if register != DELAY and (register not in range(1 << 8 * register_bytes) or value not in range(1 << 8)):
                raise ValueError(f"a register must be 0 to {(1 << 8 * register_bytes) - 1} and its value 0 to 255, "
                                 f"not {register} and {value}")
        self.table = list(table)
        self.device = device
        self.register_bytes = register_bytes
        self.quarter = quarter
        super().__init__({
            "scl": Out(1, init=1),
            "sda": Out(1, init=1),
            "sda_in": In(1),
            "done": Out(1),
            "missed": Out(8),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sent = 2 + self.register_bytes                      # bytes of a transfer
        register_bits = 8 * self.register_bytes
        row = Signal(range(len(self.table) + 1))
        # each row: whether it is a delay, and the bits of register and value, or the milliseconds
        words = [(1 << register_bits + 8 | value if register == DELAY else register << 8 | value)
                 for register, value in self.table]
        word = Signal(register_bits + 9)
        m.d.sync += word.eq(Array([C(value, register_bits + 9) for value in words])[row])
        timer, phase = Signal(range(self.quarter)), Signal(range(PHASES))
        shift = Signal(BYTE_BITS * sent)
        left = Signal(range(BYTE_BITS * sent + 1))
        pause = Signal(range(QUARTERS * 256))
        quarter, acknowledged = Signal(), Signal()
        m.d.comb += quarter.eq(timer == 0)
        m.d.sync += timer.eq(Mux(quarter, self.quarter - 1, timer - 1))
        # bytes, each followed by a 1, in which the sensor acknowledges
        value, register = word[:8], word[8:8 + register_bits]
        parts = [C(1, 1), value]
        for k in range(self.register_bytes):
            parts += [C(1, 1), register[8 * k:8 * k + 8]]
        parts += [C(1, 1), C(self.device << 1, 8)]
        frame = Cat(*parts)
        with m.FSM():
            with m.State("fetch"):
                m.next = "load"
            with m.State("load"):
                m.d.sync += [shift.eq(frame), left.eq(BYTE_BITS * sent), phase.eq(0), pause.eq(word[:8] * QUARTERS)]
                m.next = "start"
                with m.If(word[-1]):
                    m.next = "pause"
                with m.If(row == len(self.table)):
                    m.next = "done"
            with m.State("pause"), m.If(quarter):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.d.sync += row.eq(row + 1)
                    m.next = "fetch"
            with m.State("start"), m.If(quarter):           # data fall while the clock is high
                m.d.sync += phase.eq(phase + 1)
                with m.Switch(phase):
                    with m.Case(1):
                        m.d.sync += self.sda.eq(0)
                    with m.Case(3):
                        m.d.sync += self.scl.eq(0)
                        m.next = "bits"
            with m.State("bits"), m.If(quarter):
                m.d.sync += phase.eq(phase + 1)
                with m.Switch(phase):
                    with m.Case(0):
                        m.d.sync += self.sda.eq(shift[-1])
                    with m.Case(1):
                        m.d.sync += self.scl.eq(1)
                    with m.Case(2):
                        m.d.sync += acknowledged.eq(~self.sda_in)
                    with m.Default():
                        m.d.sync += [self.scl.eq(0), shift.eq(shift << 1), left.eq(left - 1)]
                        ends_byte = Cat(left == BYTE_BITS * k + 1 for k in range(sent)).any()
                        with m.If(ends_byte & ~acknowledged & ~self.missed.all()):
                            m.d.sync += self.missed.eq(self.missed + 1)
                        with m.If(left == 1):
                            m.next = "stop"
            with m.State("stop"), m.If(quarter):            # data rise while the clock is high
                m.d.sync += phase.eq(phase + 1)
                with m.Switch(phase):
                    with m.Case(0):
                        m.d.sync += self.sda.eq(0)
                    with m.Case(1):
                        m.d.sync += self.scl.eq(1)
                    with m.Case(2):
                        m.d.sync += self.sda.eq(1)
                    with m.Default():
                        m.d.sync += row.eq(row + 1)
                        m.next = "fetch"
            with m.State("done"):
                m.d.comb += self.done.eq(1)
        return m
