"""Identical submodules, emitted once: a thousand equal processing elements are one module."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from amaranth.hdl import ClockSignal, Format, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from .keywords import is_reserved

__all__ = ["Units", "Vector", "add_shared", "collect", "emitting", "portions", "ports"]

STACK = 8                           # tile rows, or stacks of tile rows, in one module
_units: ContextVar["Units | None"] = ContextVar("units", default=None)


class Vector(data.ArrayLayout):
    """An array of equal elements, for example a word for each row, emitted as one signal.

    The elements of a ``data.ArrayLayout`` get named wires of their own; thousands of unread wires take a third of the
    time of a conversion.
    """

    def format(self, value: Any, format_spec: str) -> Format:
        return Format(f"{{:{format_spec}}}", Value.cast(value))


def portions(rows: int, tile: int) -> Iterator[slice]:
    """The rows of a stack in portions: a tile row each, or stacks of tile rows, in eight portions at most.

    All portions but the last have equal sizes, and so share one module.
    """
    size = tile
    while size * STACK < rows:
        size *= STACK
    return (slice(top, min(top + size, rows)) for top in range(0, rows, size))


def ports(component: wiring.Component) -> dict[str, tuple[Value, bool]]:
    """Ports of a component by Verilog name: the signal, and True for an input.

    Raises
    ------
    ValueError
        If a port is zero bits wide, which Verilog lacks, or its name is reserved (`hdl.lib.keywords`).
    """
    found = {}
    for path, member, value in component.signature.flatten(component):
        name = "__".join(map(str, path))
        signal = Value.cast(value)
        if not len(signal):
            raise ValueError(f"port {name} of {type(component).__name__} must be at least 1 bit wide, not 0")
        if is_reserved(name):
            raise ValueError(f"a port of {type(component).__name__} must be called by no word of Verilog, "
                             f"SystemVerilog, C++ or Verilator's model, not {name}")
        found[name] = signal, member.flow is In
    return found


def shape_of(component: wiring.Component) -> dict[str, tuple[int, bool]]:
    return {name: (len(signal), is_input) for name, (signal, is_input) in ports(component).items()}


class Units:
    """One component for each shared module, in the order of first use.

    Members
    -------
    prefix : str
        Prefix of the module names.
    modules : dict of str to Component
        One component for each module name.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.modules: dict[str, wiring.Component] = {}
        self._names: dict[Hashable, str] = {}

    def name(self, component: wiring.Component, key: Hashable) -> str:
        """Module name of the component; ValueError where an equal key has other ports."""
        kind = type(component)
        if (kind, key) in self._names:
            name = self._names[kind, key]
            if shape_of(self.modules[name]) != shape_of(component):
                raise ValueError(f"{kind.__name__} of equal share_key must have equal ports, not {key!r}")
            return name
        base = name = f"{self.prefix}_{kind.__name__.lower()}"
        number = 1
        while name in self.modules:
            number += 1
            name = f"{base}_{number}"
        self._names[kind, key] = name
        self.modules[name] = component
        return name


@contextmanager
def collect(prefix: str) -> Iterator[Units]:
    """Context in which `add_shared` makes instances; the result collects one component for each instantiated module."""
    units = Units(prefix)
    token = _units.set(units)
    try:
        yield units
    finally:
        _units.reset(token)


def emitting() -> bool:
    """Whether a design is emitted now, in `collect`; else it is elaborated for a simulation, or as part of another."""
    return _units.get() is not None


def add_shared(m: Module, name: str, component: Any) -> None:
    """Add a component to a module as submodule ``name``; equal components are emitted once.

    The parent reads and drives the component's ports as with any submodule. Outside of `collect` this is
    ``m.submodules[name] = component``. The component works in domain ``sync`` alone, and its ``share_key``
    (hashable) holds every parameter that its hardware depends on. Renaming the parent's domain works as
    usual; `EnableInserter` and `ResetInserter` around the parent do not reach into a shared component.

    Parameters
    ----------
    m : Module
        The parent.
    name : str
        Name of the submodule in the parent.
    component : Component
        With an attribute or property ``share_key``.

    Raises
    ------
    ValueError
        If a port is zero bits wide, or two components of equal key have different ports.
    """
    units = _units.get()
    if units is None:
        m.submodules[name] = component
        return
    connections: dict[str, Any] = {"i_clk": ClockSignal(), "i_rst": ResetSignal(allow_reset_less=True)}
    for port, (signal, is_input) in ports(component).items():
        if isinstance(signal, Signal):
            signal.name = f"{name}__{port}"
        connections[f"{'i' if is_input else 'o'}_{port}"] = signal
    component._MustUse__used = True     # on purpose only one of each kind is elaborated
    m.submodules[name] = Instance(units.name(component, component.share_key), **connections)
