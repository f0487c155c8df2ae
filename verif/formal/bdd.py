"""Reduced ordered binary decision diagrams, and the functions of a feed-forward netlist as such diagrams.

Bryant, "Graph-Based Algorithms for Boolean Function Manipulation", 1986: two functions are equal if and only if their
diagrams are the same node. The bits of a sum of n bits are symmetric functions, whose diagrams have at most n * n nodes
in any order of the variables, while the time of a SAT solver that compares two trees of adders grows exponentially.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from signum.hdl.lib.emit import run_yosys, to_rtlil

from .prove import models_of

__all__ = ["Diagrams", "Netlist", "NetlistError", "add"]

NETLIST = """\
{models}
read_rtlil design.il
hierarchy -check -top top
proc
flatten -wb -noscopeinfo
delete t:$specify*
opt_expr
memory
opt
dffunmap
simplemap
opt_clean
write_json netlist.json
"""


Bit = int | str
Aged = tuple[int, int]
UNDRIVEN = 1 << 40      # order of variables for bits that nothing drives
UNSIGNED = f"{0:032b}"


class NetlistError(ValueError):
    """A netlist that is no pipeline of known cells."""


class Diagrams:
    """Diagrams with common nodes; 0 and 1 are the constants.

    Members
    -------
    size : int
        Nodes made so far.
    """

    def __init__(self) -> None:
        # a variable, and the nodes for 0 and 1 of it; constants come below all variables
        self._nodes: list[tuple[int, int, int]] = [(1 << 60, 0, 0), (1 << 60, 1, 1)]
        self._unique: dict[tuple[int, int, int], int] = {}
        self._known: dict[tuple[int, int, int], int] = {}

    @property
    def size(self) -> int:
        return len(self._nodes)

    def variable(self, order: int) -> int:
        """The function of one variable; variables of a lower order stand above."""
        return self._node(order, 0, 1)

    def _node(self, variable: int, low: int, high: int) -> int:
        if low == high:
            return low
        key = variable, low, high
        found = self._unique.get(key)
        if found is None:
            found = self._unique[key] = len(self._nodes)
            self._nodes.append(key)
        return found

    def choose(self, condition: int, then: int, otherwise: int) -> int:
        """``then`` where ``condition``, else ``otherwise``."""
        if condition < 2:
            return then if condition else otherwise
        if then == otherwise:
            return then
        if then == 1 and otherwise == 0:
            return condition
        key = condition, then, otherwise
        found = self._known.get(key)
        if found is None:
            nodes = self._nodes
            # written out: proofs spend nearly all of their time here
            top, low_condition, high_condition = nodes[condition]
            variable, low_then, high_then = nodes[then]
            if variable > top:
                low_then = high_then = then
            elif variable < top:
                top, low_condition, high_condition = variable, condition, condition
            variable, low_otherwise, high_otherwise = nodes[otherwise]
            if variable > top:
                low_otherwise = high_otherwise = otherwise
            elif variable < top:
                top, low_condition, high_condition = variable, condition, condition
                low_then = high_then = then
            low = self.choose(low_condition, low_then, low_otherwise)
            high = self.choose(high_condition, high_then, high_otherwise)
            found = self._known[key] = self._node(top, low, high)
        return found

    def both(self, one: int, other: int) -> int:
        return self.choose(min(one, other), max(one, other), 0)

    def either(self, one: int, other: int) -> int:
        return self.choose(min(one, other), 1, max(one, other))

    def inverse(self, one: int) -> int:
        return self.choose(one, 0, 1)

    def differ(self, one: int, other: int) -> int:
        low, high = min(one, other), max(one, other)
        return self.choose(low, self.inverse(high), high)


def add(diagrams: Diagrams, one: Sequence[int], other: Sequence[int], carry: int = 0) -> list[int]:
    """The sum of two numbers of equal width, least significant bit first, modulo their width."""
    total = []
    for left, right in zip(one, other, strict=True):
        differ = diagrams.differ(left, right)
        total.append(diagrams.differ(differ, carry))
        carry = diagrams.choose(differ, carry, left)
    return total


class Netlist:
    """A flat netlist whose feedback, if any, passes registers that are taken for variables.

    Parameters
    ----------
    component : Component
    platform : object
        See `signum.hdl.lib.emit.to_rtlil`.
    """

    def __init__(self, component: wiring.Component, platform: object = None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "design.il").write_text(to_rtlil(component, "top", platform)[0])
            run_yosys(NETLIST.format(models=models_of(platform)), Path(folder))
            content = json.loads((Path(folder) / "netlist.json").read_text())
        self.module = content["modules"]["top"]
        self.drivers: dict[Bit, tuple[dict[str, Any], int]] = {}
        for cell in self.module["cells"].values():
            for place, bit in enumerate(cell["connections"][output_of(cell)]):
                self.drivers[bit] = cell, place

    def bits(self, name: str) -> list[Bit]:
        """The bits of a port or of a wire."""
        found = self.module["ports"].get(name) or self.module["netnames"].get(name)
        if not found:
            raise NetlistError(f"signal must be one of the netlist, not {name}")
        return found["bits"]

    def next(self, name: str) -> list[Bit]:
        """The bits that the registers of a signal take over."""
        found = []
        for bit in self.bits(name):
            cell, place = self.drivers[bit]
            if "Q" not in cell["connections"]:
                raise NetlistError(f"{name} must be a register")
            found.append(cell["connections"]["D"][place])
        return found

    def functions(self, diagrams: Diagrams, variables: Mapping[Bit, Aged], wanted: Sequence[Bit]) -> list[Aged]:
        """Function and age of each wanted bit.

        The age is the number of registers between the bit and the inputs, the same on all paths: the bit is the
        function of the inputs so many cycles ago. Constants have any age, here -1; so have bits that nothing drives,
        which are variables of their own.

        Parameters
        ----------
        diagrams : Diagrams
        variables : mapping of bit to (int, int)
            Functions and ages of the bits that are known.
        wanted : sequence of bits

        Raises
        ------
        NetlistError
            If paths differ in their registers, or a cell is unknown.
        """
        found: dict[Bit, Aged] = {"0": (0, -1), "1": (1, -1), **variables}
        pending = list(wanted)
        while pending:
            bit = pending[-1]
            if bit in found:
                pending.pop()
                continue
            if bit not in self.drivers:
                found[bit] = diagrams.variable(UNDRIVEN + len(found)), -1
                continue
            cell, _ = self.drivers[bit]
            output = output_of(cell)
            pins = {pin: bits for pin, bits in cell["connections"].items() if pin not in (output, "C", "CLK")}
            missing = [each for bits in pins.values() for each in bits if each not in found]
            if missing:
                pending += missing
                continue
            ages = {found[each][1] for bits in pins.values() for each in bits} - {-1}
            if len(ages) > 1:
                raise NetlistError(f"paths must have equally many registers: {cell['type']} joins {sorted(ages)}")
            age = ages.pop() + (output == "Q") if ages else -1
            values = {pin: [found[each][0] for each in bits] for pin, bits in pins.items()}
            found |= {each: (function, age) for each, function in zip(
                cell["connections"][output], outputs(diagrams, cell, values), strict=True)}
        return [found[bit] for bit in wanted]


def output_of(cell: Mapping[str, Any]) -> str:
    return "Q" if "Q" in cell["connections"] else "Y"


def outputs(diagrams: Diagrams, cell: Mapping[str, Any], pins: Mapping[str, list[int]]) -> list[int]:
    """The functions of a cell's outputs, from those of its inputs."""
    match cell["type"]:
        case "$_DFF_P_":
            return pins["D"]
        case "$_NOT_":
            return [diagrams.inverse(pins["A"][0])]
        case "$_AND_":
            return [diagrams.both(pins["A"][0], pins["B"][0])]
        case "$_OR_":
            return [diagrams.either(pins["A"][0], pins["B"][0])]
        case "$_XOR_":
            return [diagrams.differ(pins["A"][0], pins["B"][0])]
        case "$_XNOR_":
            return [diagrams.inverse(diagrams.differ(pins["A"][0], pins["B"][0]))]
        case "$_MUX_":
            return [diagrams.choose(pins["S"][0], pins["B"][0], pins["A"][0])]
        case "$add" if cell["parameters"]["A_SIGNED"] == cell["parameters"]["B_SIGNED"] == UNSIGNED:
            width = int(cell["parameters"]["Y_WIDTH"], 2)
            one, other = ((pins[pin] + [0] * width)[:width] for pin in "AB")
            return add(diagrams, one, other)
    raise NetlistError(f"cell must be known, not {cell['type']}")
