"""A ring of words in a memory, read as a stream."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

__all__ = ["WordReader"]


class WordReader(wiring.Component):
    """Words of a `hdl.lib.buffer_memory.BufferMemory` of block RAM in turn, up to an end that moves.

    A word a cycle, from the second cycle after the end has moved behind it.

    Parameters
    ----------
    depth : int
        Words of the memory, a power of 2.
    bits : int
        Bits of a word.

    Members
    -------
    end : In
        Count of words that may be read, modulo ``2 * depth``.
    place : Out
        Count of words that were taken, modulo ``2 * depth``.
    read_address : Out, read_data : In(bits)
        To the memory.
    o : Out(stream.Signature(bits))
        The words. They come from the memory: without a register.
    """

    def __init__(self, *, depth: int, bits: int) -> None:
        place = bits_for(2 * depth - 1)
        super().__init__({
            "end": In(place),
            "place": Out(place),
            "read_address": Out(place - 1),
            "read_data": In(bits),
            "o": Out(stream.Signature(bits)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # ready comes late: sum and comparison do not wait for it
        following, behind, taken = Signal.like(self.place), Signal.like(self.place), Signal()
        m.d.comb += [
            taken.eq(self.o.valid & self.o.ready),
            behind.eq(self.place + 1),
            following.eq(Mux(taken, behind, self.place)),
            self.read_address.eq(following),
            self.o.payload.eq(self.read_data),
        ]
        m.d.sync += [self.place.eq(following), self.o.valid.eq(Mux(taken, behind != self.end, self.place != self.end))]
        return m
