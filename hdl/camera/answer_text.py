"""Answers as lines of text: the number of the answer, and the numbers in it, in hexadecimal digits."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["COUNT_DIGITS", "AnswerText"]

COUNT_DIGITS = 4
DIGIT_BITS = 4


class AnswerText(wiring.Component):
    """A line for each answer: ``0123: 07 02`` and a line end (carriage return, line feed).

    The count of an answer, from 0 on since reset, has four digits and wraps around. A number has as many digits as its
    bits need. A byte a cycle; a number is taken with its last digit, so answers wait while a line is sent.

    Parameters
    ----------
    bits : int
        Of a number of an answer.

    Members
    -------
    i : In(stream.Signature({"value": bits, "first": 1, "last": 1}))
    o : Out(stream.Signature(8))
        ASCII.
    count : Out(16)
        Answers so far.
    latest : Out(bits)
        First number of the latest answer.
    """

    def __init__(self, *, bits: int) -> None:
        if bits < 1:
            raise ValueError(f"bits must be at least 1, not {bits!r}")
        self.bits = bits
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({"value": bits, "first": 1, "last": 1}))),
            "o": Out(stream.Signature(8)),
            "count": Out(DIGIT_BITS * COUNT_DIGITS),
            "latest": Out(bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        digits = -(-self.bits // DIGIT_BITS)
        place = Signal(range(max(COUNT_DIGITS, digits)))
        value = Signal(DIGIT_BITS * digits)
        digit, byte = Signal(DIGIT_BITS), Signal(8)
        sent = self.o.valid & self.o.ready
        m.d.comb += [
            value.eq(self.i.p.value),
            self.o.payload.eq(byte),
            byte.eq(Mux(digit > 9, digit + (ord("A") - 10), digit + ord("0"))),
        ]

        def digit_of(number: Signal, count: int) -> None:
            m.d.comb += [
                digit.eq(Array([number.word_select(count - 1 - k, DIGIT_BITS) for k in range(count)])[place]),
                self.o.valid.eq(1),
            ]
            with m.If(sent):
                m.d.sync += place.eq(Mux(place == count - 1, 0, place + 1))

        def character(which: str, following: str) -> None:
            m.d.comb += [byte.eq(ord(which)), self.o.valid.eq(1)]
            with m.If(sent):
                m.next = following

        with m.FSM():
            with m.State("idle"), m.If(self.i.valid):
                m.next = "blank"
                with m.If(self.i.p.first):
                    m.d.sync += self.latest.eq(self.i.p.value)
                    m.next = "count"
            with m.State("count"):
                digit_of(self.count, COUNT_DIGITS)
                with m.If(sent & (place == COUNT_DIGITS - 1)):
                    m.next = "colon"
            with m.State("colon"):
                character(":", "blank")
            with m.State("blank"):
                character(" ", "number")
            with m.State("number"):
                digit_of(value, digits)
                with m.If(sent & (place == digits - 1)):
                    m.d.comb += self.i.ready.eq(1)
                    m.next = "idle"
                    with m.If(self.i.p.last):
                        m.d.sync += self.count.eq(self.count + 1)
                        m.next = "return"
            with m.State("return"):
                character("\r", "feed")
            with m.State("feed"):
                character("\n", "idle")
        return m
