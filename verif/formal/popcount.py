"""XNOR-popcount structures: the sum is the number of equal lanes, for every input, by decision diagrams."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from amaranth.hdl import Assert, Module

from signum.hdl.array.popcount.structure import Structure
from signum.hdl.lib.emit import Target, no_collector

from .bdd import Aged, Bit, Diagrams, Netlist, NetlistError, add
from .prove import Bench, Mutant, Outcome, Proof, SatProof

__all__ = ["PROOFS", "PopcountProof", "lanes_of"]

ACC_BITS = 12
INPUTS = 1 << 20        # order of the variables below those of the lanes
STATE = 1 << 10


def lanes_of(diagrams: Diagrams, netlist: Netlist, lanes: int, prefix: str = "") -> tuple[dict[Bit, Aged], list[int]]:
    """Functions of the bits of ``a`` and ``w``, and the number of equal lanes as the sum of one bit after the other.

    The variables are a lane of ``a``, and whether the lanes are equal: as free as the lanes of ``a`` and of ``w``, and
    the sums depend on half of the variables alone.
    """
    known: dict[Bit, Aged] = {}
    total = [0] * max(1, lanes.bit_length())
    for lane, (a, w) in enumerate(zip(netlist.bits(f"{prefix}a"), netlist.bits(f"{prefix}w"), strict=True)):
        equal, value = diagrams.variable(lane), diagrams.variable(INPUTS + lane)
        known[a] = value, 0
        known[w] = diagrams.choose(equal, value, diagrams.inverse(value)), 0
        total = add(diagrams, total, [0] * len(total), equal)
    return known, total


@dataclass(frozen=True, kw_only=True)
class PopcountProof(Proof):
    """A structure is an adder of equal lanes, and has as many registers on each path as its pipeline says.

    Parameters
    ----------
    structure : str
        Name of its class.
    lanes : range
    every : bool
        Prove each number of register stages, not only none and the most.
    shifts : bool
        With an accumulator that doubles.
    """

    structure: str
    lanes: range
    every: bool = True
    shifts: bool = False

    @property
    def method(self) -> str:
        return "decision diagrams, for all inputs"

    def judge(self, module: Any) -> Outcome:
        structure = getattr(module, self.structure)
        diagrams = Diagrams()       # of all numbers of lanes: each sum is the one before it, and a lane
        with no_collector():        # nodes live as long as the diagrams
            for unit in self._units(structure):
                try:
                    if not all(self._checks(diagrams, unit)):
                        return Outcome.REFUTED
                except NetlistError:
                    return Outcome.REFUTED
        return Outcome.PROVED

    def _units(self, structure: type[Structure]) -> Iterator[Structure]:
        for lanes in self.lanes:
            if lanes >= structure.least_lanes:
                most = structure.stages(lanes)
                for pipeline in range(0, most + 1, 1 if self.every else most):
                    yield structure(lanes=lanes, pipeline=pipeline, **self._further(structure))

    def _further(self, structure: type[Structure]) -> dict[str, Any]:
        return {"acc_bits": ACC_BITS, "shifts": self.shifts} if structure.accumulates else {}

    def _checks(self, diagrams: Diagrams, unit: Structure) -> Iterator[bool]:
        netlist = Netlist(unit, Target(next(iter(unit.families), "")))
        known, total = lanes_of(diagrams, netlist, unit.lanes)
        pipeline = unit.pipeline
        if not unit.accumulates:
            yield aged(netlist.functions(diagrams, known, netlist.bits("count")), total, pipeline)
            return
        acc = [diagrams.variable(STATE + bit) for bit in range(ACC_BITS)]
        first, shift = diagrams.variable(STATE - 2), diagrams.variable(STATE - 1)
        known |= {bit: (function, pipeline) for bit, function in zip(netlist.bits("acc"), acc, strict=True)}
        known[netlist.bits("first")[0]] = first, pipeline
        before = acc
        if self.shifts:
            known[netlist.bits("shift")[0]] = shift, pipeline
            before = [diagrams.choose(shift, double, single) for double, single in zip([0, *acc], acc, strict=False)]
        else:
            before = [diagrams.choose(first, 0, bit) for bit in acc]
        total = add(diagrams, before, total + [0] * (ACC_BITS - len(total)))
        if self.shifts:
            yield aged(netlist.functions(diagrams, known, netlist.bits("total")), total, pipeline)
            total = [diagrams.choose(first, 0, bit) for bit in total]
        yield aged(netlist.functions(diagrams, known, netlist.next("acc")), total, pipeline)


def aged(found: list[Aged], functions: list[int], age: int) -> bool:
    """Whether bits have these functions, of inputs of this age."""
    return all(function == expected and when in (age, -1)
               for (function, when), expected in zip(found, functions, strict=True))


FEW, MORE, SOLVED = range(1, 17), range(17, 65), (16, 48)
TREE = Mutant("signum.hdl.array.popcount.tree", "Mux(differ, ~odd, equal[0])", "Mux(differ, odd, equal[0])")
TABLE = Mutant("signum.hdl.array.popcount.table", "[byte.bit_count() for", "[(byte & 254).bit_count() for")
CARRY = Mutant("signum.hdl.array.popcount.carry", "ADD_INVERTED = 0x6605", "ADD_INVERTED = 0x660A")


def proofs() -> Iterator[Proof]:
    for name, mutant in (("CarryPopcount", CARRY), ("TreePopcount", TREE), ("TablePopcount", TABLE)):
        accumulates = mutant is CARRY
        for lanes in (FEW, MORE):
            for shifts in (False, True)[:1 + accumulates]:
                what = ("acc is the sum of the numbers of equal lanes" if not shifts else
                        "acc is the sum, with doubling") if accumulates else "count is the number of equal lanes"
                yield PopcountProof(
                    unit=name, claim=f"{what}: {lanes.start} to {lanes[-1]} lanes, "
                                     f"{'each pipeline' if lanes is FEW else 'no and most registers'}",
                    mutant=mutant, slow=lanes is MORE or shifts, every=lanes is FEW, structure=name,
                    lanes=lanes, shifts=shifts)


def sum_of_lanes(structure: str, lanes: int, module: Any) -> Bench:
    """The count beside the sum of the equal lanes, for a solver."""
    def specify(m: Module, bench: Any) -> None:
        unit = bench.unit
        m.d.comb += Assert(unit.count == sum(unit.a[lane] == unit.w[lane] for lane in range(lanes)))

    return Bench(getattr(module, structure)(lanes=lanes, pipeline=0), specify)


def solved() -> Iterator[Proof]:
    """The same by another method, for as many lanes as a solver manages in seconds."""
    for name, mutant in (("TreePopcount", TREE), ("TablePopcount", TABLE)):
        for lanes in SOLVED:
            yield SatProof(unit=name, mutant=mutant, steps=0, slow=lanes > FEW[-1],
                           claim=f"count is the number of equal lanes: {lanes} lanes",
                           bench=partial(sum_of_lanes, name, lanes))


PROOFS = (*proofs(), *solved())
