"""Transmission of frames to the host: responses, the words of reads, and answers."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from signum.hdl.config import DATA_BITS

from .crc import FrameCRC
from .frames import CRC_BYTES, MOST_SLOTS, RESPONSE_HEAD_BYTES, WORD_BYTES, Kind
from .line import sent_layout

__all__ = ["FrameTransmitter"]


class FrameTransmitter(wiring.Component):
    """Sends a frame for each request; one frame for several of ``status``.

    See `hdl.host.frames`. A byte a cycle, but for a word or an answer that is not there yet, and with ``serial`` a byte
    in 9 cycles. Requests are served in the order of the members below. Once a session begins, the frame on its way
    ends after one byte of its CRC.

    Parameters
    ----------
    number_bits : int
        Bits of the count of answers; 0 for none.
    answer_bits : int
        Bits of an answer, up to 32; it is sent in as many bytes as they need.
    slots, slot_bytes : int
        The window; see `hdl.host.receive_window.ReceiveWindow`.
    serial : bool
        See `FrameCRC`.

    Members
    -------
    o : Out(stream.Signature(sent_layout))
    session : In(8), turn : In(8), held : In(16)
        Fields of the frames.
    opens : In(1)
        See `hdl.host.receive_window.ReceiveWindow`.
    opened, closed : In(1)
        Request `Kind.OPENED`, `Kind.CLOSED`.
    read : In(1), count : In(8), begun : Out(1)
        Request `Kind.WORDS` of so many words, until ``begun``.
    words : In(stream.Signature(32))
    last : Out(1)
        The last word was sent, or there was none.
    answers : In(stream.Signature(answer_bits)), waiting : In(number_bits), first : In(number_bits)
        Request `Kind.ANSWERS` where numbers wait; see `hdl.host.answer_buffer.AnswerBuffer`.
    status : In(1)
        Request a frame.
    idle : Out(1)
        No frame is on its way.
    """

    def __init__(self, *, number_bits: int, answer_bits: int, slots: int, slot_bytes: int,
                 serial: bool = False) -> None:
        self.number_bits = number_bits
        self.answer_bytes = -(-answer_bits // 8)
        self.window = (slots - 1).bit_length() | (slot_bytes - 1).bit_length() << 4
        self.serial = serial
        answers = {"answers": In(stream.Signature(answer_bits)), "waiting": In(number_bits), "first": In(number_bits)}
        super().__init__({
            "o": Out(stream.Signature(sent_layout)),
            "session": In(8),
            "turn": In(8),
            "held": In(MOST_SLOTS),
            "opens": In(1),
            "opened": In(1),
            "closed": In(1),
            "read": In(1),
            "count": In(8),
            "begun": Out(1),
            "words": In(stream.Signature(DATA_BITS)),
            "last": Out(1),
            **(answers if number_bits else {}),
            "status": In(1),
            "idle": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = FrameCRC(serial=self.serial)
        o, kind = self.o, Signal(Kind)
        opened, closed, status = (Signal(name=f"{name}_waits") for name in ("opened", "closed", "status"))
        count, at = Signal(8), Signal(range(RESPONSE_HEAD_BYTES))
        spoilt, sent, offered = Signal(), Signal(), Signal()
        m.d.comb += [
            o.valid.eq(offered & crc.ready),
            sent.eq(o.valid & o.ready),
            crc.data.eq(o.p.byte),
        ]
        m.d.sync += [opened.eq(opened | self.opened), closed.eq((closed | self.closed) & ~self.opens),
                     status.eq(status | self.status), spoilt.eq(spoilt | self.opens)]

        def begin(which: Kind, words: Value | int = 0) -> None:
            m.d.sync += [kind.eq(which), count.eq(words)]
            m.next = "head"

        answers = self.waiting.any() if self.number_bits else C(0)
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
                with m.Elif(self.read):
                    m.d.comb += self.begun.eq(1)
                    begin(Kind.WORDS, self.count)
                with m.Elif(answers):
                    if self.number_bits:
                        most = (1 << len(count)) - 1
                        few: Value | int = self.waiting
                        if self.number_bits > len(count):
                            few = Mux(self.waiting > most, most, self.waiting)
                        begin(Kind.ANSWERS, few)
                with m.Elif(status):
                    begin(Kind.STATUS)
            with m.State("head"):
                m.d.comb += [offered.eq(1), crc.valid.eq(sent)]
                with m.If(sent):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == 4):             # the frame tells of all that arrived until here
                        m.d.sync += status.eq(self.status)
                    with m.If(at == RESPONSE_HEAD_BYTES - 1):
                        m.d.sync += at.eq(0)
                        m.next = "words"
                        with m.If(count == 0):
                            m.next = "crc"
            with m.State("words"):
                answering = kind == Kind.ANSWERS if self.number_bits else C(0)
                m.d.comb += [
                    offered.eq(Mux(answering, self.answers.valid if self.number_bits else 0, self.words.valid)),
                    crc.valid.eq(sent),
                ]
                with m.If(sent):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at[:2] == Mux(answering, self.answer_bytes, WORD_BYTES) - 1):
                        m.d.sync += [at.eq(0), count.eq(count - 1)]
                        m.d.comb += self.words.ready.eq(~answering)
                        if self.number_bits:
                            m.d.comb += self.answers.ready.eq(answering)
                        with m.If(count == 1):
                            m.next = "crc"
                with m.If(spoilt & (kind == Kind.ANSWERS)):         # its answers are forgotten
                    m.d.sync += at.eq(0)
                    m.next = "crc"
            with m.State("crc"):
                m.d.comb += [offered.eq(1), o.p.last.eq(spoilt | (at == CRC_BYTES - 1))]
                with m.If(sent):
                    m.d.sync += at.eq(at + 1)
                    with m.If(o.p.last):
                        m.d.comb += self.last.eq(kind == Kind.WORDS)
                        m.next = "idle"

        wide = [Signal(16, name=name) for name in ("wide_held", "wide_first")]
        m.d.comb += [wide[0].eq(self.held), wide[1].eq(self.first if self.number_bits else 0)]
        head = [self.session, kind, C(self.window, 8), C(self.number_bits, 8), self.turn,
                *(half for value in wide for half in (value[:8], value[8:]))]
        words = Signal(8)
        m.d.comb += words.eq(self.words.payload.word_select(at[:2], 8))
        if self.number_bits:
            answer = Signal(8 * self.answer_bytes)
            m.d.comb += answer.eq(self.answers.payload)
            with m.If(kind == Kind.ANSWERS):
                m.d.comb += words.eq(answer.word_select(at[:bits_for(self.answer_bytes - 1)], 8))
        with m.If(states.ongoing("words")):
            m.d.comb += o.p.byte.eq(words)
        with m.Elif(states.ongoing("crc")):
            m.d.comb += o.p.byte.eq(crc.crc.word_select(at[:2], 8))
        with m.Else():
            m.d.comb += o.p.byte.eq(Choice([Cat(Value.cast(field), C(0, 8))[:8] for field in head])[at])
        return m
