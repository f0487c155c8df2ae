"""Reader of a SPI NOR flash: words of 32 bits from an address on."""

from dataclasses import dataclass
from typing import Self

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ADDRESS_BITS", "COMMAND_BITS", "DESELECT_CYCLES", "FlashReader", "FlashTiming"]

ADDRESS_BITS = 24
COMMAND_BITS = 8
DUMMY_BITS = 8
READS = {1: 0x0B, 4: 0x6B}                          # by data lines
WAKE = 0xAB
READ_BITS = COMMAND_BITS + ADDRESS_BITS + DUMMY_BITS
WORD_BITS = 32
DESELECT_CYCLES = 16


@dataclass(frozen=True)
class FlashTiming:
    """Cycles of a `FlashReader`, to within some: of a word, before the first one of a read, and of its wake-up."""

    word: int
    begin: int
    wake: int

    @classmethod
    def of(cls, *, wake_cycles: int, divisor: int, lines: int) -> Self:
        """Of a reader with these parameters."""
        return cls(word=2 * divisor * WORD_BITS // lines + (divisor == 1),
                   begin=DESELECT_CYCLES + 2 * divisor * READ_BITS,
                   wake=DESELECT_CYCLES + 2 * divisor * COMMAND_BITS + wake_cycles)

    def read(self, words: int) -> int:
        """Of a read of so many words."""
        return self.begin + words * self.word


class FlashReader(wiring.Component):
    """Wakes the flash at reset, and reads from an address on for each ``start``.

    SPI mode 0, the highest bit of a byte and the first byte of a word first: a word leaves as the flash has it,
    big-endian. The SPI clock is ``divisor`` times two cycles of the domain; it stands still while a word waits. The
    first word is offered ``DESELECT_CYCLES + 3 + 2 * divisor * (40 + 32 / lines)`` cycles after ``start`` at the
    latest, or later by the wake-up behind a reset, and a further one every ``64 * divisor / lines`` cycles, or one more
    with a divisor of 1: a byte takes 16.25 cycles on one line, and 4.25 on four. Data may come up to
    ``2 * divisor - 1`` cycles after the falling edge of the SPI clock.

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
    lines : int
        1 (fast read, 0x0B), or 4 (quad output, 0x6B), for which the bit QE in the flash's status must be set.
    word_bits : int
        Bits of the number of the word at which a read begins; 0 for the first one alone.

    Members
    -------
    start : In(1)
        Read from ``address`` on; ends a read under way.
    at : In(word_bits), only with ``word_bits``
        Number of the word behind ``address`` to begin at; kept from ``start`` to the first word.
    o : Out(stream.Signature(32))
        Words.
    data : Out(lines), strobe : Out(1)
        The bits of the words as they come; a cycle of ``strobe``.
    cs, sck, copi : Out(1), cipo : In(lines)
        Pins; ``cs`` is high while the flash is selected. With four lines ``cipo`` is IO0 to IO3.
    drive : Out(1), only with four lines
        IO0 is driven, by ``copi``; low from the dummy bits on.
    pins : tuple of str
        The names of the pins.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, address: int, wake_cycles: int, divisor: int = 1, lines: int = 1,
                 word_bits: int = 0) -> None:
        if address not in range(1 << ADDRESS_BITS):
            raise ValueError(f"address must be 0 to {(1 << ADDRESS_BITS) - 1}, not {address!r}")
        if word_bits not in range(ADDRESS_BITS - 1) or (word_bits and address % (4 << word_bits)):
            raise ValueError(f"word_bits must be 0 to {ADDRESS_BITS - 2}, and address a multiple of so many words, "
                             f"not {word_bits!r} and {address!r}")
        if not isinstance(wake_cycles, int) or wake_cycles < 1:
            raise ValueError(f"wake_cycles must be a positive integer, not {wake_cycles!r}")
        if not isinstance(divisor, int) or divisor < 1:
            raise ValueError(f"divisor must be a positive integer, not {divisor!r}")
        if lines not in READS:
            raise ValueError(f"lines must be 1 or 4, not {lines!r}")
        self.address = address
        self.wake_cycles = wake_cycles
        self.divisor = divisor
        self.lines = lines
        self.word_bits = word_bits
        self.pins = "cs", "sck", "copi", "cipo", *(["drive"] if lines > 1 else [])
        super().__init__({
            "start": In(1),
            "o": Out(stream.Signature(WORD_BITS)),
            "data": Out(lines),
            "strobe": Out(1),
            "cs": Out(1),
            "sck": Out(1),
            "copi": Out(1),
            "cipo": In(lines),
        } | ({"drive": Out(1)} if lines > 1 else {}) | ({"at": In(word_bits)} if word_bits else {}))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = Signal(WORD_BITS)                    # leaves at its top, and fills at its bottom
        left = Signal(range(READ_BITS + 1))         # clocks to come
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
        read: Value = Const(READS[self.lines] << ADDRESS_BITS | self.address, WORD_BITS)
        if self.word_bits:
            read = Cat(read[:2], self.at, read[2 + self.word_bits:])
        moved: Value = Cat(self.cipo, word)
        if self.lines > 1:
            moved = Mux(reading, moved, word << 1)
            with m.If(waking | (left > DUMMY_BITS)):
                m.d.comb += self.drive.eq(1)
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
                    m.d.sync += word.eq(Mux(waking, WAKE << ADDRESS_BITS, read))
                    m.d.sync += left.eq(Mux(waking, COMMAND_BITS, READ_BITS))
                    m.next = "shift"
            with m.State("shift"):
                with m.If(self.start & ~waking):
                    deselect(DESELECT_CYCLES)
                with m.Elif(tick):
                    m.d.sync += self.sck.eq(~self.sck)
                    with m.If(self.sck):
                        m.d.comb += self.strobe.eq(reading)
                        m.d.sync += [word.eq(moved), left.eq(left - 1)]
                        with m.If(last):
                            m.d.sync += [left.eq(WORD_BITS // self.lines), reading.eq(1)]
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
