"""What lines have in common: the pins and clocks of their units, and designs with the Verilog of others."""

import re

import pytest
from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.fpga.flow.lines.board_line import LineUnit, verilog_with
from signum.hdl.lib.emit import EmitError
from signum.verif.bench.amaranth_simulation import run_testbenches

PAIR = wiring.Signature({"up": Out(4), "down": In(4)})


class Counting(LineUnit):
    """A unit with a pin of each direction, pins in a bundle, and a domain in which it counts."""

    def __init__(self) -> None:
        super().__init__({"i": In(4), "o": Out(4), "pair": Out(PAIR)}, {"other": 1e6})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.add_domains(m)
        count = Signal(4)
        m.d.other += count.eq(count + 1)
        m.d.comb += [self.o.eq(self.i + 1), self.pair.up.eq(count), self.line.received.payload.eq(self.pair.down)]
        return m


class Outside(wiring.Component):
    """A design around the unit, with its ports."""

    def __init__(self) -> None:
        self.unit = Counting()
        super().__init__({**self.unit.ports, "heard": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = self.unit
        self.unit.connect_ports(m, self)
        m.d.comb += self.heard.eq(self.unit.line.received.payload)
        return m


def test_the_ports_of_a_unit_are_its_pins_and_clocks() -> None:
    assert set(Counting().ports) == {"i", "o", "pair", "other_clk", "other_rst"}


def test_pins_in_both_directions_and_a_domain_of_its_own() -> None:
    """The domain has the clock and the reset of the ports, and is not known outside."""
    top = Outside()

    async def bench(ctx):
        ctx.set(top.i, 7)
        ctx.set(top.pair.down, 9)
        assert (ctx.get(top.o), ctx.get(top.heard)) == (8, 9)
        for count in range(5):
            assert ctx.get(top.pair.up) == count
            ctx.set(top.other_clk, 1)
            await ctx.delay(1e-7)
            ctx.set(top.other_clk, 0)
            await ctx.delay(1e-7)
        ctx.set(top.other_rst, 1)
        ctx.set(top.other_clk, 1)
        await ctx.delay(1e-7)
        assert ctx.get(top.pair.up) == 0

    run_testbenches(top, bench)


def test_pads_are_the_matter_of_each_line() -> None:
    with pytest.raises(NotImplementedError):
        Counting().connect_pads(Module(), None, None)


class Wrapped(wiring.Component):
    """Has a module of other Verilog."""

    def __init__(self) -> None:
        super().__init__({"i": In(4), "o": Out(4)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inside = Instance("inverter", i_a=self.i, o_y=self.o)
        return m


def test_verilog_with_modules_of_others() -> None:
    """Each module is there, the design's under the wanted name."""
    sources = {"a.v": "module inverter(input [3:0] a, output [3:0] y); gate g(a, y); endmodule",
               "b.v": "module gate(input [3:0] a, output [3:0] y); assign y = ~a; endmodule\n"
                      "module unused(input a); endmodule"}
    text = verilog_with(sources, Wrapped(), "wrapped")
    assert {"inverter", "gate", "wrapped"} <= set(re.findall(r"^module (\w+)", text, re.MULTILINE))
    assert "unused" not in text
    with pytest.raises(EmitError):
        verilog_with({"a.v": "module inverter(input [3:0] a, output [3:0] y); nothing n(a, y); endmodule"}, Wrapped(),
                     "wrapped")
