"""Common parts of benches: the clock, drivers and monitors of streams, checked reads, data in and out."""

import json
import os
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cocotb
from amaranth.hdl import Const, Shape, ShapeLike
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from signum.verif.bench.simulate import VARIABLE

__all__ = ["Driver", "Monitor", "give", "pack", "parameters", "read", "start", "unpack"]

PERIOD = 10


def parameters() -> dict[str, Any]:
    """The parameters of `verif.bench.simulate.simulate`."""
    return json.loads((Path(os.environ[VARIABLE]) / "parameters.json").read_text())


def give(**values: Any) -> None:
    """Add values (numbers, text, lists, dictionaries) to `verif.bench.simulate.Result.values`."""
    path = Path(os.environ[VARIABLE]) / "values.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **values}))


def read(handle: Any) -> int:
    """Unsigned value of a signal; AssertionError if a bit is X or Z."""
    value = handle.value
    assert value.is_resolvable, f"{handle._path} must be 0 or 1 in each bit, not {value}"
    return int(value)


def pack(shape: ShapeLike, value: Any) -> int:
    """Bits of a payload: a mapping (or sequence) for a structure (or array), a number for other shapes."""
    if isinstance(shape, data.Layout):
        return Const.cast(shape.const(value)).value
    return int(value) & (1 << Shape.cast(shape).width) - 1


def unpack(shape: ShapeLike, bits: int) -> Any:
    """The inverse of `pack`: nested dictionaries and lists of numbers."""
    if isinstance(shape, data.StructLayout):
        return {str(name): unpack(field.shape, bits >> field.offset & (1 << field.width) - 1)
                for name, field in shape}
    if isinstance(shape, data.ArrayLayout):
        return [unpack(field.shape, bits >> field.offset & (1 << field.width) - 1) for _, field in shape]
    cast = Shape.cast(shape)
    bits &= (1 << cast.width) - 1
    return bits - (1 << cast.width) if cast.signed and bits >> cast.width - 1 else bits


async def start(dut: Any, inputs: Mapping[str, int] | None = None, cycles: int = 2) -> None:
    """Start the clock with all inputs at 0 or as given, and hold the reset; returns after a falling edge.

    Parameters
    ----------
    dut : handle
        The top; its inputs named in ``inputs`` are set, ``clk`` and ``rst`` driven.
    inputs : mapping
        Values of inputs from the start on.
    cycles : int
        Cycles of reset.
    """
    for name, value in (inputs or {}).items():
        getattr(dut, name).value = value
    dut.rst.value = 1
    Clock(dut.clk, PERIOD, unit="ns").start()
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


class Port:
    """One side of a stream: ``valid``, ``ready`` and ``payload`` of ports ``NAME__valid`` and so on.

    Parameters
    ----------
    dut : handle
        The top.
    name : str
        Prefix of the port, for example ``i``.
    shape : shape-like
        Shape of the payload.
    stall : float
        Probability of a pause in a cycle.
    seed : int
        With the name, the seed of the pauses.
    """

    def __init__(self, dut: Any, name: str, shape: ShapeLike, *, stall: float = 0.0, seed: int = 0) -> None:
        self.name = name
        self.shape = shape
        self.stall = stall
        self.clk = dut.clk
        self.valid = getattr(dut, f"{name}__valid")
        self.ready = getattr(dut, f"{name}__ready")
        self.payload = getattr(dut, f"{name}__payload")
        self.random = random.Random(f"{name} {seed}")


class Driver(Port):
    """Sends payloads into a stream; its ``valid`` and payload stay until they are taken."""

    def __init__(self, dut: Any, name: str, shape: ShapeLike, *, stall: float = 0.0, seed: int = 0) -> None:
        super().__init__(dut, name, shape, stall=stall, seed=seed)
        self.valid.value = 0
        self.payload.value = 0

    async def send(self, values: Iterable[Any]) -> None:
        """Send payloads (arguments of `pack`) one after the other; returns when the last is taken."""
        for value in values:
            while self.random.random() < self.stall:
                await RisingEdge(self.clk)
            self.payload.value = pack(self.shape, value)
            self.valid.value = 1
            await RisingEdge(self.clk)
            while not read(self.ready):
                await RisingEdge(self.clk)
            self.valid.value = 0


class Monitor(Port):
    """Takes payloads from a stream, and checks that the stream holds each until it is taken."""

    def __init__(self, dut: Any, name: str, shape: ShapeLike, *, stall: float = 0.0, seed: int = 0) -> None:
        super().__init__(dut, name, shape, stall=stall, seed=seed)
        self.ready.value = 0

    async def receive(self, count: int, timeout: int = 100_000) -> list[Any]:
        """The next ``count`` payloads (results of `unpack`); fails after ``timeout`` idle cycles."""
        taken: list[Any] = []
        waiting: int | None = None
        idle = 0
        while len(taken) < count:
            ready = self.random.random() >= self.stall
            self.ready.value = ready
            await RisingEdge(self.clk)
            idle += 1
            assert idle <= timeout, f"{self.name} must give {count} payloads, not only {len(taken)}"
            valid = read(self.valid)
            assert valid or waiting is None, f"{self.name} must stay valid until it is taken"
            if not valid:
                continue
            bits = read(self.payload)
            assert waiting in (None, bits), f"{self.name} must keep its payload until it is taken"
            waiting = None if ready else bits
            if ready:
                taken.append(unpack(self.shape, bits))
                idle = 0
        self.ready.value = 0
        return taken

    def collect(self, count: int, timeout: int = 100_000) -> "cocotb.task.Task[list[Any]]":
        """`receive` as a concurrent task; await it for the payloads."""
        return cocotb.start_soon(self.receive(count, timeout))
