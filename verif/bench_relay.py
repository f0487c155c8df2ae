"""Bench of `verif.test_relay`: payloads through the relay, and the cycles that they take."""

import random
from typing import Any

import cocotb
from cocotb.utils import get_sim_time

from .streams import PERIOD, Driver, Monitor, give, parameters, start


@cocotb.test()
async def relays(dut: Any) -> None:
    case = parameters()
    source = Driver(dut, "i", 16, stall=case["source_stall"])
    sink = Monitor(dut, "o", 16, stall=case["sink_stall"])
    await start(dut)
    began = get_sim_time("ns")
    sent = [random.randrange(1 << 16) for _ in range(case["count"])]
    received = sink.collect(len(sent))
    await source.send(sent)
    give(sent=sent, received=await received, cycles=round((get_sim_time("ns") - began) / PERIOD))
