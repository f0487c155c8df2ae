"""Tables of the input: each value of a pixel is looked up before it is encoded, as a network quantizes its input."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.control.input_geometry import TABLE_ENTRIES

__all__ = ["PixelTable", "table_bits", "write_layout"]


def table_bits(config: ArrayConfig) -> int:
    """Width of an address of the tables, which lie one after another."""
    return bits_to_hold(TABLE_ENTRIES * config.input_tables - 1)


def write_layout(config: ArrayConfig) -> data.StructLayout:
    """A write of the line buffer: a value or a padded one, and its address."""
    return data.StructLayout({"enable": 1, "address": config.input_bits, "value": 8, "pad": 1})


class PixelTable(wiring.Component):
    """Passes the writes of a line buffer on, a cycle later, with the entry of each value in place of the value.

    The values of a pixel, a channel each, are looked up in successive tables, from the first to ``last`` and around.
    Padded values are none of a pixel's, and pass unchanged.

    Parameters
    ----------
    config : ArrayConfig
        With ``input_tables`` above 0.

    Members
    -------
    last : In, only with several tables
        Last table of a pixel; constant while values come.
    restart : In(1)
        The next value is the first one of a pixel.
    i : In(write_layout), o : Out(write_layout)
        Writes of the line buffer; latency 1.
    load : In(1), load_address : In(table_bits), load_data : In(8)
        Write of an entry.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        layout = write_layout(config)
        super().__init__({
            **({"last": In(bits_to_hold(config.input_tables - 1))} if config.input_tables > 1 else {}),
            "restart": In(1),
            "i": In(layout),
            "o": Out(layout),
            "load": In(1),
            "load_address": In(table_bits(config)),
            "load_data": In(8),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=8, depth=TABLE_ENTRIES * self.config.input_tables, init=[])
        into, out = entries.write_port(), entries.read_port()
        number: Value = Const(0, 0)
        if self.config.input_tables > 1:
            number = Signal.like(self.last)
            with m.If(self.restart):
                m.d.sync += number.eq(0)
            with m.Elif(self.i.enable & ~self.i.pad):
                m.d.sync += number.eq(number + 1)
                with m.If(number == self.last):
                    m.d.sync += number.eq(0)
        enable, passed = Signal(), Signal(self.i.shape(), reset_less=True)
        m.d.sync += [enable.eq(self.i.enable), passed.eq(self.i)]
        m.d.comb += [
            into.en.eq(self.load),
            into.addr.eq(self.load_address),
            into.data.eq(self.load_data),
            out.addr.eq(Cat(self.i.value, number)),
            self.o.enable.eq(enable),
            self.o.address.eq(passed.address),
            self.o.value.eq(out.data),
            self.o.pad.eq(passed.pad),
        ]
        return m
