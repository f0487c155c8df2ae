"""Bench of `verif.hdl.lib.test_emit`: a memory with every kind of port, against a list of numbers."""

import random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, Timer

from signum.verif.bench.streams import give, parameters, read, start


@cocotb.test()
async def starts_known(dut: Any) -> None:
    """Outputs before any clock edge; therefore the first test."""
    dut.read_address.value = 1
    await Timer(1, "ns")
    assert read(dut.now) == parameters()["init"][1]
    assert read(dut.count) == 5
    assert read(dut.odd) == 1


@cocotb.test()
async def reads_what_was_written(dut: Any) -> None:
    case = parameters()
    depth, width = case["depth"], case["width"]
    words = [*case["init"], *[0] * (depth - len(case["init"]))]
    halves = [(1 << width // 2) - 1, (1 << width) - (1 << width // 2)]
    await start(dut, dict.fromkeys(("write_address", "write_data", "write_enable", "read_enable"), 0))
    expected: dict[str, int] = {}
    both = 0
    for _ in range(case["cycles"]):
        write, target = random.randrange(4), random.randrange(depth)
        address = random.choice([target, random.randrange(depth)])
        value, enable = random.randrange(1 << width), random.randrange(2)
        dut.write_address.value, dut.write_data.value, dut.write_enable.value = target, value, write
        dut.read_address.value, dut.read_enable.value = address, enable
        await Timer(1, "ns")
        assert read(dut.now) == words[address]
        earlier = words[address]
        mask = sum(half for bit, half in enumerate(halves) if write >> bit & 1)
        words[target] = words[target] & ~mask | value & mask
        if enable:
            expected = {"earlier": earlier, "later": words[address]}
            both += bool(write) and target == address
        await FallingEdge(dut.clk)
        for name, word in expected.items():
            assert read(getattr(dut, name)) == word, f"{name} must be {word}, not {read(getattr(dut, name))}"
    give(both=both)
