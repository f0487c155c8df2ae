"""Bridge from a line to the bus: executes the frames of `hdl.host.frames`, and sends the answers."""

from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from signum.hdl.config import ArrayConfig
from signum.hdl.lib.buffer_memory import SPRAM_BITS

from .answer_buffer import AnswerBuffer
from .bus import DATA_BITS, AddressMap, bus_signature
from .bus_interface import following
from .frame_transmitter import FrameTransmitter
from .frames import SEQUENCE_BITS, WORD_BYTES, Command, count_bits
from .hdlc import HDLCDecoder, HDLCEncoder
from .line import line_signature
from .receive_window import ReceiveWindow

__all__ = ["Bridge"]


class Bridge(wiring.Component):
    """Bus master that executes frames from a line, and sends answers to it.

    Frames with values take a byte a cycle, frames with words a word in 5 cycles or more, where the bus allows it. The
    bridge waits for the bus, and for the input of the values, without limit, and receives meanwhile.

    Parameters
    ----------
    config : ArrayConfig
        Of the accelerator on the bus. With two ``memory_registers`` the streams of values and answers are registered
        in both directions, as no path is to lead across a large chip into logic.
    address_bits : int
        Address width of the bus, up to 32; by default the accelerator's. With the highest one of further bits set, an
        address is another device's, whose words follow at +1.
    slots, slot_bytes : int
        See `ReceiveWindow`.
    ordered : bool
        The line keeps the order of frames; sequence numbers and counts of answers are shorter then.
    number_bits : int
        See `AnswerBuffer`; 0 without a stream of pixels.
    answer_bits : int
        Width of an answer.
    spram : bool
        Make the buffers of single-port RAMs where they fit; see `BufferMemory`.
    serial : bool
        See `FrameCRC`.

    Members
    -------
    line : In(line_signature)
        From and to the line's port.
    bus : Out(bus_signature(address_bits))
        Requests to the accelerator, and its responses.
    values : Out(stream.Signature(8)), answers : In(stream.Signature(answer_bits)), only with ``number_bits``
        Values of images, and answers.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, config: ArrayConfig, address_bits: int = 0, slots: int, slot_bytes: int,
                 ordered: bool = False, number_bits: int = 0, answer_bits: int = DATA_BITS, spram: bool = False,
                 serial: bool = False) -> None:
        self.map = AddressMap(config)
        address_bits = address_bits or self.map.address_bits
        if address_bits not in range(self.map.address_bits, DATA_BITS + 1):
            raise ValueError(f"address_bits must be {self.map.address_bits} to {DATA_BITS}, not {address_bits!r}")
        sequence_bits = slots.bit_length() if ordered else SEQUENCE_BITS
        counts = count_bits(number_bits, sequence_bits)
        self.window = ReceiveWindow(slots=slots, slot_bytes=slot_bytes, sequence_bits=sequence_bits, spram=spram,
                                    serial=serial, number_bits=max(1, counts))
        self.number_bits = number_bits
        self.registered = config.memory_registers > 1
        self.buffer = AnswerBuffer(number_bits=number_bits, count_bits=counts, bits=answer_bits,
                                   spram=spram and answer_bits <= SPRAM_BITS,
                                   registered=self.registered) if number_bits else None
        self.transmitter = FrameTransmitter(number_bits=number_bits, answer_bits=answer_bits, slots=slots,
                                            slot_bytes=slot_bytes, sequence_bits=sequence_bits, serial=serial)
        streams = {"values": Out(stream.Signature(8)), "answers": In(stream.Signature(answer_bits))}
        super().__init__({
            "line": In(line_signature),
            "bus": Out(bus_signature(address_bits)),
            **(streams if number_bits else {}),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.decoder = decoder = HDLCDecoder()
        m.submodules.encoder = encoder = HDLCEncoder()
        m.submodules.window = window = self.window
        m.submodules.transmitter = transmitter = self.transmitter
        wiring.connect(m, wiring.flipped(self.line).received, decoder.i)
        wiring.connect(m, decoder.o, window.i)
        wiring.connect(m, transmitter.o, encoder.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.line).sent)
        idle = self._execute(m)
        opened = Signal()                   # a session is to be confirmed, once the frame under way has ended
        announced = opened & idle
        m.d.sync += opened.eq(window.opened | opened & ~announced)
        executed = Signal()
        m.d.sync += executed.eq(window.done)
        m.d.comb += [
            transmitter.session.eq(window.session),
            transmitter.turn.eq(window.turn),
            transmitter.held.eq(window.held),
            transmitter.opens.eq(window.opens),
            transmitter.opened.eq(announced),
            transmitter.closed.eq(window.closed),
            transmitter.status.eq(window.arrived | executed),
        ]
        if self.buffer:
            m.submodules.buffer = buffer = self.buffer
            rewind, judged = Signal(), Signal()
            wiring.connect(m, wiring.flipped(self.answers), buffer.i)
            wiring.connect(m, buffer.o, transmitter.answers)
            m.d.comb += [
                transmitter.more.eq(buffer.more),
                transmitter.first.eq(buffer.first),
                buffer.taken.eq(window.taken),
                buffer.take.eq(window.arrived),
                buffer.clear.eq(window.opens),
                # not while numbers are sent, or the host's number is judged
                buffer.rewind.eq(rewind & transmitter.idle & ~window.arrived & ~judged),
            ]
            m.d.sync += judged.eq(window.arrived)
            m.d.sync += rewind.eq(window.polled | rewind & ~buffer.rewind)
        return m

    def _pass_values(self, m: Module, waits: Signal, free: Signal, offered: Signal) -> None:
        """A value ``waits`` in a register, since the input of an array makes much of it in the same cycle; where the
        array's ``ready`` comes from far away, a second value waits for it in another register."""
        payload = self.window.o.payload
        m.d.comb += self.values.valid.eq(waits)
        if self.registered:
            spare, kept = Signal(), Signal.like(payload)
            m.d.comb += free.eq(~spare)
            with m.If(self.values.ready | ~waits):
                m.d.sync += [waits.eq(offered | spare), spare.eq(0), self.values.payload.eq(Mux(spare, kept, payload))]
            with m.Elif(~spare):
                m.d.sync += [spare.eq(offered), kept.eq(payload)]
            with m.If(self.window.opens):
                m.d.sync += spare.eq(0)
        else:
            m.d.comb += free.eq(~waits | self.values.ready)
            with m.If(free):
                m.d.sync += [waits.eq(offered), self.values.payload.eq(payload)]
        with m.If(self.window.opens):
            m.d.sync += waits.eq(0)

    def _execute(self, m: Module) -> Signal:
        """Execute frame after frame; returns whether none is under way."""
        window, transmitter, request = self.window, self.transmitter, self.bus.request
        source = window.o
        command = Signal(Command)
        word = Signal(DATA_BITS)
        address = Signal.like(request.p.address)
        next_address = Signal.like(address)
        count = Signal(bits_for(max(255, window.slot_bytes)))
        left = Signal(range(WORD_BYTES))        # bytes of a word to come, less one
        stale = Signal()                        # the session has ended
        idle = Signal()
        m.d.comb += [
            request.p.address.eq(address),
            next_address.eq(following(m, self.map, address[:self.map.address_bits])),
            request.p.data.eq(word),
            request.p.write.eq(command == Command.WRITE),
            transmitter.words.p.byte.eq(word),
            transmitter.words.p.last.eq((left == 0) & (count == 0)),
        ]
        if len(address) > self.map.address_bits:
            with m.If(address[-1]):
                m.d.comb += next_address.eq(address + 1)
        m.d.sync += stale.eq(~idle & (stale | window.opens))
        waits, free, offered = Signal(), Signal(), Signal()
        if self.number_bits:
            self._pass_values(m, waits, free, offered)

        def end() -> None:
            m.next = "end"

        @contextmanager
        def taking(state: str) -> Iterator[None]:
            """A state that takes bytes of the frame; its body applies to each byte."""
            with m.State(state):
                m.d.comb += source.ready.eq(~stale)
                with m.If(stale):
                    m.next = "idle"
                with m.Elif(source.valid):
                    yield

        with m.FSM():
            with m.State("idle"):
                m.d.comb += [idle.eq(1), source.ready.eq(1)]
                m.d.sync += [command.eq(source.payload), left.eq(WORD_BYTES - 1)]
                with m.If(source.valid & ~window.opens):
                    m.next = "count"
            with taking("count"):
                m.d.sync += count.eq(source.payload)
                m.next = "end"
                with m.If((command == Command.READ) | (command == Command.WRITE)):
                    m.next = "address"
                if self.number_bits:
                    with m.If(command == Command.PIXELS):
                        m.next = "count, high byte"
            with taking("address"):
                m.d.sync += [word.eq(Cat(word[8:], source.payload)), left.eq(left - 1)]
                with m.If(left == 0):
                    m.next = "begin"
            with m.State("begin"):
                m.d.sync += [address.eq(word), left.eq(WORD_BYTES - 1)]
                with m.If(count == 0):
                    m.next = "no words"
                with m.Elif(command == Command.READ):
                    m.next = "read"
                with m.Else():
                    m.next = "word"
            with taking("word"):
                m.d.sync += [word.eq(Cat(word[8:], source.payload)), left.eq(left - 1)]
                with m.If(left == 0):
                    m.next = "write"
            with m.State("write"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    m.d.sync += [address.eq(next_address), count.eq(count - 1)]
                    m.next = "word"
                    with m.If(count == 1):
                        end()
            with m.State("read"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    m.d.sync += [address.eq(next_address), count.eq(count - 1)]
                    m.next = "await word"
            with m.State("await word"):
                m.d.comb += self.bus.response.ready.eq(1)
                with m.If(self.bus.response.valid):
                    m.d.sync += word.eq(self.bus.response.payload)
                    m.next = "send word"
            with m.State("send word"):
                m.d.comb += transmitter.words.valid.eq(1)
                with m.If(transmitter.words.ready):
                    m.d.sync += [word.eq(word >> 8), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "read"
                        with m.If(count == 0):
                            m.next = "words sent"
            with m.State("words sent"), m.If(transmitter.sent):
                end()
            with m.State("no words"):
                m.d.comb += transmitter.wordless.eq(command == Command.READ)
                with m.If((command != Command.READ) | transmitter.sent):
                    end()
            if self.number_bits:
                with taking("count, high byte"):
                    m.d.sync += count[8:].eq(source.payload)
                    m.next = "begin values"
                with m.State("begin values"):       # the count from a register: its bytes come late from their memory
                    m.next = "values"
                    with m.If(count == 0):
                        end()
                with m.State("values"):
                    m.d.comb += [offered.eq(source.valid & ~stale), source.ready.eq(free & ~stale)]
                    with m.If(stale):
                        m.next = "idle"
                    with m.Elif(source.valid & free):
                        m.d.sync += count.eq(count - 1)
                        with m.If(count == 1):
                            end()
            with m.State("end"):
                m.d.comb += window.done.eq(~waits & ~stale)
                with m.If(~waits):
                    m.next = "idle"
        return idle
