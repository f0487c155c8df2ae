"""The line over UDP: datagrams of a host become bytes, and frames to the host become datagrams."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from signum.hdl.lib.buffer_memory import BufferMemory

from .hdlc import FLAG
from .line import line_signature
from .word_reader import WordReader

__all__ = ["LEAST_BUFFER", "LEAST_BYTES", "MOST_BYTES", "WORD", "UDPLine", "datagram_layout"]

MOST_BYTES = 1472
"""Bytes of the longest datagram: an Ethernet frame of 1,500 bytes without the headers of IP and UDP."""

LEAST_BYTES = 18
"""Bytes of the shortest datagram that needs no padding: in an Ethernet frame of 60 bytes."""

LEAST_BUFFER = 2048
WORD = 4                # bytes
BYTE = 8                # bits
LENGTH_BITS = bits_for(MOST_BYTES)

datagram_layout = data.StructLayout({
    "data": WORD * BYTE, "last": 1, "last_byte": WORD, "error": 1, "length": 16, "address": 32, "port": 16,
})
"""A word of a datagram, its first byte lowest.

With ``last``, the bit of ``last_byte`` marks the last byte. ``length`` in bytes, IP ``address`` and ``port`` of the
other end are the same in all words; an ``error`` in any word makes the datagram invalid.
"""


def checked_buffer(name: str, size: int) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or size < LEAST_BUFFER or size & (size - 1):
        raise ValueError(f"{name} must be a power of 2 of at least {LEAST_BUFFER}, not {size!r}")
    return size


class UDPLine(wiring.Component):
    """Bytes of datagrams from a host, and frames to it as datagrams, over a core that speaks UDP.

    A datagram is passed on once all of it is there, in order, without a mark of its end. It is dropped whole if it is
    invalid, if its last word is not that of its ``length`` (bytes behind it are padding of an Ethernet frame), longer
    than 1,472 bytes, or if there is no room for it. A frame is sent once its last byte is there, to the address and
    port of the latest datagram that was passed on; it is dropped whole if it is longer than 1,472 bytes, or if there
    was no such datagram. Flags (RFC 1662) follow a frame of less than 18 bytes, up to 18: some cores do not pad
    datagrams as Ethernet demands.

    Words of datagrams are taken without pause, but for a cycle behind the last one, and leave without pause within a
    datagram wherever the core takes them. Bytes: one a cycle to ``line.received``, from four cycles behind the last
    word on; one a cycle from
    ``line.sent``, with one idle cycle behind each frame, whose first word leaves four cycles behind its last byte.

    Parameters
    ----------
    received_bytes, sent_bytes : int
        Bytes of the buffers for datagrams of the host and for those to it, powers of 2 from 2,048 on. A datagram takes
        whole words of 4 bytes, one to the host a further word.

    Members
    -------
    line : Out(line_signature)
        The line.
    received : In(stream.Signature(datagram_layout))
        Datagrams of the host.
    sent : Out(stream.Signature(datagram_layout))
        Datagrams to the host, without errors.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, received_bytes: int = 8192, sent_bytes: int = 4096) -> None:
        self.received_bytes = checked_buffer("received_bytes", received_bytes)
        self.sent_bytes = checked_buffer("sent_bytes", sent_bytes)
        super().__init__({
            "line": Out(line_signature),
            "received": In(stream.Signature(datagram_layout)),
            "sent": Out(stream.Signature(datagram_layout)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        known, address, port = Signal(), Signal(32), Signal(16)
        self._receive(m, known, address, port)
        self._send(m, known, address, port)
        return m

    def _receive(self, m: Module, known: Signal, address: Signal, port: Signal) -> None:
        """From datagrams to bytes; the address and port of the latest datagram."""
        depth = self.received_bytes // WORD
        # of a word, its bytes and how many of them there are, less 1
        bits = data.StructLayout({"data": WORD * BYTE, "last": 2})
        m.submodules.received_memory = memory = BufferMemory(depth=depth, bits=bits.size)
        m.submodules.received_words = words = WordReader(depth=depth, bits=bits.size)

        # a word, and behind a last one a cycle in which the datagram is judged
        word, valid, judged = Signal(datagram_layout), Signal(), Signal()
        place, used = Signal.like(words.place), Signal.like(words.place)
        count, total = Signal(LENGTH_BITS + 1), Signal(LENGTH_BITS + 1)
        room, bad, last = Signal(), Signal(), Signal(2)
        long, over, under = Signal(), Signal(), Signal()
        stored = Signal(bits)
        with m.If(self.received.ready):
            m.d.sync += [word.eq(self.received.payload), valid.eq(self.received.valid)]
        with m.Else():
            m.d.sync += valid.eq(0)
        m.d.comb += [
            self.received.ready.eq(~(valid & word.last)),
            used.eq(place - words.place),
            room.eq(used != depth),
            last.eq(Mux(word.last, Cat(word.last_byte[1] | word.last_byte[3], word.last_byte[2:].any()), WORD - 1)),
            total.eq(count + last + 1),
            stored.data.eq(word.data),
            stored.last.eq(Mux(word.last, word.length - count - 1, WORD - 1)),
            memory.write.eq(valid & room),
            memory.write_address.eq(place),
            memory.write_data.eq(stored),
        ]
        m.d.sync += [
            judged.eq(valid & word.last),
            over.eq(word.length > count),
            under.eq(word.length <= total),
            long.eq(total > MOST_BYTES),
        ]
        with m.If(valid):
            m.d.sync += [place.eq(place + room), count.eq(Mux(long, count, total)), bad.eq(bad | word.error | ~room)]
        with m.If(judged):
            m.d.sync += [count.eq(0), bad.eq(0), long.eq(0)]
            with m.If(~bad & ~long & over & under):
                m.d.sync += [words.end.eq(place), known.eq(1), address.eq(word.address), port.eq(word.port)]
            with m.Else():
                m.d.sync += place.eq(words.end)

        taken = Signal(bits)
        byte, left, full = Signal(WORD * BYTE), Signal(2), Signal()
        m.d.comb += [
            memory.read_address.eq(words.read_address),
            words.read_data.eq(memory.read_data),
            taken.eq(words.o.payload),
            self.line.received.valid.eq(full),
            self.line.received.payload.eq(byte[:BYTE]),
            words.o.ready.eq(~full | self.line.received.ready & (left == 0)),
        ]
        with m.If(words.o.ready):
            m.d.sync += [full.eq(words.o.valid), byte.eq(taken.data), left.eq(taken.last)]
        with m.Elif(self.line.received.ready):
            m.d.sync += [byte.eq(byte >> BYTE), left.eq(left - 1)]

    def _send(self, m: Module, known: Value, address: Value, port: Value) -> None:
        """From bytes to datagrams. In the memory, the length of a datagram precedes its words."""
        depth = self.sent_bytes // WORD
        m.submodules.sent_memory = memory = BufferMemory(depth=depth, bits=WORD * BYTE)
        m.submodules.sent_words = words = WordReader(depth=depth, bits=WORD * BYTE)
        sent = self.line.sent

        # place: of the next word; the length will be at the end of the datagrams before
        place, used = Signal.like(words.place), Signal.like(words.place)
        word, length = Signal(WORD * BYTE), Signal(LENGTH_BITS)
        room, bad, ended, filling = Signal(), Signal(), Signal(), Signal()
        joined = Signal(WORD * BYTE)
        byte, valid, last = Signal(BYTE), Signal(), Signal()
        m.d.comb += [
            joined.eq(word),
            # a place for the length, too
            used.eq(place - words.place),
            room.eq(used < depth - 1),
            sent.ready.eq((room | bad) & ~ended & ~filling),
            byte.eq(Mux(filling, FLAG, sent.p.byte)),
            valid.eq(filling | sent.valid),
            last.eq((filling | sent.p.last) & (length >= LEAST_BYTES - 1)),
            memory.write_address.eq(Mux(ended, words.end, place + 1)),
            memory.write_data.eq(Mux(ended, length, joined)),
        ]
        with m.Switch(length[:2]):
            for index in range(WORD):
                with m.Case(index):
                    m.d.comb += joined[BYTE * index:BYTE * (index + 1)].eq(byte)
        with m.If(ended):
            m.d.comb += memory.write.eq(~bad)
            m.d.sync += [ended.eq(0), length.eq(0), bad.eq(0)]
            with m.If(bad):
                m.d.sync += place.eq(words.end)
            with m.Else():
                m.d.sync += [place.eq(place + 1), words.end.eq(place + 1)]
        with m.Elif(valid & (room | bad)):
            m.d.sync += [word.eq(joined), ended.eq(last), filling.eq((filling | sent.p.last) & ~last)]
            m.d.sync += bad.eq(bad | ~known | (length == MOST_BYTES))
            with m.If(~bad | (length < LEAST_BYTES)):
                m.d.sync += length.eq(length + 1)
            with m.If(~bad), m.If(last | (length[:2] == WORD - 1)):
                m.d.comb += memory.write.eq(1)
                m.d.sync += place.eq(place + 1)

        full, out = Signal(), Signal(datagram_layout)
        left = Signal(LENGTH_BITS)
        m.d.comb += [
            memory.read_address.eq(words.read_address),
            words.read_data.eq(memory.read_data),
            self.sent.valid.eq(full),
            self.sent.payload.eq(out),
        ]
        with m.If(~full | self.sent.ready):
            m.d.comb += words.o.ready.eq(1)
            m.d.sync += full.eq(0)
            with m.If(words.o.valid & (left == 0)):
                m.d.sync += [left.eq(words.o.payload), out.length.eq(words.o.payload[:LENGTH_BITS]),
                             out.address.eq(address), out.port.eq(port)]
            with m.Elif(words.o.valid):
                m.d.sync += [full.eq(1), out.data.eq(words.o.payload), out.last.eq(left <= WORD), out.last_byte.eq(0)]
                with m.If(left <= WORD):
                    m.d.sync += [left.eq(0), out.last_byte.bit_select((left - 1)[:2], 1).eq(1)]
                with m.Else():
                    m.d.sync += left.eq(left - WORD)
