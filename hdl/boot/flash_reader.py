"""Reader of a SPI NOR flash: words of 32 bits from an address on."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ADDRESS_BITS", "COMMAND_BITS", "DESELECT_CYCLES", "FlashReader"]

ADDRESS_BITS = 24
COMMAND_BITS = 8
FAST_READ, WAKE = 0x0B, 0xAB
READ_BITS = COMMAND_BITS + ADDRESS_BITS + 8         # with the dummy bits of a fast read
WORD_BITS = 32
DESELECT_CYCLES = 16


class FlashReader(wiring.Component):
    """Wakes the flash at reset, and reads from an address on for each ``start``.

    SPI mode 0, one data line, the highest bit of a byte and the first byte of a word first: a word leaves as the flash
    has it, big-endian. The SPI clock is ``divisor`` times two cycles of the domain; it stands still while a word waits.
    The first word is offered ``DESELECT_CYCLES + 3 + 2 * divisor * (40 + 32)`` cycles after ``start`` at the latest, or
    later by the wake-up behind a reset, and a further one every ``64 * divisor`` cycles, or 65 with a divisor of 1.

    An iCE40 puts the flash into deep power-down once it is configured; the command 0xAB ends that, and does nothing
    otherwise.

    Parameters
    ----------
    address : int
        Of the first byte.
    wake_cycles : int
        Cycles between the wake-up and the first command; the time tRES1 of the flash, 3 to 30 microseconds.
    divisor : int
        At least 1.

    Members
    -------
    start : In(1)
        Read from ``address`` on; ends a read under way.
    o : Out(stream.Signature(32))
        Words.
    data : Out(1), strobe : Out(1)
        Each bit of the words as it comes; a cycle of ``strobe``.
    cs, sck, copi : Out(1), cipo : In(1)
        Pins; ``cs`` is high while the flash is selected.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, address: int, wake_cycles: int, divisor: int = 1) -> None:
        if address not in range(1 << ADDRESS_BITS):
            raise ValueError(f"address must be 0 to {(1 << ADDRESS_BITS) - 1}, not {address!r}")
        if not isinstance(wake_cycles, int) or wake_cycles < 1:
            raise ValueError(f"wake_cycles must be a positive integer, not {wake_cycles!r}")
        if not isinstance(divisor, int) or divisor < 1:
            raise ValueError(f"divisor must be a positive integer, not {divisor!r}")
        self.address = address
        self.wake_cycles = wake_cycles
        self.divisor = divisor
        super().__init__({
            "start": In(1),
            "o": Out(stream.Signature(WORD_BITS)),
            "data": Out(1),
            "strobe": Out(1),
            "cs": Out(1),
            "sck": Out(1),
            "copi": Out(1),
            "cipo": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = Signal(WORD_BITS)                    # leaves at its top, and fills at its bottom
        left = Signal(range(READ_BITS + 1))         # bits to come
        timer = Signal(range(max(self.wake_cycles, DESELECT_CYCLES) + 1), init=DESELECT_CYCLES)
        waking, wanted = Signal(init=1), Signal()   # the wake-up is to come; a read is
        reading = Signal()                          # bits are those of words
        tick, last = Signal(), Signal()
        m.d.comb += [
            self.o.payload.eq(word),
            self.copi.eq(word[-1]),
            self.data.eq(self.cipo),
            last.eq(left == 1),
        ]
        if self.divisor > 1:
            count = Signal(range(self.divisor))
            m.d.comb += tick.eq(count == 0)
            m.d.sync += count.eq(Mux(tick, self.divisor - 1, count - 1))
        else:
            m.d.comb += tick.eq(1)

        def deselect(cycles: int) -> None:
            m.d.sync += [self.cs.eq(0), self.sck.eq(0), timer.eq(cycles), reading.eq(0)]
            m.next = "pause"

        with m.FSM(init="pause"):
            with m.State("pause"):
                m.d.sync += timer.eq(timer - (timer != 0))
                with m.If((timer == 0) & (waking | wanted)):
                    m.d.sync += [self.cs.eq(1), wanted.eq(wanted & waking)]
                    m.d.sync += word.eq(Mux(waking, WAKE << ADDRESS_BITS, FAST_READ << ADDRESS_BITS | self.address))
                    m.d.sync += left.eq(Mux(waking, COMMAND_BITS, READ_BITS))
                    m.next = "shift"
            with m.State("shift"):
                with m.If(self.start & ~waking):
                    deselect(DESELECT_CYCLES)
                with m.Elif(tick):
                    m.d.sync += self.sck.eq(~self.sck)
                    with m.If(self.sck):
                        m.d.comb += self.strobe.eq(reading)
                        m.d.sync += [word.eq(Cat(self.cipo, word)), left.eq(left - 1)]
                        with m.If(last):
                            m.d.sync += [left.eq(WORD_BITS), reading.eq(1)]
                            with m.If(waking):
                                m.d.sync += waking.eq(0)
                                deselect(self.wake_cycles)
                            with m.Elif(reading):
                                m.next = "word"
            with m.State("word"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.start):
                    deselect(DESELECT_CYCLES)
                with m.Elif(self.o.ready):
                    m.next = "shift"
        with m.If(self.start):
            m.d.sync += wanted.eq(1)
        return m
