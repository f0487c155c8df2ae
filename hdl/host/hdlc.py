"""HDLC-like framing of byte streams (RFC 1662, section 4): a flag ends a frame, and an escape hides flags in it."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .line import sent_layout

__all__ = ["ESCAPE", "FLAG", "FLIPPED", "HDLCDecoder", "HDLCEncoder", "decoded_layout"]

FLAG, ESCAPE = 0x7E, 0x7D
FLIPPED = 0x20
"""The bit that differs in an escaped byte."""

decoded_layout = data.StructLayout({"byte": 8, "end": 1, "whole": 1})
"""A byte of a frame, or its end; an end behind an escape is not ``whole``."""


class HDLCDecoder(wiring.Component):
    """Bytes of frames from a line. A byte a cycle, without delay.

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(decoded_layout))
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(decoded_layout))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        escaped, escape = Signal(), Signal()
        byte = self.i.payload
        m.d.comb += [
            escape.eq(byte == ESCAPE),
            self.o.p.byte.eq(Cat(byte[:5], byte[5] ^ escaped, byte[6:])),
            self.o.p.end.eq(byte == FLAG),
            self.o.p.whole.eq(~escaped),
            self.o.valid.eq(self.i.valid & ~escape),
            self.i.ready.eq(self.o.ready | escape),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += escaped.eq(escape)
        return m


class HDLCEncoder(wiring.Component):
    """Frames to a line: a byte in two cycles, or in three where it is escaped, and a flag behind the last one.

    Members
    -------
    i, o : In, Out(stream.Signature(sent_layout))
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(sent_layout)), "o": Out(stream.Signature(sent_layout))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        byte, full = Signal(8), Signal()
        escaped, last = Signal(), Signal()      # the escape of the byte has left; a flag follows the byte
        flag, escape = Signal(), Signal()       # the flag is what leaves; the escape
        m.d.comb += [
            self.i.ready.eq(~full),
            escape.eq(((byte == FLAG) | (byte == ESCAPE)) & ~escaped & ~flag),
            self.o.valid.eq(full),
            self.o.p.last.eq(flag),
            self.o.p.byte.eq(Mux(escape, ESCAPE, Cat(byte[:5], byte[5] ^ escaped, byte[6:]))),
        ]
        with m.If(~full):
            m.d.sync += [byte.eq(self.i.p.byte), last.eq(self.i.p.last), full.eq(self.i.valid), escaped.eq(0)]
        with m.Elif(self.o.ready):
            m.d.sync += escaped.eq(escape)
            with m.If(~escape):
                m.d.sync += [full.eq(last), flag.eq(last), last.eq(0), byte.eq(FLAG)]
        return m
