"""Co-simulation: a Verilated netlist in the place of a unit in Amaranth's simulator, under the unit's own tests."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.sim import Simulator
from amaranth.sim._async import ProcessContext

from signum.fpga.host.model import Model
from signum.fpga.host.verilate import digest
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.family import family_of
from signum.hdl.lib.share import emitting, ports
from signum.verif.bench import trace

__all__ = ["Configuration", "FirstError", "cosimulate"]


class FirstError(BaseException):
    """The first simulation of a test, where no more of it is wanted."""


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


def _key(unit: Any, platform: object) -> str:
    """Equal for units of equal hardware, if their attributes tell them apart."""
    plain = {name: value for name, value in vars(unit).items() if isinstance(value, int | str | tuple | ArrayConfig)}
    return repr((type(unit).__name__, getattr(unit, "share_key", None), plain, family_of(platform),
                 [(name, len(signal)) for name, (signal, _) in ports(unit).items()]))


@contextmanager
def cosimulate(kind: type[wiring.Component], meets: Meets, traces: dict[str, Any] | None = None, *,
               first: bool = False) -> Iterator[None]:
    """Ask, for each unit of a class that Amaranth's simulator elaborates, which netlist runs in its place.

    The unit is in domain ``sync`` of the simulation. The netlist has its ports by their names in Verilog, and is reset
    where the simulation is. Where `verif.bench.trace.play` plays the unit itself, the netlist runs without Amaranth's
    simulator.

    Parameters
    ----------
    traces : dict
        Keeps what `play` gives for units without a netlist in them: with the same inputs they give the same again.
    first : bool
        Raise `FirstError` in place of a simulation.
    """
    waiting: list[_Box] = []
    count = 0
    create, elaborate = inspect.getattr_static(kind, "__init__"), inspect.getattr_static(kind, "elaborate")
    begin, simulated = Simulator.__init__, trace.simulated

    def created(self: Any, *values: Any, **named: Any) -> None:
        bound = inspect.signature(create).bind(self, *values, **named)
        bound.apply_defaults()
        create(self, *values, **named)
        self._parameters = {name: value for name, value in bound.arguments.items() if name != "self"}

    def configuration(unit: Any, platform: object) -> Configuration:
        parameters = unit._parameters
        key = repr((getattr(unit, "share_key", sorted(parameters.items())), family_of(platform)))
        return Configuration(key, parameters, platform)

    def elaborated(self: Any, platform: object) -> Any:
        nonlocal count
        if emitting():
            return elaborate(self, platform)
        model = meets(configuration(self, platform))
        if model is None:
            return elaborate(self, platform)
        count += 1
        waiting.append(box := _Box(self, model))
        return box.module()

    def begun(self: Simulator, *values: Any, **named: Any) -> None:
        begin(self, *values, **named)
        if first:
            raise FirstError
        for box in waiting:
            self.add_process(box.process(self))
        waiting.clear()

    def played(unit: Any, inputs: list[Value], outputs: list[Value], rows: list[list[int]], platform: object,
               ) -> list[list[str]]:
        if type(unit) is kind and (model := meets(configuration(unit, platform))):
            return _Box(unit, model).play(rows)
        key = "" if traces is None else digest(_key(unit, platform), rows)
        if traces and key in traces:
            return traces[key]
        before = count
        found = simulated(unit, inputs, outputs, rows, platform)
        if traces is not None and count == before:
            traces[key] = found
        return found

    with (patch.object(kind, "__init__", created), patch.object(kind, "elaborate", elaborated),
          patch.object(Simulator, "__init__", begun), patch.object(trace, "simulated", played)):
        yield


class _Box:
    """A unit whose outputs a netlist drives."""

    def __init__(self, unit: wiring.Component, model: Model) -> None:
        found = {name: (Value.cast(value), is_input) for name, (value, is_input) in ports(unit).items()}
        self.model = model
        self.order = [name for name, (_, is_input) in found.items() if is_input]
        self.inputs = {name: value for name, (value, is_input) in found.items() if is_input and name in model.ports}
        self.outputs = {name: value for name, (value, is_input) in found.items() if not is_input}
        self.clocked = "clk" in model.ports

    def play(self, rows: list[list[int]]) -> list[list[str]]:
        """The bits of the outputs by cycle, for numbers of the inputs and of the reset."""
        model, found = self.model, []
        names = [*(name if name in self.inputs else "" for name in self.order), "rst" if "rst" in model.ports else ""]
        outputs = [(name, len(value)) for name, value in self.outputs.items()]
        before: list[int | None] = [None] * len(names)
        for row in rows:
            for name, value, old in zip(names, row, before, strict=True):
                if name and value != old:
                    model[name] = value
            before = list(row)
            model.settle()
            found.append([f"{model[name]:0{width}b}" for name, width in outputs])
            if self.clocked:
                model.run(1)
        return found

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

        begun = False

        async def process(ctx: ProcessContext) -> None:
            nonlocal begun
            model = self.model
            if begun:               # the simulation was reset
                model.reset()
            begun = True
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
