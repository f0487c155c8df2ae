"""Transmission of frames to the host: responses, the words of reads, and answers."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from .crc import FrameCRC
from .frames import COUNT_BITS, CRC_BYTES, MOST_SLOTS, RESPONSE_HEAD_BYTES, Kind, count_bits
from .line import sent_layout

__all__ = ["BLOCK_BITS", "FrameTransmitter"]

BLOCK_BITS = 6


class FrameTransmitter(wiring.Component):
    """Sends a frame for each request; one frame for several of ``status``.

    See `hdl.host.frames`. A byte a cycle, but for a word or an answer that is not there yet, and with ``serial`` a byte
    in 9 cycles; without framing. Requests are served in the order of the members below. Once a session begins, the
    frame on its way ends after one byte of its CRC.

    Parameters
    ----------
    number_bits : int
        See `hdl.host.answer_buffer.AnswerBuffer`; 0 without answers.
    answer_bits : int
        Bits of an answer, up to 32; it is sent in as many bytes as they need.
    slots, slot_bytes, sequence_bits : int
        The window; see `hdl.host.receive_window.ReceiveWindow`.
    serial : bool
        See `FrameCRC`.

    Members
    -------
    o : Out(stream.Signature(sent_layout))
        A byte that waits follows its field, and once a session begins the frame's end: `HDLCEncoder`, which takes it,
        keeps its own bytes.
    session : In(8), turn : In(sequence_bits), held : In(16)
        Fields of the frames.
    opens : In(1)
        See `hdl.host.receive_window.ReceiveWindow`.
    opened, closed : In(1)
        Request `Kind.OPENED`, `Kind.CLOSED`.
    words : In(stream.Signature(sent_layout))
        Request `Kind.WORDS`; bytes of words, of which the last one is marked.
    wordless : In(1)
        Request `Kind.WORDS` of no word, until ``sent``.
    sent : Out(1)
        High for a cycle: a frame of `Kind.WORDS` has left.
    answers : In(stream.Signature(answer_bits)), more : In(1), first : In(count_bits)
        Request `Kind.ANSWERS`; see `hdl.host.answer_buffer.AnswerBuffer`. A frame has all numbers that wait, up to the
        next multiple of 2**`BLOCK_BITS`.
    status : In(1)
        Request a frame.
    idle : Out(1)
        No frame is on its way.
    """

    def __init__(self, *, number_bits: int, answer_bits: int, slots: int, slot_bytes: int,
                 sequence_bits: int = 8, serial: bool = False) -> None:
        self.number_bits = number_bits
        self.answer_bytes = -(-answer_bits // 8)
        self.window = (slots - 1).bit_length() | (slot_bytes - 1).bit_length() << 4
        self.counts = number_bits | sequence_bits - 1 << COUNT_BITS
        self.serial = serial
        answers = {"answers": In(stream.Signature(answer_bits)), "more": In(1),
                   "first": In(count_bits(number_bits, sequence_bits))}
        super().__init__({
            "o": Out(stream.Signature(sent_layout)),
            "session": In(8),
            "turn": In(sequence_bits),
            "held": In(MOST_SLOTS),
            "opens": In(1),
            "opened": In(1),
            "closed": In(1),
            "words": In(stream.Signature(sent_layout)),
            "wordless": In(1),
            "sent": Out(1),
            **(answers if number_bits else {}),
            "status": In(1),
            "idle": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = FrameCRC(serial=self.serial)
        o, kind = self.o, Signal(Kind)
        opened, closed, status = (Signal(name=f"{name}_waits") for name in ("opened", "closed", "status"))
        at = Signal(range(RESPONSE_HEAD_BYTES))
        held = Signal(MOST_SLOTS)                   # as the sequence number was sent
        spoilt, sent, offered = Signal(), Signal(), Signal()
        byte = Signal(8)
        m.d.comb += [
            o.valid.eq(offered & crc.ready),
            sent.eq(o.valid & o.ready),
            crc.data.eq(byte),
            crc.valid.eq(sent),
        ]
        m.d.sync += [opened.eq(opened | self.opened), closed.eq((closed | self.closed) & ~self.opens),
                     status.eq(status | self.status), spoilt.eq(spoilt | self.opens)]

        def begin(which: Kind) -> None:
            m.d.sync += kind.eq(which)
            m.next = "head"

        with m.FSM() as states:
            with m.State("idle"):
                m.d.comb += [self.idle.eq(1), crc.start.eq(1)]
                m.d.sync += [at.eq(0), spoilt.eq(0)]
                with m.If(opened):
                    m.d.sync += opened.eq(self.opened)
                    begin(Kind.OPENED)
                with m.Elif(closed):
                    m.d.sync += closed.eq(self.closed)
                    begin(Kind.CLOSED)
                with m.Elif(self.words.valid | self.wordless):
                    begin(Kind.WORDS)
                if self.number_bits:
                    with m.Elif(self.answers.valid):
                        begin(Kind.ANSWERS)
                with m.Elif(status):
                    begin(Kind.STATUS)
            with m.State("head"):
                m.d.comb += offered.eq(1)
                with m.If(sent):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == 4):             # the frame tells of all that arrived until here
                        m.d.sync += [status.eq(self.status), held.eq(self.held)]
                    with m.If(at == RESPONSE_HEAD_BYTES - 1):
                        m.d.sync += at.eq(0)
                        m.next = "crc"
                        with m.If((kind == Kind.WORDS) & ~self.wordless):
                            m.next = "words"
                        if self.number_bits:
                            with m.If(kind == Kind.ANSWERS):
                                m.next = "answers"
            with m.State("words"):
                m.d.comb += [offered.eq(self.words.valid), self.words.ready.eq(o.ready & crc.ready)]
                with m.If(sent & self.words.p.last):
                    m.next = "crc"
            if self.number_bits:
                with m.State("answers"):
                    ends = at == self.answer_bytes - 1
                    m.d.comb += [offered.eq(self.answers.valid), self.answers.ready.eq(o.ready & crc.ready & ends)]
                    with m.If(sent):
                        m.d.sync += at.eq(Mux(ends, 0, at + 1))
                        with m.If(ends):
                            m.next = "next answer"
                    with m.If(spoilt):                  # the answers are forgotten
                        m.d.sync += at.eq(0)
                        m.next = "crc"
                with m.State("next answer"):
                    m.next = "crc"
                    with m.If(self.more & self.first[:BLOCK_BITS].any() & ~spoilt):
                        m.next = "answers"
            with m.State("crc"):
                m.d.comb += [offered.eq(1), o.p.last.eq(spoilt | (at == CRC_BYTES - 1))]
                with m.If(sent):
                    m.d.sync += at.eq(at + 1)
                    with m.If(o.p.last):
                        m.d.comb += self.sent.eq(kind == Kind.WORDS)
                        m.next = "idle"

        wide = [Signal(16, name=name) for name in ("wide_held", "wide_first")]
        m.d.comb += [wide[0].eq(held), wide[1].eq(self.first if self.number_bits else 0)]
        head = [self.session, kind, C(self.window, 8), C(self.counts, 8), self.turn,
                *(half for value in wide for half in (value[:8], value[8:]))]
        m.d.comb += o.p.byte.eq(byte ^ states.ongoing("crc").replicate(8))      # the CRC is complemented
        with m.If(states.ongoing("words")):
            m.d.comb += byte.eq(self.words.p.byte)
        with m.Elif(states.ongoing("crc")):
            m.d.comb += byte.eq(crc.crc[:8])            # its own lowest byte shifts the register by 8 bits
        with m.Else():
            m.d.comb += byte.eq(Choice([Cat(Value.cast(field), C(0, 8))[:8] for field in head])[at])
        if self.number_bits:
            answer = Signal(8 * self.answer_bytes)
            m.d.comb += answer.eq(self.answers.payload)
            with m.If(states.ongoing("answers")):
                m.d.comb += byte.eq(answer.word_select(at[:bits_for(self.answer_bytes - 1)], 8))
        return m
