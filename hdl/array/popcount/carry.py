"""XNOR-popcount and accumulator in the carry cells of ECP5 (CCU2C), whose LUTs absorb the XNORs.

In Yosys's model of the cell, each half of a CCU2C looks up P in a table of its inputs A, B, C and D. Its sum output is
P ^ carry; its carry output is the carry where P is 1, and P(A, B, 0, 0) where P is 0. Where the table is 0 for D = 1,
a half with D = 1 begins an adder: its sum output is the carry of the adder below, its carry output a function of A, B.
"""

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, ConfigError, bits_to_hold
from signum.hdl.lib.delay import behind_registers
from signum.hdl.stages import registered_levels

from .structure import Structure
from .tree import split_lanes

__all__ = ["CarryChains", "CarryPopcount"]

# Tables of a half. EQUAL, DIFFER, BIT and NONE begin an adder. D is 1, except in PAIRS, ACCUMULATE and CHOOSE.
EQUAL = 0x0009          # carry out: A == B
DIFFER = 0x0006         # carry out: A != B
BIT = 0x000A            # carry out: A
NONE = 0x0000           # carry out: 0
PAIRS = 0x6996          # adds A != B and C != D
ADD = 0x660A            # adds A and B
ADD_INVERTED = 0x6605   # adds ~A and ~B
ACCUMULATE = 0xAA5A     # adds A and C; A alone where D is 1
CHOOSE = 0x665A         # adds A and C; A and B where D is 1

ZERO, ONE = Const(0), Const(1)
Half = tuple[int, Value, Value, Value, Value]


class CarryChains:
    """Successive adders in chains of CCU2C.

    The operands of an adder must not depend on a later adder.

    Parameters
    ----------
    m : Module
        Gets the cells; call `end` after the last adder.
    """

    LONGEST = 14
    """Most halves of a chain: the length of a 12-bit accumulator. Each chain costs up to two halves, but long chains
    are hard to place and route: with 48 halves, routing 2,048 operations a cycle takes more than 13 minutes; with 14,
    two, at 3 % more logic cells."""

    def __init__(self, m: Module) -> None:
        self.m = m
        self.halves: list[tuple[Half, Signal]] = []
        self.carry = Signal()
        self.number = 0

    def add(self, name: str, begin: Half, bits: list[Half]) -> Value:
        """Append an adder with the carry in of the half ``begin``; returns its sum, a bit a half, and its carry out."""
        if self.halves and len(self.halves) + len(bits) + 2 > self.LONGEST:
            self.end()
        sums = Signal(len(bits), name=name)
        self.halves.append((begin, self.carry))
        self.halves += zip(bits, sums, strict=True)
        self.carry = Signal(name=f"{name}_carry")
        return Cat(sums, self.carry)

    def end(self) -> None:
        """Close the open chain, if any: append a half that outputs the last carry, and instantiate the cells."""
        if not self.halves:
            return
        halves = [*self.halves, ((NONE, ZERO, ZERO, ZERO, ONE), self.carry)]
        if len(halves) % 2:
            halves.append(((NONE, ZERO, ZERO, ZERO, ONE), Signal()))
        carry: Value | None = None
        for first in range(0, len(halves), 2):
            ports: dict[str, Value | str | Const] = {}
            for half, ((table, *inputs), out) in enumerate(halves[first:first + 2]):
                ports |= {f"p_INIT{half}": Const(table, 16), f"p_INJECT1_{half}": "NO", f"o_S{half}": out}
                ports |= {f"i_{port}{half}": value for port, value in zip("ABCD", inputs, strict=True)}
            if carry is not None:
                ports["i_CIN"] = carry
            carry = Signal(name=f"chain{self.number}_{first}")
            self.m.submodules += Instance("CCU2C", **ports, o_COUT=carry)
        self.halves, self.carry = [], Signal()
        self.number += 1


class CarryPopcount(Structure):
    """Counts the equal bits of two words and accumulates the counts, as `TreePopcount` and the accumulator of
    `hdl.array.pe.ProcessingElement` do.

    The tree is the same; the accumulator takes one more lane as its carry in. A leaf counts the differing pairs of
    three lanes; constant pairs, which differ, fill a leaf of fewer lanes. The count is the bitwise complement of the
    number of equal lanes; the adders of the first level invert it at no cost.

    Parameters
    ----------
    lanes, pipeline : int
        See `Structure`; the register stages stand before the accumulator.
    acc_bits : int
        Width of the accumulator.
    shifts : bool
        The accumulator may double. The input of its adders that clears it then chooses between it and its double, and
        the reset of its flip-flops clears it: both at no cost.

    Members
    -------
    first : In(1)
        The words of ``pipeline`` cycles ago begin a sum; with ``shifts``, those of the next cycle.
    acc : Out(acc_bits)
        The sum, one cycle later; a register.
    shift : In(1), total : Out(acc_bits), only with ``shifts``
        Add to twice the accumulator; the sum, not yet in the register.
    """

    name = "carry"
    families = frozenset({"ecp5"})
    least_lanes = 5         # with fewer, the tree is one leaf and a carry
    accumulates = True

    def __init__(self, *, lanes: int, pipeline: int, acc_bits: int, shifts: bool = False) -> None:
        super().__init__(lanes=lanes, pipeline=pipeline, members={
            "first": In(1), "acc": Out(acc_bits), **({"shift": In(1), "total": Out(acc_bits)} if shifts else {})})
        self.shifts = shifts
        if acc_bits < bits_to_hold(lanes):
            raise ConfigError(f"acc_bits must be at least {bits_to_hold(lanes)} for {lanes} lanes, not {acc_bits}")
        self.acc_bits = acc_bits
        self.levels = (lanes - 1).bit_length() - 2      # a tree of k levels takes 3 * 2**k + 2**k - 1 lanes

    @classmethod
    def create(cls, config: ArrayConfig) -> "CarryPopcount":
        return cls(lanes=config.lanes, pipeline=config.pipeline, acc_bits=config.acc_bits,
                   shifts=bool(config.accumulator_shift))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chains = CarryChains(m)
        registered = registered_levels(self.levels, self.pipeline)
        leaves, carries = split_lanes(self.lanes - 1, self.levels)
        results = [self._leaf(chains, lanes) for lanes in leaves]
        stages = 0
        for level in range(self.levels + 1):
            if level:
                results = [self._node(m, chains, level, lane, stages, left, right) for lane, left, right
                           in zip(carries[level], results[::2], results[1::2], strict=True)]
            if level in registered:
                results = [behind_registers(m, result, 1, f"level{level}_{i}") for i, result in enumerate(results)]
                stages += 1
                chains.end()    # no carry leaves an adder, but timing analysis would add up the stages
        count = [*results[0]][:self.acc_bits]
        count += [ZERO] * (self.acc_bits - len(count))
        acc = Signal(self.acc_bits, reset_less=True)
        table, second, choice = ((CHOOSE, [ZERO, *acc[:-1]], self.shift) if self.shifts else
                                 (ACCUMULATE, [ZERO] * self.acc_bits, self.first))
        total = chains.add("total", self._lane(m, self.lanes - 1, stages), [
            (table, bit, other, held, choice) for bit, other, held in zip(count, second, acc, strict=True)])
        if self.shifts:
            m.d.comb += self.total.eq(total)
            m.d.sync += acc.eq(Mux(self.first, 0, total))
        else:
            m.d.sync += acc.eq(total)
        m.d.comb += self.acc.eq(acc)
        chains.end()
        return m

    def _leaf(self, chains: CarryChains, lanes: list[int]) -> Value:
        """Count the differing pairs of up to three lanes; constant pairs, which differ, fill the leaf."""
        a, w = ([word[lane] for lane in lanes] + [bit] * (3 - len(lanes))
                for word, bit in ((self.a, ZERO), (self.w, ONE)))
        return chains.add(f"differ{lanes[0]}", (DIFFER, a[2], w[2], ZERO, ONE), [(PAIRS, a[0], w[0], a[1], w[1])])

    def _node(self, m: Module, chains: CarryChains, level: int, lane: int, stages: int, left: Value, right: Value,
              ) -> Value:
        """The sum of two results and a lane."""
        width = max(len(left), len(right))
        table = ADD_INVERTED if level == 1 else ADD
        bits = [[*result] + [ZERO] * (width - len(result)) for result in (left, right)]
        return chains.add(f"count{lane}", self._lane(m, lane, stages),
                          [(table, x, y, ZERO, ONE) for x, y in zip(*bits, strict=True)])

    def _lane(self, m: Module, lane: int, stages: int) -> Half:
        """The half that begins an adder, with a lane, delayed by ``stages`` cycles, as its carry."""
        if not stages:
            return EQUAL, self.a[lane], self.w[lane], ZERO, ONE
        value = ~(self.a[lane] ^ self.w[lane])
        return BIT, behind_registers(m, value, stages, f"lane{lane}"), ZERO, ZERO, ONE
