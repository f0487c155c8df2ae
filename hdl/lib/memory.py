"""Memory bank of wide words with one read and one write port, in slices as wide as the bus."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from signum.hdl.config import DATA_BITS, bits_to_hold

from .delay import behind_registers

__all__ = ["FEW", "Bank"]


FEW = 32            # words of a LUT RAM with no or few multiplexers


class Bank(wiring.Component):
    """Words of any width, written slice by slice.

    The read latency is one cycle, and two more for each pair of registers. Reading an address while it is written
    returns the old word; with registers, the new word.

    Parameters
    ----------
    width, depth : int
        Bits of a word; words.
    registers : int
        Registers in series at the read address, and as many at the read data; one less at the write port. With
        registers, more than `FEW` words are in block RAM: a narrow last slice would otherwise be LUTs, read through
        multiplexers.
    parity : bool
        Each slice has a bit more, written with it: even parity.

    Members
    -------
    read_address : In, read_data : Out(width)
    write_address : In, write_data : In(width)
    write : In, one bit for each slice of up to 32 bits
    wrong : Out(1), only with ``parity``
        A slice of ``read_data`` has the wrong parity, also where nobody has written the word.
    """

    def __init__(self, *, width: int, depth: int, registers: int = 0, parity: bool = False) -> None:
        self.width = width
        self.depth = depth
        self.registers = registers
        self.parity = parity
        self.share_key = (width, depth, registers, parity)
        address = bits_to_hold(depth - 1)
        super().__init__({
            "read_address": In(address),
            "read_data": Out(width),
            "write_address": In(address),
            "write_data": In(width),
            "write": In(-(-width // DATA_BITS)),
            **({"wrong": Out(1)} if parity else {}),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address = behind_registers(m, self.read_address, self.registers, "address")
        into: list[tuple[str, Value]] = [("written_at", self.write_address), ("written", self.write_data),
                                         ("write_slices", self.write)]
        if self.parity:
            starts = range(0, self.width, DATA_BITS)
            into.append(("written_parity", Cat(self.write_data[start:start + DATA_BITS].xor() for start in starts)))
        before = max(0, self.registers - 1)
        at, data, write, *parity = (behind_registers(m, value, before, name) for name, value in into)
        parts = []
        attributes = {"ram_style": "block"} if self.registers and self.depth > FEW else {}
        for i in range(len(self.write)):
            part = data[i * DATA_BITS:(i + 1) * DATA_BITS]
            if self.parity:
                part = Cat(part, parity[0][i])
            memory = Memory(shape=len(part), depth=self.depth, init=[], attrs=attributes)
            m.submodules[f"slice_{i}"] = memory
            reader, writer = memory.read_port(), memory.write_port()
            m.d.comb += [
                reader.addr.eq(address),
                writer.addr.eq(at),
                writer.data.eq(part),
                writer.en.eq(write[i]),
            ]
            parts.append(reader.data)
        word = behind_registers(m, Cat(parts), self.registers, "word")
        if self.parity:
            slices = [word[i * (DATA_BITS + 1):][:len(part)] for i, part in enumerate(parts)]
            wrong = Cat(part.xor() for part in slices).any()
            if self.depth & (self.depth - 1):       # behind the last address is no word
                there = Signal()
                m.d.sync += there.eq(address < self.depth)
                wrong &= behind_registers(m, there, self.registers, "there")
            m.d.comb += self.wrong.eq(wrong)
            word = Cat(part[:-1] for part in slices)
        m.d.comb += self.read_data.eq(word)
        return m
