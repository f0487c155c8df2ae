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

    i: In(stream.Signature(8))
    o: Out(stream.Signature(decoded_layout))

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
    """Frames to a line: a byte in a cycle, or in two where it is escaped, and a flag behind the last one.

    Members
    -------
    i, o : In, Out(stream.Signature(sent_layout))
    """

    i: In(stream.Signature(sent_layout))
    o: Out(stream.Signature(sent_layout))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        escaped, ends = Signal(), Signal()      # the escape of the byte has left; a flag follows
        escape, sent = Signal(), Signal()
        byte = self.i.p.byte
        m.d.comb += [
            escape.eq(((byte == FLAG) | (byte == ESCAPE)) & ~escaped),
            self.o.valid.eq(self.i.valid | ends),
            self.o.p.last.eq(ends),
            self.o.p.byte.eq(Mux(ends, FLAG, Mux(escape, ESCAPE, Cat(byte[:5], byte[5] ^ escaped, byte[6:])))),
            sent.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(self.o.ready & ~ends & ~escape),
        ]
        with m.If(sent):
            m.d.sync += [escaped.eq(escape & ~ends), ends.eq(self.i.p.last & ~ends & ~escape)]
        return m
