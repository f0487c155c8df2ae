"""Co-simulation: a Verilated netlist in the place of a unit in Amaranth's simulator, so that the unit's tests run on it."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.sim import Simulator
from amaranth.sim._async import ProcessContext

from signum.fpga.host.model import Model
from signum.hdl.lib.family import family_of
from signum.hdl.lib.share import emitting, ports

__all__ = ["Configuration", "cosimulate"]


@dataclass(frozen=True)
class Configuration:
    """The parameters of a unit, and the family that it is elaborated for.

    Members
    -------
    key : str
        Equal for units of equal hardware.
    parameters : dict
        Keyword arguments of the unit's class.
    platform : object
    """

    key: str
    parameters: dict[str, Any]
    platform: object


Meets = Callable[[Configuration], Model | None]
"""Called for each unit that is elaborated: the netlist in its place, or None for the unit itself."""


@contextmanager
def cosimulate(kind: type[wiring.Component], meets: Meets) -> Iterator[None]:
    """Ask, for each unit of a class that Amaranth's simulator elaborates, which netlist runs in its place.

    The unit is in domain ``sync`` of the simulation. The netlist has its ports by their names in Verilog.
    """
    waiting: list[_Box] = []
    create, elaborate, begin = kind.__init__, kind.elaborate, Simulator.__init__  # type: ignore[attr-defined]

    def created(self: Any, *values: Any, **named: Any) -> None:
        bound = inspect.signature(create).bind(self, *values, **named)
        bound.apply_defaults()
        create(self, *values, **named)
        self._parameters = {name: value for name, value in bound.arguments.items() if name != "self"}

    def elaborated(self: Any, platform: object) -> Any:
        if emitting():
            return elaborate(self, platform)
        parameters = self._parameters
        family = family_of(platform)
        key = repr((getattr(self, "share_key", sorted(parameters.items())), family))
        model = meets(Configuration(key, parameters, platform))
        if model is None:
            return elaborate(self, platform)
        waiting.append(box := _Box(self, model))
        return box.module()

    def begun(self: Simulator, *values: Any, **named: Any) -> None:
        begin(self, *values, **named)
        for box in waiting:
            self.add_process(box.process(self))
        waiting.clear()

    kind.__init__, kind.elaborate, Simulator.__init__ = created, elaborated, begun  # type: ignore
    try:
        yield
    finally:
        kind.__init__, kind.elaborate, Simulator.__init__ = create, elaborate, begin  # type: ignore


class _Box:
    """A unit whose outputs a netlist drives."""

    def __init__(self, unit: wiring.Component, model: Model) -> None:
        found = {name: (Value.cast(value), is_input) for name, (value, is_input) in ports(unit).items()}
        self.model = model
        self.inputs = {name: value for name, (value, is_input) in found.items() if is_input and name in model.ports}
        self.outputs = {name: value for name, (value, is_input) in found.items() if not is_input}
        self.clocked = "clk" in model.ports

    def module(self) -> Module:
        """The hardware in the place of the unit: none, in its clock domain."""
        m = Module()
        if self.clocked:
            turns = Signal()
            m.d.sync += turns.eq(~turns)
        return m

    def process(self, simulator: Simulator) -> Callable[[ProcessContext], Any]:
        """The process that hands inputs to the netlist, and its outputs to the simulation, in each cycle and change."""
        domain = simulator._design.fragment.domains.get("sync") if self.clocked else None

        async def process(ctx: ProcessContext) -> None:
            model = self.model
            named = dict(self.inputs)
            if domain and domain.rst is not None and "rst" in model.ports:
                named["rst"] = domain.rst
            given = [value.as_unsigned() for value in named.values()]
            driven = [(name, value.as_unsigned() if value.shape().signed else value)
                      for name, value in self.outputs.items()]
            trigger = ctx.edge(domain.clk, 1) if domain else None
            for value in named.values():
                trigger = trigger.changed(value) if trigger else ctx.changed(value)
            assert trigger is not None
            async for result in trigger.sample(*given):
                for name, bits in zip(named, result[len(result) - len(given):], strict=True):
                    model[name] = bits
                if domain and result[0]:
                    model.run(1)
                else:
                    model.settle()
                for name, value in driven:
                    ctx.set(value, model[name])

        return process
