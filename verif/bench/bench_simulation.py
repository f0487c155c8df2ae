"""Speed of an accelerator driven by cocotb: cycles and seconds of a job, and of its runs alone."""

import time

import cocotb
from cocotb.simtime import get_sim_time
from cocotb.triggers import RisingEdge

from signum.verif.bench.bench_accelerator import Bus
from signum.verif.bench.streams import PERIOD, give, parameters, start


@cocotb.test()
async def carries_out_a_job(dut):
    """Load a program and run it on its inputs; seconds of processor time."""
    given = parameters()
    await start(dut)
    bus = Bus(dut, given["config"], 0.0, 1)
    await RisingEdge(dut.clk)
    begin, began = get_sim_time("ns"), time.process_time()
    counted, words = [], []
    job, running = given["job"], 0.0
    await bus.write(job["writes"])
    for run in job["runs"]:
        await bus.write(run["writes"])
        started = time.process_time()
        counted.append(await bus.run(job["cycles"]))
        running += time.process_time() - started
        words.append(await bus.read(run["reads"]))
    give(cycles=(get_sim_time("ns") - begin) / PERIOD, seconds=time.process_time() - began, counted=counted,
         running=running, words=words)
