"""XNOR-popcount of plain logic: a tree of adders over leaves of three lanes, in few LUT4s and short carry chains."""

from itertools import zip_longest

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.lib.delay import behind_registers
from signum.hdl.stages import popcount_levels, registered_levels

from .structure import Structure

__all__ = ["TreePopcount", "split_lanes"]

MAX_LEAF = 4
MAX_CHAIN = 24      # bits of an addition: longer chains lower the clock, more chains take more cells


class TreePopcount(Structure):
    """Counts the equal bits of two words.

    The lanes are split into leaves of up to four lanes, counted in LUT4s (three lanes take three), and a tree of
    adders. Every adder also takes one lane as its carry in. Those of the first level are gates, two LUT4s a bit, with
    the lane's XNOR in the lowest. Of each further level all adders are one wide addition: a bit position where both
    operands hold lane z stops the carry of the adder below and passes z to the adder above.

    The register stages are spread over the levels: the last stage follows the last level; with the most stages, the
    first follows the leaves.

    Parameters
    ----------
    lanes, pipeline : int
        See `Structure`.

    Members
    -------
    count : Out
        Number of lanes in which ``a`` and ``w`` are equal.
    """

    name = "tree"

    def __init__(self, *, lanes: int, pipeline: int = 0) -> None:
        super().__init__(lanes=lanes, pipeline=pipeline, members={"count": Out(bits_to_hold(lanes))})
        self.levels = popcount_levels(lanes)

    @classmethod
    def create(cls, config: ArrayConfig) -> "TreePopcount":
        return cls(lanes=config.lanes, pipeline=config.pipeline)

    @property
    def registered_levels(self) -> set[int]:
        """Levels whose results are registered; the leaves are level 0."""
        return registered_levels(self.levels, self.pipeline)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        leaves, carries = split_lanes(self.lanes, self.levels)
        results = [self._leaf(m, lanes) for lanes in leaves]
        stages = 0
        for level in range(self.levels + 1):
            if level:
                injected = [behind_registers(m, ~(self.a[lane] ^ self.w[lane]), stages, f"lane{lane}")
                            for lane in carries[level]]
                results = add_level(m, level, injected, results) if level > 1 else add_gates(m, injected, results)
            if level in self.registered_levels:
                results = [behind_registers(m, result, 1, f"level{level}_{i}") for i, result in enumerate(results)]
                stages += 1
        m.d.comb += self.count.eq(results[0])
        return m

    def _leaf(self, m: Module, lanes: list[int]) -> Value:
        """The count of up to `MAX_LEAF` lanes."""
        equal = [~(self.a[lane] ^ self.w[lane]) for lane in lanes]
        if len(lanes) < 3:
            return sum_of_bits(equal)
        first, second, third = lanes[:3]
        differ = self._kept(m, f"p{first}", self.a[first] ^ self.w[first] ^ self.a[second] ^ self.w[second])
        odd = self._kept(m, f"s{first}", ~(differ ^ self.a[third] ^ self.w[third]))
        most = self._kept(m, f"q{first}", Mux(differ, ~odd, equal[0]))
        if len(lanes) == 3:
            return Cat(odd, most)
        both = odd & equal[3]
        return Cat(odd ^ equal[3], most ^ both, most & both)

    @staticmethod
    def _kept(m: Module, name: str, value: Value) -> Signal:
        """A named bit with ``keep``: without the attribute, synthesis rebuilds the three-lane count from more LUTs."""
        bit = Signal(name=name, attrs={"keep": 1})
        m.d.comb += bit.eq(value)
        return bit


def sum_bits(left: Value, right: Value) -> int:
    """Width of the largest sum of two results and a lane."""
    return bits_to_hold((1 << len(left)) + (1 << len(right)) - 1)


def sum_of_bits(bits: list[Value]) -> Value:
    """The sum of one or two bits."""
    if len(bits) == 1:
        return Cat(bits[0])
    return Cat(bits[0] ^ bits[1], bits[0] & bits[1])


def split_lanes(lanes: int, levels: int) -> tuple[list[list[int]], dict[int, list[int]]]:
    """Assign lanes to nodes: the lanes of each leaf, and the carry lanes of each level.

    A node of level k takes one lane as its carry and halves the rest; leaf sizes differ by at most one.
    """
    nodes = [list(range(lanes))]
    carries: dict[int, list[int]] = {}
    for level in range(levels, 0, -1):
        carries[level] = [node[0] for node in nodes]
        nodes = [half for node in nodes
                 for half in (node[1:1 + len(node) // 2], node[1 + len(node) // 2:])]
    return nodes, carries


def add_gates(m: Module, injected: list[Value], results: list[Value]) -> list[Value]:
    """Add each pair of neighbouring results and an injected lane by gates: of so few bits, a carry chain would take
    more cells."""
    sums: list[Value] = []
    for lane, left, right in zip(injected, results[::2], results[1::2], strict=True):
        bits: list[Value] = []
        below = lane
        for x, y in zip_longest(left, right, fillvalue=Const(0, 1)):
            carry = Signal(name=f"carry{len(sums)}_{len(bits)}")
            m.d.comb += carry.eq(x & y | (x | y) & below)
            bits.append(x ^ y ^ below)
            below = carry
        sums.append(Cat(bits, below)[:sum_bits(left, right)])
    return sums


def add_level(m: Module, level: int, injected: list[Value], results: list[Value]) -> list[Value]:
    """Add each pair of neighbouring results and an injected lane, in few additions of up to `MAX_CHAIN` bits."""
    sums: list[Value] = []
    chain = Chain()
    for lane, left, right in zip(injected, results[::2], results[1::2], strict=True):
        if chain.sums and chain.width + max(len(left), len(right)) + 1 > MAX_CHAIN:
            sums += chain.add(m, f"level{level}_{len(sums)}")
            chain = Chain()
        chain.append(lane, left, right)
    return sums + chain.add(m, f"level{level}_{len(sums)}")


class Chain:
    """Several adders in one wide addition."""

    def __init__(self) -> None:
        self.x: list[Value] = []
        self.y: list[Value] = []
        self.width = 0
        self.sums: list[slice] = []

    def append(self, lane: Value, left: Value, right: Value) -> None:
        """Append an adder: a bit position that injects the lane as carry, and the positions of its bits."""
        width = max(len(left), len(right))
        first = lane if self.width else Const(1, 1)     # the lowest position stops no carry
        for operand, inject, value in ((self.x, lane, left), (self.y, first, right)):
            operand += [inject, value, Const(0, width - len(value))]
        start = self.width + 1
        self.sums.append(slice(start, start + sum_bits(left, right)))
        self.width += width + 1

    def add(self, m: Module, name: str) -> list[Value]:
        """The sums of the adders."""
        total = Signal(self.width + 1, name=name)
        m.d.comb += total.eq(Cat(self.x) + Cat(self.y))
        return [total[each] for each in self.sums]
