"""The combines, operations on the sums of a layer's segments: a table, one row each, for all other units.

The program format reads the flag of a row, the threshold unit its addend, the interpreter and the integer graph its
reference, the compiler and folding its rules; the tests draw layers of every row.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import repeat
from typing import Any

from amaranth.hdl import Value

from signum.hdl.config import ArrayConfig

__all__ = ["COMBINES", "Combine", "addends", "combine_of", "combines_of"]

Addend = Callable[[Value, Value], Value]


@dataclass(frozen=True, kw_only=True)
class Combine:
    """A combine: the first segment gives S = p, each further segment a new S from S and its p.

    A segment may double S first, under a row that ``doubles``: the sums of bit planes. The new S must be non-decreasing
    in S and in p: the bounds of S are computed from the bounds of p.

    Parameters
    ----------
    name : str
        Name in `golden.compiler.graph.Layer`.
    flag : int
        Its bit among the flags of a layer (see `hdl.control.isa.LayerFlag` for the others), or 0 for the
        default row.
    reference : callable
        The new S from S and p: Python integers, or NumPy arrays of int64.
    addend : callable
        The same in hardware: the addend of p, a function of S (or 2S) and p, modulo 2**sum_bits. Rows with one function
        share its hardware. The function's name becomes a field of `hdl.output.result_controller.beat_layout`.
    linear : bool
        S is linear in the sums p. The rule of folding: where sums p represent ``2p - offset`` in the network, S
        represents ``2S - total(offsets)``, and inverted weights negate S. A row that is not linear needs segments of
        equal offsets, and channels whose bits fall with S keep inverted bits.
    joins : bool
        A long dot product may be split into segments, and neighbouring segments may share a drain.
    gates : bool
        The last segments may be gated: their p counts only where the S before them reaches the gate of its channel, and
        as 0 elsewhere. Such a layer has a threshold for either case, no raw sums, and needs an array with ``gate``. S
        is compared as it stands, before a gated segment doubles it; the doubling does not depend on the gate.
    requantized : bool
        p is a requantized sum (`hdl.output.requantize`); the array must have ``requantize_depth``.
    element_bits : tuple of int
        Element widths of the layers that may use this combine.
    """

    name: str
    flag: int
    reference: Callable[[Any, Any], Any]
    addend: Addend
    linear: bool = True
    joins: bool = False
    gates: bool = False
    requantized: bool = False
    element_bits: tuple[int, ...] = (1, 8)

    @property
    def doubles(self) -> bool:
        """Segments may double S."""
        return (self.linear or self.gates) and not self.requantized

    def total(self, operands: Iterable[Any], doubles: Iterable[bool] = repeat(False)) -> Any:
        """S of the operands of all segments, in their order; ``doubles`` has the segments that double S first."""
        (first, _), *others = zip(operands, doubles, strict=False)
        return reduce(lambda total, other: self.reference(2 * total if other[1] else total, other[0]), others, first)


def keep(total: Value, operand: Value) -> Value:
    return total


COMBINES = {row.name: row for row in (
    # convolutions, and several of them added up exactly; bit planes of weights and activations
    Combine(name="sum", flag=0, reference=lambda total, p: total + p, addend=keep, joins=True),
    # the paths of a residual block
    Combine(name="residual", flag=4, reference=lambda total, p: total + p, addend=keep, requantized=True),
    # activations of two planes, the lighter added only where the sum of the heavier exceeds a gate (FracBNN: Zhang et
    # al., 2021). Not linear: inverted weights would turn the gate around
    Combine(name="gated", flag=32, reference=lambda total, p: total + p, addend=keep, linear=False, joins=True,
            gates=True, element_bits=(1,)),
)}
"""All rows by name."""


def combines_of(config: ArrayConfig) -> list[Combine]:
    """The rows in the hardware of an array."""
    return [row for row in COMBINES.values() if (config.requantize_depth or not row.requantized)
            and (config.gate or not row.gates)]


def combine_of(flags: int) -> Combine:
    """The row chosen by the flags of a layer."""
    return next((row for row in COMBINES.values() if row.flag & flags), COMBINES["sum"])


def addends(config: ArrayConfig) -> dict[str, tuple[Addend, list[int]]]:
    """The addends by name, each with the flags of its rows; the first is the default, taken without another's flag."""
    found: dict[str, tuple[Addend, list[int]]] = {}
    for row in combines_of(config):
        found.setdefault(row.addend.__name__, (row.addend, []))[1].append(row.flag)
    return found
