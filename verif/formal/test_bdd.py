"""Decision diagrams against truth tables, and netlists that are no pipelines."""

import itertools
import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bdd import Diagrams, Netlist, NetlistError, add

VARIABLES = 4


class Skewed(wiring.Component):
    """The sum of two numbers, one of them a cycle older."""

    def __init__(self) -> None:
        super().__init__({"a": In(2), "b": In(2), "o": Out(2)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        before = Signal(2)
        m.d.sync += before.eq(self.a)
        m.d.comb += self.o.eq(before + self.b)
        return m


def test_equal_functions_are_one_node(seed: int) -> None:
    rng = random.Random(seed)
    diagrams = Diagrams()
    rows = list(itertools.product((0, 1), repeat=VARIABLES))
    functions = {tuple(row[i] for row in rows): diagrams.variable(i) for i in range(VARIABLES)}
    for _ in range(300):
        (x, one), (y, other), (z, third) = (rng.choice(list(functions.items())) for _ in range(3))
        for table, node in (
                (tuple(p & q for p, q in zip(x, y, strict=True)), diagrams.both(one, other)),
                (tuple(p | q for p, q in zip(x, y, strict=True)), diagrams.either(one, other)),
                (tuple(p ^ q for p, q in zip(x, y, strict=True)), diagrams.differ(one, other)),
                (tuple(1 - p for p in x), diagrams.inverse(one)),
                (tuple(q if p else r for p, q, r in zip(x, y, z, strict=True)), diagrams.choose(one, other, third))):
            assert functions.setdefault(table, node) == node
    assert len(set(functions.values())) == len(functions)


def test_sums() -> None:
    diagrams = Diagrams()
    for one, other, carry in itertools.product(range(8), range(8), range(2)):
        first, second = ([number >> i & 1 for i in range(3)] for number in (one, other))
        total = add(diagrams, first, second, carry)
        assert sum(bit << i for i, bit in enumerate(total)) == (one + other + carry) % 8


def test_paths_of_unequal_length_are_refused() -> None:
    netlist, diagrams = Netlist(Skewed()), Diagrams()
    known = {bit: (diagrams.variable(i), 0) for i, bit in enumerate(netlist.bits("a") + netlist.bits("b"))}
    with pytest.raises(NetlistError, match=r"^paths must have equally many registers: .* joins \[0, 1\]$"):
        netlist.functions(diagrams, known, netlist.bits("o"))
    with pytest.raises(NetlistError, match=r"^signal must be one of the netlist, not c$"):
        netlist.bits("c")
