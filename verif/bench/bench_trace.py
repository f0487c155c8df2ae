"""Bench of `verif.bench.trace`: drives given inputs, cycle by cycle, and records the bits of the outputs."""

from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from signum.verif.bench.streams import give, parameters, start


@cocotb.test()
async def play(dut: Any) -> None:
    """A combinational unit has no clock; its cycle is a nanosecond."""
    given = parameters()
    clocked = hasattr(dut, "clk")
    inputs = [getattr(dut, name) for name in given["inputs"] if hasattr(dut, name)]
    outputs = [getattr(dut, name) for name in given["outputs"]]
    if clocked:
        await start(dut, {name: 0 for name in given["inputs"]})
    trace = []
    before: list[int | None] = [None] * len(inputs)
    for step in given["steps"]:
        for handle, value, old in zip(inputs, step, before, strict=False):
            if value != old:
                handle.value = value
        before = step
        await (RisingEdge(dut.clk) if clocked else Timer(1, "ns"))
        trace.append([str(handle.value) for handle in outputs])
        if clocked:
            await FallingEdge(dut.clk)
    give(trace=trace)
