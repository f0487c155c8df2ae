"""Bench of the accelerator's streams: pixels in, answers out, and the cycles in which runs begin and answers leave."""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from signum.hdl.host.bus import DROPPED_AT, Control, Register
from signum.hdl.input.frame_receiver import pixel_layout
from signum.hdl.output.answer_unit import answer_layout
from signum.verif.bench.bench_accelerator import Bus
from signum.verif.bench.streams import Driver, Monitor, give, parameters, read, start


class Watch:
    """Counts cycles, and notes those of the first value of each image, of the runs' begins and of the last parts of the
    answers."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.pixels: list[int] = []
        self.runs: list[int] = []
        self.answers: list[int] = []
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        dut, cycle, busy = self.dut, 0, 0
        first, last = (layout["first"].offset for layout in (pixel_layout, answer_layout))
        last = answer_layout["last"].offset
        while True:
            await RisingEdge(dut.clk)
            if read(dut.pixels__valid) and read(dut.pixels__ready) and read(dut.pixels__payload) >> first & 1:
                self.pixels.append(cycle)
            if read(dut.busy) and not busy:
                self.runs.append(cycle)
            busy = read(dut.busy)
            if read(dut.answers__valid) and read(dut.answers__ready) and read(dut.answers__payload) >> last & 1:
                self.answers.append(cycle)
            cycle += 1


@cocotb.test()
async def stream_images(dut: Any) -> None:
    """Load a program, send the values of its images, and take its answers."""
    given = parameters()
    await start(dut)
    bus = Bus(dut, given["config"], 0.0, given["seed"])
    pixels = Driver(dut, "pixels", pixel_layout, stall=given["stall_pixels"], seed=given["seed"])
    answers = Monitor(dut, "answers", answer_layout, stall=given["stall_answers"], seed=given["seed"])
    await RisingEdge(dut.clk)
    await bus.write([*given["writes"], (bus.registers[Register.CONTROL], Control.STREAM)])
    for _ in range(8):
        await RisingEdge(dut.clk)
    watch = Watch(dut)
    taken = answers.collect(given["count"], timeout=given["timeout"])
    for image in given["images"]:
        await pixels.send({"value": value, "first": int(i == 0), "last": int(i == len(image) - 1)}
                          for i, value in enumerate(image))
    if given["flush"]:
        await bus.write([(bus.registers[Register.CONTROL], Control.STREAM | Control.FLUSH)])
    found = await taken
    status, runs = await bus.read([bus.registers[Register.STATUS], bus.registers[Register.RUNS]])
    give(answers=found, status=status, runs=runs, dropped=status >> DROPPED_AT, pixel_cycles=watch.pixels,
         run_cycles=watch.runs, answer_cycles=watch.answers)
