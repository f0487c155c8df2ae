"""Bench of `verif.bench.test_simulate`: tests that pass, fail, are skipped, and return values."""

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

from signum.verif.bench.streams import give, parameters, read, start


@cocotb.test()
async def passes(dut: Any) -> None:
    await start(dut)
    give(drawn=random.random(), seen=parameters()["number"])
    give(more=[1, 2])


@cocotb.test()
async def fails(dut: Any) -> None:
    await Timer(1, "ns")
    assert read(dut.o__valid) == 2, "a bit is never two"


@cocotb.test(skip=True)
async def is_skipped(dut: Any) -> None:
    await Timer(1, "ns")


@cocotb.test()
async def sees_nothing_known(dut: Any) -> None:
    dut.i__payload.value = cocotb.types.LogicArray("ZZZZZZZ")
    await Timer(1, "ns")
    read(dut.i__payload)


@cocotb.test()
async def ends_early(dut: Any) -> None:
    await Timer(1, "ns")
    raise SystemExit(3)
