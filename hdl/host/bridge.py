"""Bridge from a byte stream to the bus: a framed protocol of requests and responses, checked by CRCs.

A request. Numbers of several bytes are sent least significant byte first.

=======  =====  ==========================================================================================
offset   bytes  meaning
=======  =====  ==========================================================================================
0        1      `REQUEST_SYNC`
1        1      sequence number, any; comes back in the response
2        1      `Command`
3        1      count of 32-bit words, 0..255; a read of 0 words answers and does no more
4        4      bus address of the first word; the next ones follow at +1. Bits that the bus lacks are ignored
8        4      CRC of the bytes 1..7
12       4*n    a write's words
12+4*n   4      a write's CRC of its words
=======  =====  ==========================================================================================

`Command.PIXELS` is a write whose words are values of an image, four a word, and whose address is `pixel_address`. The
last value is held back until the CRC of the words fits: a frame that is damaged never completes an image.

A response.

=======  =====  ==========================================================================================
offset   bytes  meaning
=======  =====  ==========================================================================================
0        1      `RESPONSE_SYNC`
1        1      sequence number of the request, as far as it was received
2        1      `Answer`
3        1      count of the words that follow: those of a good read, else 0
4        4*n    the words read
4+4*n    4      CRC of the bytes 1 to here
=======  =====  ==========================================================================================

The CRC is `CRC`, the complement of the usual CRC-32: over data and their CRC together it is 0. A doubled byte shifts
all later bytes, and the CRC of such a frame matches only by chance: 16 bits would not be enough.

A header has its own CRC, so a damaged header causes no write. The words of a write go to the bus as they arrive: after
a damaged payload the host sends the same range again. After any error the bridge ignores the line until it has been
quiet for a time, and only then responds: no piece of a broken frame is taken for a frame. The response has the
sequence number as received, right or wrong; a waiting host takes each error as its own. A host without a response
keeps quiet for longer than this time and sends its request again.
"""

import enum
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.hdl import Cat, Module, Mux, Signal, ValueLike, signed
from amaranth.lib import stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from signum.hdl.input.frame_receiver import pixel_layout

from .bus import DATA_BITS, bus_signature

__all__ = ["CRC", "CRC_BYTES", "REQUEST_SYNC", "RESPONSE_SYNC", "WORD_BYTES", "Answer", "Bridge", "Command",
           "pixel_address"]

CRC = catalog.CRC32_JAMCRC(data_width=8)
CRC_BYTES = 4
HEADER_BYTES = 7        # after the sync byte
REQUEST_SYNC = 0xA5
RESPONSE_SYNC = 0x5A
WORD_BYTES = DATA_BITS // 8


class Command(enum.IntEnum):
    """Operation of a request."""

    READ = 0x52
    WRITE = 0x57
    PIXELS = 0x50       # only with a stream of pixels


class Answer(enum.IntEnum):
    """Outcome of a request."""

    OK = 0
    BAD_HEADER = 1      # no sync byte where a frame should begin, or a wrong CRC of the header
    BAD_COMMAND = 2
    BAD_PAYLOAD = 3     # a wrong CRC of the words: some may have been written, and wrongly
    BAD_LINE = 4        # a stop bit was missing, or bytes came faster than the bus took them
    GAP = 5             # the frame stopped before its end


def pixel_address(values: int, begins: bool, ends: bool) -> int:
    """The address of a frame with so many values, which begin an image, and end it."""
    return int(begins) | int(ends) << 1 | (values - 1) % WORD_BYTES << 2


class Bridge(wiring.Component):
    """Bus master that serves requests from a byte stream.

    One request at a time: bytes that arrive during a response wait upstream. The bridge waits for the bus without
    limit.

    Parameters
    ----------
    address_bits : int
        Address width of the bus, 1..32.
    quiet : int
        Cycles without a byte after which a frame has stopped, or the line is quiet after an error; at least
        2, and more than the longest pause that the host makes inside a frame.
    pixels : bool
        Serve `Command.PIXELS`.

    Members
    -------
    i, o : In, Out(stream.Signature(8))
        Bytes of the requests and of the responses.
    error : In(1)
        High for a cycle when a byte was lost upstream; ends the frame with `Answer.BAD_LINE`.
    bus : Out(bus_signature(address_bits))
        Requests to the accelerator, and its responses.
    pixels : Out(stream.Signature(pixel_layout)), only with ``pixels``
        Values of images.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, address_bits: int, quiet: int, pixels: bool = False) -> None:
        if address_bits not in range(1, 33):
            raise ValueError(f"address_bits must be 1 to 32, not {address_bits!r}")
        if not isinstance(quiet, int) or quiet < 2:
            raise ValueError(f"quiet must be an integer of at least 2, not {quiet!r}")
        self.quiet = quiet
        self.with_pixels = pixels
        super().__init__({
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(8)),
            "error": In(1),
            "bus": Out(bus_signature(address_bits)),
            **({"pixels": Out(stream.Signature(pixel_layout))} if pixels else {}),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = CRC.create()
        request = self.bus.request

        # The bytes of a header move down through word, count and command to sequence.
        sequence = Signal(8)
        command = Signal(8)
        count = Signal(8)
        word = Signal(DATA_BITS)
        address = Signal.like(request.p.address)
        answer = Signal(Answer)
        left = Signal(3)                # bytes left of the state, less one
        last = Signal()                 # left is 0

        arrived = self.i.valid & self.i.ready
        sent = self.o.valid & self.o.ready
        waiting = Signal()
        lost = Signal()
        timer = Signal(signed(bits_for(self.quiet - 2) + 1), init=self.quiet - 2)
        expired = timer < 0
        m.d.sync += [timer.eq(timer - 1), lost.eq(lost | self.error)]
        with m.If(arrived | self.error | ~waiting):
            m.d.sync += timer.eq(self.quiet - 2)

        # decoded fields of a frame, in registers: several bytes pass before their use
        reads, writes, none, one = Signal(), Signal(), Signal(), Signal()
        # the value that is held; it is being sent; it is the first one of an image
        images, held, holding, pushing, fresh = Signal(), Signal(8), Signal(), Signal(), Signal()
        m.d.sync += [
            images.eq((command == Command.PIXELS) & self.with_pixels),
            reads.eq(command == Command.READ),
            writes.eq(command == Command.WRITE),
            none.eq(count == 0),
            one.eq(count == 1),
        ]
        m.d.comb += [
            request.p.address.eq(address),
            request.p.data.eq(word),
            request.p.write.eq(writes),
            self.o.payload.eq(word[:8]),
        ]
        # the CRC unit takes each byte a cycle later; its value is valid when it takes none, ``fits`` a cycle later
        begin, fed, fits = Signal(), Signal(), Signal()
        checked = ~crc.valid & ~fed
        m.d.sync += [
            crc.start.eq(begin),
            crc.data.eq(Mux(self.o.valid, self.o.payload, self.i.payload)),
            crc.valid.eq((arrived | sent) & ~begin),
            fed.eq(crc.valid),
            fits.eq(crc.match_detected),
        ]

        def fail(why: Answer) -> None:
            m.d.sync += [answer.eq(why), holding.eq(0), pushing.eq(0)]
            m.next = "wait for quiet"

        @contextmanager
        def receiving(state: str, ready: ValueLike = 1) -> Iterator[None]:
            """A state that takes the bytes of a frame; its body applies to each byte.

            The body also applies to a byte that arrives as the frame fails: the fields are unread then, and their logic
            need not wait for the failure.
            """
            with m.State(state):
                m.d.comb += [self.i.ready.eq(ready), waiting.eq(state != "idle")]
                with m.If(self.i.valid & ready):
                    m.d.sync += [left.eq(left - 1), last.eq(left == 1)]
                    yield
                with m.If(lost):
                    fail(Answer.BAD_LINE)
                with m.Elif(expired):
                    fail(Answer.GAP)

        @contextmanager
        def sending(state: str) -> Iterator[None]:
            """A state that sends bytes; its body applies to each byte."""
            with m.State(state):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [left.eq(left - 1), last.eq(left == 1)]
                    yield

        @contextmanager
        def at_last() -> Iterator[None]:
            """The body applies to the last byte of a state; the next state that counts its bytes has four."""
            with m.If(last):
                m.d.sync += [left.eq(WORD_BYTES - 1), last.eq(0)]
                yield

        def next_word(state: str, end: str) -> None:
            m.d.sync += [address.eq(address + 1), count.eq(count - 1)]
            m.next = state
            with m.If(one):
                m.next = end

        shifted = Cat(word[8:], self.i.payload)
        with m.FSM() as states:
            with receiving("idle"):
                m.d.comb += begin.eq(1)
                m.d.sync += [left.eq(HEADER_BYTES - 1), last.eq(0), answer.eq(Answer.OK)]
                with m.If(self.i.payload == REQUEST_SYNC):
                    m.next = "header"
                with m.Else():
                    fail(Answer.BAD_HEADER)
            with receiving("header"):
                m.d.sync += Cat(sequence, command, count, word).eq(Cat(command, count, word[:8], shifted))
                with at_last():
                    m.next = "header crc"
            with receiving("header crc"), at_last():
                m.next = "check header"
            with m.State("check header"), m.If(checked):
                m.d.comb += begin.eq(1)
                m.d.sync += [address.eq(word), fresh.eq(word[0])]
                with m.If(~fits):
                    fail(Answer.BAD_HEADER)
                with m.Elif(reads):
                    m.next = "answer"
                with m.Elif(images & ~none):
                    m.next = "pixels" if self.with_pixels else "answer"
                with m.Elif(~writes):
                    fail(Answer.BAD_COMMAND)
                with m.Elif(none):
                    m.next = "payload crc"
                with m.Else():
                    m.next = "payload"

            with receiving("payload"):
                m.d.sync += word.eq(shifted)
                with at_last():
                    m.next = "write"
            with m.State("write"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    next_word("payload", "payload crc")
            with receiving("payload crc"), at_last():
                m.next = "check payload"
            with m.State("check payload"), m.If(checked):
                m.next = "last value" if self.with_pixels else "answer"
                with m.If(~fits):
                    fail(Answer.BAD_PAYLOAD)
            if self.with_pixels:
                # each value is sent as the next one comes, the last one after the check
                value, number = self.pixels, address[2:4]           # number: of the last value in the last word
                # whether the next byte is a value: a register, for timing, valid two cycles after a byte
                wanted, settling = Signal(), Signal()
                m.d.sync += [wanted.eq(~one | (WORD_BYTES - 1 - left <= number)), settling.eq(arrived)]
                m.d.comb += [
                    value.valid.eq(pushing), value.p.value.eq(held), value.p.first.eq(fresh),
                    value.p.last.eq(states.ongoing("last value") & address[1]),
                ]
                with receiving("pixels", ready=~wanted | ~holding):
                    with m.If(wanted):
                        m.d.sync += [held.eq(self.i.payload), holding.eq(1)]
                    with at_last():
                        m.d.sync += count.eq(count - 1)
                        with m.If(one):
                            m.next = "payload crc"
                with m.State("last value"), m.If(~holding):
                    m.next = "answer"

            with m.State("wait for quiet"):
                m.d.comb += [self.i.ready.eq(1), waiting.eq(1)]
                m.d.sync += [lost.eq(0), left.eq(WORD_BYTES - 1), last.eq(0), count.eq(0)]
                with m.If(expired & ~self.error):
                    m.next = "answer"

            with sending("answer"), at_last():
                m.next = "read"
                with m.If(none):
                    m.next = "take crc"
            with m.State("read"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    m.next = "await word"
            with m.State("await word"):
                m.d.comb += self.bus.response.ready.eq(1)
                m.d.sync += word.eq(self.bus.response.payload)
                with m.If(self.bus.response.valid):
                    m.next = "answer word"
            with sending("answer word"):
                m.d.sync += word.eq(shifted)
                with at_last():
                    next_word("read", "take crc")
            with m.State("take crc"), m.If(~crc.valid):
                m.d.sync += word.eq(crc.crc)
                m.next = "answer crc"
            with sending("answer crc"):
                m.d.sync += word.eq(shifted)
                with at_last():
                    m.next = "idle"
        if self.with_pixels:
            comes = states.ongoing("pixels") & self.i.valid & wanted & ~settling
            with m.If(self.pixels.valid & self.pixels.ready):
                m.d.sync += [fresh.eq(0), holding.eq(0), pushing.eq(0)]
            with m.Elif(holding & (comes | states.ongoing("last value"))):
                m.d.sync += pushing.eq(1)
        with m.If(states.ongoing("answer")), m.Switch(left):
            with m.Case(3):
                m.d.comb += [self.o.payload.eq(RESPONSE_SYNC), begin.eq(1)]
            with m.Case(2):
                m.d.comb += self.o.payload.eq(sequence)
            with m.Case(1):
                m.d.comb += self.o.payload.eq(answer)
            with m.Case(0):
                m.d.comb += self.o.payload.eq(count)
        return m
