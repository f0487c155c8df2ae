"""The processing element accumulates without bound: temporal induction beside a model of its description."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Assert, Assume, C, Module, Mux, Signal

from signum.hdl.array.pe import takes_sums_early
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import Target

from .bdd import Diagrams, Netlist, add
from .popcount import aged, lanes_of
from .prove import Bench, Mutant, Outcome, Proof, SatProof, past

__all__ = ["PROOFS", "ElementProof", "config_of", "element"]

STATE = 1 << 10         # order of the variables behind those of the lanes


def config_of(lanes: int, pipeline: int, acc_bits: int, shift: int = 0) -> ArrayConfig:
    """An array of one element."""
    return ArrayConfig(rows=1, cols=1, lanes=lanes, pipeline=pipeline, acc_bits=acc_bits, accumulator_shift=shift)


def element(config: ArrayConfig, platform: object) -> Any:
    """From the module of the element to a bench: the sum S of the counts since ``first`` in a register of its own.

    The model keeps the words, not the counts, for ``pipeline`` cycles. Where sums are taken early, ``first`` is a
    cycle older, and ``load`` takes the sum that S is to hold.
    """
    early = takes_sums_early(platform, config)

    def specify(m: Module, bench: Any) -> None:
        unit = bench.unit
        a, w = (past(m, word, name, config.pipeline) for word, name in ((unit.a, "a"), (unit.w, "w")))
        first = past(m, unit.first, "first") if early else unit.first
        total, following, register = (Signal(config.acc_bits, name=f"spec_{name}")
                                      for name in ("sum", "next", "acc"))
        result = Signal(config.acc_bits, name="spec_result")
        before = Mux(unit.shift, total + total, total) if config.accumulator_shift else total
        # the first sum begins as soon as the words of after the reset are counted
        counted, begun = (past(m, C(1), name, config.pipeline + early + more)
                          for more, name in enumerate(("counted", "begun")))
        m.d.comb += [
            Assume(begun | ~counted | first),
            following.eq(sum((a[lane] == w[lane] for lane in range(config.lanes)), Mux(first, 0, before))),
            register.eq(Mux(first, 0, total) if early else total),
            Assert(unit.result == result),
        ]
        m.d.sync += [total.eq(following), result.eq(Mux(unit.load, following if early else total, unit.neighbour))]

    return lambda module: Bench(module.ProcessingElement(config=config), specify)


@dataclass(frozen=True, kw_only=True)
class ElementProof(Proof):
    """From any state, the next state of an element is that of its description: induction over registers, one by one.

    Parameters
    ----------
    config : ArrayConfig
        Without ``accumulator_shift``.
    family : str
    """

    config: ArrayConfig
    family: str

    @property
    def method(self) -> str:
        return "decision diagrams, next state for all states"

    def judge(self, module: Any) -> Outcome:
        config, platform, diagrams = self.config, Target(self.family), Diagrams()
        early = takes_sums_early(platform, config)
        netlist = Netlist(module.ProcessingElement(config=config), platform)
        known, count = lanes_of(diagrams, netlist, config.lanes)
        acc, neighbour = ([diagrams.variable(STATE + config.acc_bits * number + bit) for bit in range(config.acc_bits)]
                          for number in range(2))
        first, load = (diagrams.variable(STATE - number) for number in (1, 2))
        for name, functions in (("acc", acc), ("neighbour", neighbour), ("first", [first]), ("load", [load])):
            known |= {bit: (function, config.pipeline)
                      for bit, function in zip(netlist.bits(name), functions, strict=True)}
        count = count + [0] * (config.acc_bits - len(count))
        total = add(diagrams, acc, count)
        begun = [0] * len(acc) if early else count
        following = {"acc": [diagrams.choose(first, new, old) for new, old in zip(begun, total, strict=True)],
                     "result": [diagrams.choose(load, own, other)
                                for own, other in zip(total if early else acc, neighbour, strict=True)]}
        right = all(aged(netlist.functions(diagrams, known, netlist.next(name)), functions, config.pipeline)
                    for name, functions in following.items())
        return Outcome.PROVED if right else Outcome.REFUTED


ADDS = Mutant("signum.hdl.array.pe", "0 if early else unit.count", "0 if early else unit.count >> 1")
EARLY = Mutant("signum.hdl.array.pe", "total if early else acc, self", "acc if early else acc, self")
DOUBLES = Mutant("signum.hdl.array.pe", "acc << 1", "acc << 2")
LOADS = Mutant("signum.hdl.array.pe", "Mux(self.load,", "Mux(self.load | self.first,")


def proofs() -> Iterator[Proof]:
    sizes = ((1, 0, 1, 0, "", LOADS), (1, 1, 4, 0, "", LOADS), (3, 0, 3, 0, "", ADDS), (4, 1, 5, 1, "", DOUBLES),
             (5, 2, 6, 0, "", ADDS), (3, 0, 3, 0, "gowin", EARLY), (4, 1, 5, 1, "gowin", DOUBLES),
             (5, 0, 5, 0, "ecp5", LOADS), (6, 2, 6, 0, "ecp5", LOADS))
    for lanes, pipeline, acc_bits, shift, family, mutant in sizes:
        config = config_of(lanes, pipeline, acc_bits, shift)
        yield SatProof(
            unit="ProcessingElement",
            claim=f"result is the sum since first, modulo 2**acc_bits: {lanes} lanes, pipeline {pipeline}, "
                  f"acc_bits {acc_bits}{', doubling' if shift else ''}, {family or 'portable'}",
            mutant=mutant, bench=element(config, Target(family)), platform=Target(family),
            steps=pipeline + 6, settle=pipeline + 3, links={"unit.acc": "spec_acc"})
    for lanes, pipeline, family in ((32, 3, ""), (64, 0, ""), (64, 5, "gowin"), (64, 0, "ecp5")):
        yield ElementProof(
            unit="ProcessingElement", slow=lanes == 64,
            claim=f"next acc and result are those of the description: {lanes} lanes, pipeline {pipeline}, "
                  f"acc_bits 12, {family or 'portable'}",
            mutant=EARLY if family == "gowin" else LOADS, config=config_of(lanes, pipeline, 12), family=family)


PROOFS = tuple(proofs())
