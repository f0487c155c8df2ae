"""Memory bank of wide words with one read and one write port, in slices as wide as the bus."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from signum.hdl.config import DATA_BITS, bits_to_hold

from .delay import behind_registers

__all__ = ["FEW", "Bank", "depths"]


FEW = 32            # words of a LUT RAM with no or few multiplexers
SMALLEST = 512      # words of a block RAM with its widest words, of ECP5 and Gowin


def depths(depth: int) -> list[int]:
    """A depth as powers of two, the largest first; the last one, of at most `SMALLEST` words, may be any number."""
    found = []
    while depth > SMALLEST and depth & depth - 1:
        found.append(1 << depth.bit_length() - 1)
        depth -= found[-1]
    return [*found, depth]


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
        multiplexers. With two, a bank whose depth is no power of two is divided (`depths`), and the first register
        behind each part is the block RAM's own: the choice between the parts lies between the two registers.
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
        slices = [data[i * DATA_BITS:(i + 1) * DATA_BITS] for i in range(len(self.write))]
        if self.parity:
            slices = [Cat(each, parity[0][i]) for i, each in enumerate(slices)]
        parts = depths(self.depth) if self.registers > 1 else [self.depth]
        if len(parts) == 1:
            word = behind_registers(m, self._part(m, "slice", self.depth, address, at, slices, write),
                                    self.registers, "word")
        else:
            word = self._parts(m, parts, address, at, slices, write)
        if self.parity:
            slices = [word[i * (DATA_BITS + 1):][:len(each)] for i, each in enumerate(slices)]
            wrong = Cat(part.xor() for part in slices).any()
            if self.depth & (self.depth - 1):       # behind the last address is no word
                there = Signal()
                m.d.sync += there.eq(address < self.depth)
                wrong &= behind_registers(m, there, self.registers, "there")
            m.d.comb += self.wrong.eq(wrong)
            word = Cat(part[:-1] for part in slices)
        m.d.comb += self.read_data.eq(word)
        return m

    def _part(self, m: Module, name: str, depth: int, address: Value, at: Value, slices: Sequence[Value],
              write: Value) -> Value:
        """Words in memories of their slices; returns the word read."""
        attributes = {"ram_style": "block"} if self.registers and depth > FEW else {}
        found = []
        for i, each in enumerate(slices):
            m.submodules[f"{name}_{i}"] = memory = Memory(shape=len(each), depth=depth, init=[], attrs=attributes)
            reader, writer = memory.read_port(), memory.write_port()
            m.d.comb += [
                reader.addr.eq(address),
                writer.addr.eq(at),
                writer.data.eq(each),
                writer.en.eq(write[i]),
            ]
            found.append(reader.data)
        return Cat(found)

    def _parts(self, m: Module, parts: Sequence[int], address: Value, at: Value, slices: Sequence[Value],
               write: Value) -> Value:
        """A bank divided by `depths`: a part has the addresses whose bits above its own are those of its start."""
        chosen: Value | None = None
        start = 0
        for number, depth in enumerate(parts):
            bits = bits_to_hold(depth - 1)
            here, there = (value[bits:] == start >> bits for value in (at, address))
            read = self._part(m, f"part_{number}_slice", depth, address[:bits], at[:bits], slices,
                              Mux(here, write, 0))
            kept = behind_registers(m, read, self.registers - 1, f"part_{number}")
            used = behind_registers(m, there, self.registers, f"uses_{number}")
            chosen = Mux(used, kept, 0) if chosen is None else chosen | Mux(used, kept, 0)
            start += depth
        return behind_registers(m, chosen, 1, "word")
