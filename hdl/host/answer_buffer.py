"""Buffer of answers on their way to the host: a ring that keeps each number until the host has it."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.lib.buffer_memory import BufferMemory

__all__ = ["AnswerBuffer"]


class AnswerBuffer(wiring.Component):
    """Takes numbers, gives each to be sent, and gives it again after a ``rewind``, until it is ``taken``.

    Numbers count from 0 on, modulo 2**count_bits; the buffer holds at most half as many, so that a count tells whether
    a number is new. Takes a number a cycle.

    Parameters
    ----------
    number_bits : int
        The buffer holds 2**(number_bits - 1) numbers; 2..16.
    count_bits : int
        Of the count of numbers, number_bits..16; by default number_bits.
    bits : int
        Of a number, 1..32.
    spram : bool
        See `BufferMemory`; ``bits`` of at most 16.
    registered : bool
        ``i.ready`` and ``o`` are registers: the one follows the host's counts a cycle later, the other ends the paths
        from the memory.

    Members
    -------
    i : In(stream.Signature(bits))
    o : Out(stream.Signature(bits))
        The next number to send; a write may withdraw it for a cycle with ``spram``.
    more : Out(1)
        A number is offered, or will be.
    first : Out(count_bits)
        Count of the offered number.
    taken : In(count_bits), take : In(1)
        The host has all numbers before this one; ignored where that is less than before, or more than
        was sent since the last ``rewind``. It is judged in the next cycle, in which ``taken`` stays, without ``take``.
    rewind : In(1)
        Send all numbers again that were not taken; not in a cycle with ``take``, nor in the next one, nor while a
        number is sent.
    clear : In(1)
        Forget all numbers, and count from 0 on.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, number_bits: int, bits: int, count_bits: int = 0, spram: bool = False,
                 registered: bool = False) -> None:
        if number_bits not in range(2, 17):
            raise ValueError(f"number_bits must be 2 to 16, not {number_bits!r}")
        self.number_bits = number_bits
        self.registered = registered
        self.count_bits = count_bits or number_bits
        if self.count_bits not in range(number_bits, 17):
            raise ValueError(f"count_bits must be {number_bits} to 16, not {count_bits!r}")
        self.memory = BufferMemory(depth=1 << number_bits - 1, bits=bits, spram=spram)
        super().__init__({
            "i": In(stream.Signature(bits)),
            "o": Out(stream.Signature(bits)),
            "more": Out(1),
            "first": Out(self.count_bits),
            "taken": In(self.count_bits),
            "take": In(1),
            "rewind": In(1),
            "clear": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = self.memory
        bits, place = self.count_bits, self.number_bits - 1
        end, send, kept = (Signal(bits, name=name) for name in ("end", "send", "kept"))
        here, sent, held = Signal(), Signal(), Signal(place + 1)
        # of the cycle before: registers, for timing; no more are ahead than the buffer holds
        known, ahead, judged = Signal(bits, name="known"), Signal(place + 1, name="ahead"), Signal(name="judged")
        m.d.comb += [
            held.eq(end - kept),
            memory.write.eq(self.i.valid & self.i.ready),
            memory.write_address.eq(end[:place]),
            memory.write_data.eq(self.i.payload),
            memory.read_address.eq(send[:place]),
            self.more.eq(end != self.first),
        ]
        if self.registered:
            room, left = Signal(), self._offer(m, here, sent, kept)
            m.d.sync += room.eq(~(held + memory.write)[place])
            m.d.comb += [self.i.ready.eq(room), self.first.eq(left)]
        else:
            m.d.comb += [
                self.i.ready.eq(~held[place]),
                self.o.payload.eq(memory.read_data),
                self.o.valid.eq(here & ~self.rewind),
                sent.eq(self.o.valid & self.o.ready),
                self.first.eq(send),
            ]
        m.d.sync += [known.eq(self.taken - kept), ahead.eq(self.first - kept), judged.eq(self.take & ~self.clear)]
        m.d.sync += here.eq((end != send) & ~sent & ~memory.blocked & ~self.rewind & ~self.clear)
        with m.If(memory.write):
            m.d.sync += end.eq(end + 1)
        with m.If(sent):
            m.d.sync += send.eq(send + 1)
        # a late frame may tell an older number; behind a rewind the host may know of more than has left
        with m.If(judged & (known <= ahead)):
            m.d.sync += kept.eq(self.taken)
        with m.If(self.rewind):
            m.d.sync += send.eq(kept)
        with m.If(self.clear):
            m.d.sync += [end.eq(0), send.eq(0), kept.eq(0)]
        return m

    def _offer(self, m: Module, here: Value, sent: Signal, kept: Value) -> Signal:
        """Offer numbers from a register, into which they are ``sent`` from the memory; returns the count of those that
        have left it."""
        waits, left = Signal(), Signal(self.count_bits)
        goes = self.o.valid & self.o.ready
        m.d.comb += [
            self.o.valid.eq(waits & ~self.rewind),
            sent.eq(here & (~waits | self.o.ready) & ~self.rewind),
        ]
        m.d.sync += [waits.eq((sent | waits & ~goes) & ~self.rewind & ~self.clear), left.eq(left + goes)]
        with m.If(sent):
            m.d.sync += self.o.payload.eq(self.memory.read_data)
        with m.If(self.rewind):
            m.d.sync += left.eq(kept)
        with m.If(self.clear):
            m.d.sync += left.eq(0)
        return left
