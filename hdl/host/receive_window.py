"""The receiving side of the window: frames of the host, in any order, become their bodies in order, each once."""

from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.hdl import C, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from signum.hdl.lib.buffer_memory import BufferMemory

from .crc import FrameCRC
from .frames import IN_SEQUENCE, MOST_SLOTS, Command
from .hdlc import decoded_layout

__all__ = ["ReceiveWindow"]

LEAST_SLOT = 64


class ReceiveWindow(wiring.Component):
    """Checks frames and holds them, each in the slot of its sequence number, until their turn comes.

    See `hdl.host.frames`. A frame is written into a free slot as it arrives, and is held once its CRC fits. The body of
    the next frame leaves in at most a byte a cycle, the first byte three cycles after the frame is held or its turn
    comes (two with ``serial``). A slot is free again from ``done`` on.

    Parameters
    ----------
    slots : int
        Frames of the window: 1, 2, 4, 8 or 16.
    slot_bytes : int
        Bytes of the longest body with its command and its CRC: a power of two of at least 64.
    sequence_bits : int
        Bits of a sequence number, up to 8: at least one more than those of a slot's number. On a line that keeps the
        order of frames no more are needed.
    spram : bool
        Hold the frames in a single-port RAM; see `BufferMemory`.
    serial : bool
        Compute a CRC bit by bit (see `FrameCRC`), and read a byte at a time: a body leaves in two cycles a byte.
    number_bits : int
        Bits of ``taken``.

    Members
    -------
    i : In(stream.Signature(decoded_layout))
        Bytes of the frames: a byte a cycle, or with ``serial`` a byte in 9 cycles; not in the cycle after an end.
    o : Out(stream.Signature(8))
        Command and body of the next frame.
    done : In(1)
        The frame was executed; its further bytes are dropped.
    session : Out(8)
        That of the last `Command.OPEN`.
    turn : Out(sequence_bits), held : Out(slots)
        The sequence number of the next frame; the slots that hold a frame.
    opens : Out(1)
        High for a cycle: a session begins.
    opened, closed, arrived : Out(1)
        High for a cycle: a whole frame arrived, with `Command.OPEN`, of another session, or any else. A repetition of
        the current session's `Command.OPEN` is ``opened`` without ``opens``.
    polled : Out(1)
        ``arrived``, with `Command.POLL`.
    taken : Out(number_bits)
        Numbers of answers that the host has; valid with ``arrived`` and in the next cycle.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, slots: int, slot_bytes: int, sequence_bits: int = 8, spram: bool = False,
                 serial: bool = False, number_bits: int = 16) -> None:
        if slots not in (1, 2, 4, 8, MOST_SLOTS):
            raise ValueError(f"slots must be 1, 2, 4, 8 or 16, not {slots!r}")
        if not isinstance(slot_bytes, int) or slot_bytes < LEAST_SLOT or slot_bytes & slot_bytes - 1:
            raise ValueError(f"slot_bytes must be a power of two of at least {LEAST_SLOT}, not {slot_bytes!r}")
        least = slots.bit_length()
        if sequence_bits not in range(least, 9):
            raise ValueError(f"sequence_bits must be {least} to 8, not {sequence_bits!r}")
        self.slots = slots
        self.slot_bytes = slot_bytes
        self.spram = spram
        self.serial = serial
        self.word_bytes = 1 if serial else 2
        self.number_bits = number_bits
        super().__init__({
            "i": In(stream.Signature(decoded_layout)),
            "o": Out(stream.Signature(8)),
            "done": In(1),
            "session": Out(8),
            "turn": Out(sequence_bits),
            "held": Out(slots),
            "opens": Out(1),
            "opened": Out(1),
            "closed": Out(1),
            "arrived": Out(1),
            "polled": Out(1),
            "taken": Out(number_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = self.slot_bytes // self.word_bytes
        m.submodules.memory = memory = BufferMemory(
            depth=self.slots * words, bits=8 * self.word_bytes, spram=self.spram)
        m.submodules.crc = crc = FrameCRC(serial=self.serial)
        self._receive(m, memory, crc, bits_for(words - 1))
        self._send(m, memory, bits_for(words - 1))
        return m

    def _slot(self, sequence: Value) -> Value:
        return sequence[:bits_for(self.slots - 1)] if self.slots > 1 else C(0, 1)

    def _receive(self, m: Module, memory: BufferMemory, crc: FrameCRC, offset_bits: int) -> None:
        """Write a frame into its slot, and judge it at its end."""
        i, item = self.i, self.i.p
        command = Signal(4)
        ours = Signal()                     # the frame is of the session
        slot = Signal(bits_for(self.slots - 1))
        fits = Signal()                     # the sequence number is in the window, and its slot is free
        low, filled = Signal(8), Signal()   # all but the last byte of a word; they have come
        offset = Signal(offset_bits + 1)    # of the word; its highest bit: the slot is full
        long = Signal()                     # the frame is longer than a slot
        open_, ends, good = Signal(), Signal(), Signal()
        taken = Signal(max(8, self.number_bits))
        begin = Signal(init=1)              # the CRC begins anew
        byte, end = Signal(), Signal()
        m.d.comb += [
            i.ready.eq(crc.ready & ~begin),
            byte.eq(i.valid & i.ready & ~item.end),
            end.eq(i.valid & i.ready & item.end),
            crc.start.eq(begin),
            crc.valid.eq(byte),
            crc.data.eq(item.byte),
            self.taken.eq(taken),
        ]
        m.d.sync += begin.eq(end)

        distance = Signal.like(self.turn)
        m.d.comb += distance.eq(item.byte - self.turn)
        free = ~self.held.bit_select(self._slot(item.byte), 1)

        @contextmanager
        def field(state: str, following: str) -> Iterator[None]:
            """A byte of the head; its body applies to the byte."""
            with m.State(state):
                with m.If(end):
                    m.next = "session"
                with m.Elif(byte):
                    m.next = following
                    yield

        with m.FSM() as states:
            with field("session", "sequence"):
                m.d.sync += ours.eq(open_ & (item.byte == self.session))
            with field("sequence", "taken"):
                m.d.sync += [slot.eq(self._slot(item.byte)), fits.eq((distance < self.slots) & free)]
            with field("taken", "taken, high byte"):
                m.d.sync += taken.eq(item.byte)
            with field("taken, high byte", "command"):
                m.d.sync += [taken[8:].eq(item.byte), offset.eq(0), filled.eq(0), long.eq(0)]
            with field("command", "body"):
                m.d.sync += command.eq(item.byte)
            with m.State("body"), m.If(end):
                m.next = "session"
        complete = filled if self.word_bytes > 1 else C(1)
        stored = states.ongoing("command") | states.ongoing("body")
        with m.If(byte & stored):
            m.d.sync += [low.eq(item.byte), filled.eq(~filled), long.eq(long | offset[-1])]
            with m.If(complete & ~offset[-1]):
                m.d.sync += offset.eq(offset + 1)
        m.d.comb += [
            memory.write.eq(byte & stored & complete & fits & ~offset[-1]),
            memory.write_address.eq(offset[:-1] | slot << offset_bits),
            memory.write_data.eq(low | item.byte << 8 if self.word_bytes > 1 else item.byte),
        ]

        # the end of a frame: its CRC is known in the cycle of the end, and its fields stay until the cycle behind it
        m.d.comb += [
            good.eq(end & item.whole & crc.match & states.ongoing("body")),
            ends.eq(good & (command != Command.OPEN)),
            self.opens.eq(self.opened & ~(open_ & (taken[:8] == self.session))),
            self.polled.eq(self.arrived & (command == Command.POLL)),
        ]
        m.d.sync += [
            self.opened.eq(good & (command == Command.OPEN)),
            self.closed.eq(ends & ~ours),
            self.arrived.eq(ends & ours),
        ]
        with m.If(self.arrived & fits & ~long & command[IN_SEQUENCE.bit_length() - 1]):
            m.d.sync += self.held.bit_select(slot, 1).eq(1)
        with m.If(self.done):
            m.d.sync += [self.held.bit_select(self._slot(self.turn), 1).eq(0), self.turn.eq(self.turn + 1)]
        with m.If(self.opens):
            m.d.sync += [self.session.eq(taken), open_.eq(1), self.held.eq(0), self.turn.eq(0)]

    def _send(self, m: Module, memory: BufferMemory, offset_bits: int) -> None:
        """Read the body of the next frame, a word at a time; the memory reads a word ahead."""
        if self.word_bytes == 1:
            self._send_bytes(m, memory, offset_bits)
            return
        word, count = Signal(16), Signal(2)         # bytes that wait, the lowest first
        offset = Signal(offset_bits)                # of the word that the memory reads
        reading, here = Signal(), Signal()          # the next frame is held; its word at the offset was read
        taken, fetch = Signal(), Signal()
        stop = self.done | self.opens
        m.d.comb += [
            self.o.valid.eq(count != 0),
            self.o.payload.eq(word[:8]),
            taken.eq(self.o.valid & self.o.ready),
            fetch.eq(here & ((count == 0) | taken & (count == 1))),
            memory.read_address.eq(offset | self._slot(self.turn) << offset_bits),
        ]
        m.d.sync += [
            reading.eq(self.held.bit_select(self._slot(self.turn), 1) & ~stop),
            here.eq(reading & ~fetch & ~memory.blocked & ~stop),
        ]
        with m.If(taken):
            m.d.sync += [word.eq(word >> 8), count.eq(count - 1)]
        with m.If(fetch):
            m.d.sync += [word.eq(memory.read_data), count.eq(2), offset.eq(offset + 1)]
        with m.If(stop):
            m.d.sync += [count.eq(0), offset.eq(0)]

    def _send_bytes(self, m: Module, memory: BufferMemory, offset_bits: int) -> None:
        """The same, a byte at a time."""
        offset, reading = Signal(offset_bits), Signal()
        stop = self.done | self.opens
        m.d.comb += [
            self.o.payload.eq(memory.read_data),
            memory.read_address.eq(offset | self._slot(self.turn) << offset_bits),
        ]
        m.d.sync += [
            reading.eq(self.held.bit_select(self._slot(self.turn), 1) & ~stop),
            self.o.valid.eq(reading & ~(self.o.valid & self.o.ready) & ~memory.blocked & ~stop),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += offset.eq(offset + 1)
        with m.If(stop):
            m.d.sync += offset.eq(0)
