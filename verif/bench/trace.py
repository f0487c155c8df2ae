"""Traces of a unit: its outputs for given inputs, cycle by cycle, by a Verilog simulator or Amaranth's."""

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import Cat, ClockDomain, Fragment, Module, Value
from amaranth.lib import data, wiring
from amaranth.sim import SimulatorContext

from signum.hdl.lib.share import ports
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.simulate import simulate
from signum.verif.bench.streams import pack

__all__ = ["AMARANTH", "play", "simulated"]

AMARANTH = "amaranth"
RESET = "rst"


def play(unit: wiring.Component, steps: Sequence[Mapping[str, Any]], simulator: str = AMARANTH,
         platform: object = None) -> list[dict[str, Any]]:
    """Drive the inputs of a unit, and read its outputs in the same cycle, after they have settled.

    Parameters
    ----------
    unit : Component
    steps : sequence of mappings
        Nonzero inputs of each cycle: a number, a list for an array of ports, a mapping for a structure; ``rst`` is the
        reset. Members of an interface have the names of Verilog: ``bus__request__valid``.
    simulator : str
        "amaranth" for Amaranth's simulator (without a build, but slow, and without X), else as for
        `verif.bench.simulate.simulate`.
    platform : object
        Platform of the elaboration, on Amaranth's simulator.

    Returns
    -------
    list of dict
        The outputs of each cycle, in the form of the inputs; None where a bit is X.
    """
    members = {"__".join(map(str, path)): (member, value)
               for path, member, value in unit.signature.flatten(unit)}
    inputs = [name for name, (_, is_input) in ports(unit).items() if is_input]
    outputs = [name for name, (_, is_input) in ports(unit).items() if not is_input]
    shapes = {name: member.shape for name, (member, _) in members.items()}
    rows = [[packed.get(name, 0) for name in (*inputs, RESET)]
            for packed in (_pack(step, shapes) for step in steps)]
    if simulator == AMARANTH:
        values = {name: Value.cast(value) for name, (_, value) in members.items()}
        trace = simulated(unit, [values[name] for name in inputs], [values[name] for name in outputs], rows,
                          platform)
    else:
        assert platform is None, "only Amaranth's simulator elaborates for a platform"
        result = simulate(unit, "signum.verif.bench.bench_trace", simulator=simulator, parameters={
            "inputs": [*inputs, RESET], "outputs": outputs, "steps": rows})
        trace = result.values["trace"]
    return [_unpack(dict(zip(outputs, bits, strict=True)), shapes) for bits in trace]


def _pack(step: Mapping[str, Any], shapes: Mapping[str, Any]) -> dict[str, int]:
    packed: dict[str, int] = {}
    for name, value in step.items():
        if name in shapes:
            packed[name] = pack(shapes[name], value)
        elif isinstance(value, Sequence):
            packed |= {f"{name}__{i}": int(part) for i, part in enumerate(value)}
        else:
            packed[name] = value
    assert packed.keys() <= {*shapes, RESET}, f"the unit must have inputs {', '.join(packed)}"
    return packed


def _unpack(bits: Mapping[str, str], shapes: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in bits.items():
        shape = shapes[name]
        array, _, index = name.rpartition("__")
        if index.isdecimal():
            values.setdefault(array, []).append(_number(text))
        elif isinstance(shape, data.StructLayout):
            values[name] = {key: _field(text, field) for key, field in shape}
        elif isinstance(shape, data.ArrayLayout):
            values[name] = [_field(text, field) for _, field in shape]
        else:
            values[name] = _number(text)
    return values


def _field(text: str, field: data.Field) -> int | None:
    end = len(text) - field.offset
    return _number(text[end - field.width:end])


def _number(text: str) -> int | None:
    return int(text, 2) if set(text) <= {"0", "1"} else None


def simulated(unit: wiring.Component, inputs: list[Value], outputs: list[Value], rows: list[list[int]],
              platform: object) -> list[list[str]]:
    """On Amaranth's simulator: the bits of the outputs for the numbers of the inputs, and of the reset, by cycle."""
    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.unit = unit
    every_input, every_output = Cat(*inputs, domain.rst), Cat(outputs)
    trace = []

    async def testbench(context: SimulatorContext) -> None:
        for row in rows:
            value, at = 0, 0
            for signal, part in zip((*inputs, domain.rst), row, strict=True):
                value |= part << at
                at += len(signal)
            context.set(every_input, value)
            text = f"{context.get(every_output):0{len(every_output)}b}"
            bits, end = [], len(text)
            for signal in outputs:
                bits.append(text[end - len(signal):end])
                end -= len(signal)
            trace.append(bits)
            await context.tick()

    run_testbenches(Fragment.get(m, platform), testbench)
    return trace
