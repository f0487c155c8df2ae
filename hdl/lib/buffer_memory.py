"""Memory between a writer and a reader: of block RAM, or of a single-port RAM whose reader waits for the writer."""

from amaranth.hdl import ClockSignal, Const, Instance, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

__all__ = ["SPRAM_BITS", "BufferMemory"]

SPRAM_BITS, SPRAM_ADDRESS_BITS = 16, 14


class BufferMemory(wiring.Component):
    """``read_data`` is the word at the ``read_address`` of the previous cycle, unless that cycle was ``blocked``.

    A word that is written is read from the next cycle on. The initial contents are undefined.

    Parameters
    ----------
    depth : int
        Words, at least 2.
    bits : int
        Width of a word.
    spram : bool
        Use a single-port RAM of the UP5K (SB_SPRAM256KA: 16,384 words of 16 bits); a write blocks the reader.

    Members
    -------
    write : In(1), write_address : In, write_data : In(bits)
    read_address : In
    read_data : Out(bits)
    blocked : Out(1)

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, *, depth: int, bits: int, spram: bool = False) -> None:
        if depth < 2:
            raise ValueError(f"depth must be at least 2, not {depth}")
        if bits < 1:
            raise ValueError(f"bits must be at least 1, not {bits}")
        if spram and (depth > 1 << SPRAM_ADDRESS_BITS or bits > SPRAM_BITS):
            raise ValueError(f"a single-port RAM must have at most {1 << SPRAM_ADDRESS_BITS} words of {SPRAM_BITS} "
                             f"bits, not {depth} of {bits}")
        self.depth = depth
        self.bits = bits
        self.spram = spram
        address = bits_for(depth - 1)
        super().__init__({
            "write": In(1),
            "write_address": In(address),
            "write_data": In(bits),
            "read_address": In(address),
            "read_data": Out(bits),
            "blocked": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not self.spram:
            m.submodules.memory = memory = Memory(shape=self.bits, depth=self.depth, init=[])
            reader, writer = memory.read_port(), memory.write_port()
            m.d.comb += [
                reader.addr.eq(self.read_address),
                self.read_data.eq(reader.data),
                writer.addr.eq(self.write_address),
                writer.data.eq(self.write_data),
                writer.en.eq(self.write),
            ]
            return m
        address, data, found = Signal(SPRAM_ADDRESS_BITS), Signal(SPRAM_BITS), Signal(SPRAM_BITS)
        m.submodules.memory = Instance(
            "SB_SPRAM256KA", i_CLOCK=ClockSignal(), i_ADDRESS=address, i_DATAIN=data, o_DATAOUT=found,
            i_MASKWREN=Const(0b1111, 4), i_WREN=self.write, i_CHIPSELECT=Const(1), i_STANDBY=Const(0),
            i_SLEEP=Const(0), i_POWEROFF=Const(1))      # low is off
        m.d.comb += [
            address.eq(Mux(self.write, self.write_address, self.read_address)),
            data.eq(self.write_data),
            self.read_data.eq(found),
            self.blocked.eq(self.write),
        ]
        return m
