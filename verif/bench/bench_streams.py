"""Bench of the accelerator's streams: pixels in, answers out, and the cycles in which runs begin and answers leave."""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from signum.hdl.host.bus import DROPPED_AT, RECEIVED_AT, Control, Register
from signum.hdl.input.frame_receiver import COUNT_BITS, pixel_layout
from signum.hdl.output.answer_unit import answer_layout
from signum.verif.bench.bench_accelerator import Bus
from signum.verif.bench.streams import Driver, Monitor, give, parameters, read, start

SETTLE = 400        # cycles in which a disabled or enabled unit has reached its first state


class Watch:
    """Notes the cycles of the first values of images, of the begins of runs and of the last numbers of answers."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.clear()
        cocotb.start_soon(self._watch())

    def clear(self) -> None:
        self.pixels: list[int] = []
        self.runs: list[int] = []
        self.answers: list[int] = []

    async def _watch(self) -> None:
        dut, cycle, busy = self.dut, 0, 0
        first, last = pixel_layout["first"].offset, answer_layout["last"].offset
        while True:
            await RisingEdge(dut.clk)
            if read(dut.pixels__valid) and read(dut.pixels__ready) and read(dut.pixels__payload) >> first & 1:
                self.pixels.append(cycle)
            if read(dut.busy) and not busy:
                self.runs.append(cycle - 1)         # the controller starts a run in the cycle before
            busy = read(dut.busy)
            if read(dut.answers__valid) and read(dut.answers__ready) and read(dut.answers__payload) >> last & 1:
                self.answers.append(cycle)
            cycle += 1


@cocotb.test()
async def stream_images(dut: Any) -> None:
    """For each job load a program, send values with their marks, and take the answers."""
    given = parameters()
    await start(dut)
    bus = Bus(dut, given["config"], 0.0, given["seed"])
    pixels = Driver(dut, "pixels", pixel_layout, stall=given["stall_pixels"], seed=given["seed"])
    answers = Monitor(dut, "answers", answer_layout, stall=given["stall_answers"], seed=given["seed"])
    control, status = (bus.registers[register] for register in (Register.CONTROL, Register.STATUS))
    await RisingEdge(dut.clk)
    watch = Watch(dut)
    found, before = [], [0, 0]
    for job in given["jobs"]:
        await bus.write([(control, 0), *job["writes"], (control, Control.STREAM)])
        for _ in range(SETTLE):
            await RisingEdge(dut.clk)
        watch.clear()
        taken = answers.collect(job["count"], timeout=job["timeout"])
        await pixels.send(dict(zip(("value", "first", "last"), value, strict=True)) for value in job["values"])
        if job["flush"]:
            await bus.write([(control, Control.STREAM | Control.FLUSH)])
        parts = await taken
        (word,) = await bus.read([status])
        counts = [word >> at & (1 << COUNT_BITS) - 1 for at in (DROPPED_AT, RECEIVED_AT)]
        dropped, received = (now - earlier & (1 << COUNT_BITS) - 1 for now, earlier in zip(counts, before, strict=True))
        found.append({"parts": parts, "dropped": dropped, "received": received, "pixels": watch.pixels,
                      "runs": watch.runs, "answers": watch.answers})
        before = counts
    give(jobs=found)
