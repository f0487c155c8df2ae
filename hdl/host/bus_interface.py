"""The bus interface of the accelerator: serves one request at a time and turns it into strobes."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig
from signum.hdl.lib.delay import behind_registers

from .bus import DATA_BITS, AddressMap, Control, Region, Register, bus_signature

__all__ = ["BusInterface", "choices", "choose_row", "clearing_cycles", "following", "settling_cycles", "split_address"]

CHOICE_BITS = 2
"""Bits of a row number that a level of the multiplexer tree decodes."""


class BusInterface(wiring.Component):
    """Holds a request while it is served. No combinational path leads from an input to an output.

    A write strobes two cycles after the request was taken at the earliest, and a request is taken every two cycles at
    most. Reads, and writes of thresholds, wait until their address has reached every row. While a program runs, only
    accesses to registers and writes of weights are served; other requests wait for its end.

    With ``config.parity`` all memories are first written with zeros, after each reset, in `clearing_cycles`; requests
    wait meanwhile. So every word that an array may read has a parity that is right.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    bus : In(bus_signature)
    busy : In(1)
        A program runs.
    region, unit, word, part : Out
        Address of the request (see `AddressMap.decode`), from the cycle after it was taken until its strobe, or until
        the cycle before its response.
    parts : Out
        ``part``, one-hot.
    data : Out(32)
        Data of a write.
    write : Out, a bit for each `Region`
        Strobe.
    starting : Out(1)
        The request is the write that starts a program.
    answer : In(32)
        Data read at ``region``, ``unit``, ``word`` and ``part``; from a row's memory, ``config.memory_latency + 1``
        cycles after the row has the address.
    clearing : Out(1), read : Out(1), only with ``config.parity``
        ``word`` is written in all units of all regions; strobe with ``answer``, the response to a read.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.map = layout = AddressMap(config)
        super().__init__({
            "bus": In(bus_signature(layout.address_bits)),
            "busy": In(1),
            "region": Out(layout.REGION_BITS),
            "unit": Out(layout.unit_bits),
            "word": Out(layout.word_bits),
            "part": Out(layout.slice_bits),
            "parts": Out(1 << layout.slice_bits),
            "data": Out(DATA_BITS),
            "write": Out(len(Region)),
            "starting": Out(1),
            "answer": In(DATA_BITS),
            **({"clearing": Out(1, init=1), "read": Out(1)} if config.parity else {}),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        request, response = self.bus.request, self.bus.response
        part, word, unit, region = split_address(self.map, request.p.address)
        write = request.p.write
        there = Signal()
        writes = Signal()
        target = Signal.like(self.write)                # the region, one-hot
        direct, ahead = Signal(), Signal()              # need not wait for the rows; need not wait for a run's end
        registers = region == Region.REGISTERS
        m.d.comb += request.ready.eq(~there)
        with m.If(~there):
            m.d.sync += [
                there.eq(request.valid),
                writes.eq(write),
                self.region.eq(region), self.unit.eq(unit), self.word.eq(word), self.part.eq(part),
                self.parts.eq(Cat(part == p for p in range(len(self.parts)))),
                self.data.eq(request.p.data),
                target.eq(Cat(region == r for r in range(len(target)))),
                direct.eq(write & (region != Region.THRESHOLDS) & (region != Region.ALL_THRESHOLDS)),
                ahead.eq(registers | write & (region == Region.WEIGHTS)),
                self.starting.eq(request.valid & write & registers & (word == Register.CONTROL)
                                 & (request.p.data & Control.START).any()),
            ]

        waits = settling_cycles(self.config)
        waited = Signal(range(waits + 1))
        settled, done = Signal(), Signal()
        m.d.comb += [
            settled.eq(direct | (waited == waits)),
            done.eq(there & settled & (ahead | ~self.busy) & (writes | ~response.valid)),
        ]
        with m.If(done | ~there | self.busy & ~ahead):
            m.d.sync += waited.eq(0)
        with m.Elif(~settled):
            m.d.sync += waited.eq(waited + 1)
        m.d.sync += self.write.eq(target & (done & writes).replicate(len(target)))
        with m.If(done):
            m.d.sync += there.eq(0)
        with m.If(response.valid & response.ready):
            m.d.sync += response.valid.eq(0)
        with m.If(done & ~writes):
            m.d.sync += [response.valid.eq(1), response.payload.eq(self.answer)]
        if self.config.parity:
            m.d.comb += self.read.eq(done & ~writes)
            self._clear(m, there)
        return m

    def _clear(self, m: Module, there: Signal) -> None:
        """Write zeros to all addresses after a reset."""
        cycles = clearing_cycles(self.config)
        left = Signal(range(cycles), init=cycles - 1)
        with m.If(self.clearing):
            m.d.comb += self.bus.request.ready.eq(0)
            m.d.sync += [
                left.eq(left - 1), self.clearing.eq(left != 0), there.eq(0), self.word.eq(left), self.data.eq(0),
                self.parts.eq(~0), self.write.eq(Cat(region != Region.REGISTERS for region in Region)),
            ]


def clearing_cycles(config: ArrayConfig) -> int:
    """Cycles in which an array with parity writes its memories after a reset: one for each address, and those that an
    address takes to the last row."""
    return (1 << AddressMap(config).word_bits) + config.tile_rows + config.memory_latency


def settling_cycles(config: ArrayConfig) -> int:
    """Additional cycles of a read, or of a write of thresholds: one for each tile row that the address passes, the
    latency of the bank, the levels of the multiplexer tree, and one more."""
    return config.tile_rows + config.memory_latency + choices(config.rows) + 1


def choices(rows: int) -> int:
    """Levels of the multiplexer tree of ``rows`` rows; each takes a cycle."""
    return max(1, -(-(rows - 1).bit_length() // CHOICE_BITS))


def choose_row(m: Module, rows: list[Value], number: Value) -> Value:
    """Select one row's value with a pipelined 4:1 mux tree and a copy of the row number: rows may be far apart on the
    die. All rows have values of one shape."""
    number = behind_registers(m, number, 1, "row_number")
    for _ in range(choices(len(rows))):
        chosen: list[Value] = []
        for first in range(0, len(rows), 1 << CHOICE_BITS):
            value = Signal(len(rows[0]), name=f"row_{len(rows)}_{first}", reset_less=True)
            m.d.sync += value.eq(Choice(rows[first:][:1 << CHOICE_BITS])[number[:CHOICE_BITS]])
            chosen.append(value)
        rows, number = chosen, number[CHOICE_BITS:]
    return rows[0]


def split_address(map_: AddressMap, address: Value) -> tuple[Value, Value, Value, Value]:
    """Slice, word, unit and region of a bus address, as in `AddressMap.decode`."""
    fields = []
    for bits in (map_.slice_bits, map_.word_bits, map_.unit_bits, map_.REGION_BITS):
        fields.append(address[:bits])
        address = address[bits:]
    return fields[0], fields[1], fields[2], fields[3]


def following(m: Module, map_: AddressMap, address: Value) -> Value:
    """`AddressMap.following` in hardware."""
    part, _, _, region = split_address(map_, address)
    last = Signal(map_.slice_bits)
    with m.Switch(region):
        for value in Region:
            with m.Case(value):
                m.d.comb += last.eq(map_.slices_of(value) - 1)
    next_word = Cat(Const(0, map_.slice_bits), address[map_.slice_bits:] + 1)
    return Mux(part == last, next_word, address + 1)[:len(address)]
