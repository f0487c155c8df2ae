"""Shared submodules: one module for equal components, separate modules for different ones."""

from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Module, ShapeLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.lib.emit import module_rtlil, to_verilog
from signum.hdl.lib.share import Vector, add_shared, collect, emitting, ports


class Leaf(wiring.Component):
    """Adds its two operands, one cycle later."""

    def __init__(self, *, width: int) -> None:
        self.share_key = width
        super().__init__({"i": In(data.StructLayout({"a": width, "b": width})), "o": Out(width)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i.a + self.i.b)
        return m


class Pair(wiring.Component):
    """Two leaves in series; the second is a bit wider, if ``wider``."""

    def __init__(self, *, width: int, wider: bool = False) -> None:
        self.width = width
        self.wider = wider
        self.share_key = (width, wider)
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        first, second = Leaf(width=self.width), Leaf(width=self.width + self.wider)
        add_shared(m, "first", first)
        add_shared(m, "second", second)
        m.d.comb += [first.i.a.eq(self.i), first.i.b.eq(1), second.i.a.eq(first.o), second.i.b.eq(2),
                     self.o.eq(second.o)]
        return m


class Chain(wiring.Component):
    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = pairs
        super().__init__({"i": In(4), "o": Out(4)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        value = self.i
        for number, pair in enumerate(self.pairs):
            add_shared(m, f"pair_{number}", pair)
            m.d.comb += pair.i.eq(value)
            value = pair.o
        m.d.comb += self.o.eq(value)
        return m


def modules(verilog: str) -> list[str]:
    return [line.split("(")[0].split()[1] for line in verilog.splitlines() if line.startswith("module ")]


@pytest.mark.parametrize("count", [1, 2, 9])
def test_one_module_for_equal_units(count: int) -> None:
    verilog, shared = to_verilog(Chain([Pair(width=4) for _ in range(count)]), "chain")
    assert shared == ["chain_pair", "chain_leaf"]
    assert sorted(modules(verilog)) == ["chain", "chain_leaf", "chain_pair"]
    assert verilog.count("  chain_pair pair_") == count
    assert verilog.count("  chain_leaf ") == 2


def test_other_parameters_are_other_modules() -> None:
    verilog, shared = to_verilog(Chain([Pair(width=4), Pair(width=4, wider=True), Pair(width=4)]), "chain")
    assert shared == ["chain_pair", "chain_pair_2", "chain_leaf", "chain_leaf_2"]
    assert verilog.count("  chain_pair pair_") == 2
    assert verilog.count("  chain_pair_2 pair_1 ") == 1


def test_outside_of_emit_units_are_plain_submodules() -> None:
    text = rtlil.convert(Chain([Pair(width=4), Pair(width=4)]), name="chain", emit_src=False)
    assert text.count("\nmodule ") == 1 + 2 + 4


def test_ports_say_name_signal_and_direction() -> None:
    leaf = Leaf(width=3)
    found = {name: (len(signal), is_input) for name, (signal, is_input) in ports(leaf).items()}
    assert found == {"i": (6, True), "o": (3, False)}


class Wires(wiring.Component):
    share_key = "same"

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({"o": Out(shape)})

    def elaborate(self, platform: Any) -> Elaboratable:
        return Module()


def test_a_key_that_does_not_tell_units_apart_is_refused() -> None:
    with collect("top"):
        m = Module()
        add_shared(m, "a", Wires(3))
        with pytest.raises(ValueError, match=r"^Wires of equal share_key must have equal ports, not 'same'$"):
            add_shared(m, "b", Wires(4))


def test_zero_wide_ports_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^port o of Wires must be at least 1 bit wide, not 0$"):
        ports(Wires(0))


@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_vector_is_one_wire(count: int) -> None:
    wires = [module_rtlil(Wires(shape), "wires").count("\n  wire ") for shape in (7, Vector(7, count))]
    assert wires[0] == wires[1]


def test_a_design_is_emitted_in_a_collection_alone() -> None:
    assert not emitting()
    with collect("top"):
        assert emitting()
    assert not emitting()
