"""Bench of `verif.hdl.lib.test_emit` and `verif.bench.test_simulate`: a small queue of items."""

from typing import Any

import cocotb
from amaranth.lib import data

from signum.verif.bench.streams import Driver, Monitor, give, parameters, start

ITEM = data.StructLayout({"number": 6, "last": 1})


@cocotb.test()
async def passes_in_order(dut: Any) -> None:
    case = parameters()
    items = [{"number": n, "last": int(n == len(case["numbers"]) - 1)} for n in case["numbers"]]
    driver = Driver(dut, "i", ITEM, stall=case["stall"], seed=1)
    monitor = Monitor(dut, "o", ITEM, stall=case["stall"], seed=2)
    await start(dut)
    received = monitor.collect(len(items), timeout=1000)
    await driver.send(items)
    assert await received == items
    give(count=len(items))
