"""Bench of the accelerator on AXI4-Lite and AXI4-Stream, driven by the models of cocotbext-axi."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from signum.hdl.config import ArrayConfig
from signum.hdl.host.axi import StreamRegister, stream_register
from signum.hdl.host.bus import DROPPED_AT, AddressMap, Control, Region, Register, Status
from signum.verif.bench.streams import PERIOD, give, parameters, read, start

TIMEOUT = 200_000 * PERIOD      # ns; longer than every test


def words_of(frame: Any) -> list[int]:
    data = bytes(frame.tdata)
    return [int.from_bytes(data[at:at + 4], "little") for at in range(0, len(data), 4)]


class Host:
    """A processor and a DMA engine, with independent pauses in each channel."""

    def __init__(self, dut: Any, config: dict[str, int], stall: float) -> None:
        self.dut = dut
        self.map = AddressMap(ArrayConfig.from_dict(config))
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_"), dut.clk)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_"), dut.clk)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_"), dut.clk)
        write, reads = self.control.write_if, self.control.read_if
        if stall:
            for channel in (write.aw_channel, write.w_channel, write.b_channel, reads.ar_channel, reads.r_channel,
                            self.source, self.sink):
                channel.set_pause_generator(self.pauses(stall))

    @staticmethod
    def pauses(stall: float) -> Iterator[bool]:
        generator = random.Random(random.randrange(1 << 32))
        while True:
            yield generator.random() < stall

    async def put(self, address: int, data: bytes) -> None:
        """Write at a byte address."""
        answer = await with_timeout(self.control.write(address, data), TIMEOUT, "ns")
        assert answer.resp == AxiResp.OKAY

    async def get(self, address: int) -> int:
        """The word at a byte address."""
        answer = await with_timeout(self.control.read(address, 4), TIMEOUT, "ns")
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def write(self, writes: Iterable[tuple[int, int]]) -> None:
        """Write words by the control bus, with several outstanding writes."""
        events = [self.control.init_write(4 * address, value.to_bytes(4, "little")) for address, value in writes]
        for event in events:
            await with_timeout(event.wait(), TIMEOUT, "ns")

    async def read(self, addresses: Iterable[int]) -> list[int]:
        return [await self.get(4 * address) for address in addresses]

    def register(self, word: int) -> int:
        return 4 * self.map.address(Region.REGISTERS, word=word)

    async def set(self, register: StreamRegister, value: int) -> None:
        await self.put(stream_register(self.map, register), value.to_bytes(4, "little"))

    async def stream_in(self, writes: Iterable[tuple[int, int]]) -> int:
        """Write words by the stream, in runs; returns the number of runs."""
        words = {address: value for address, value in sorted(writes)}
        data = list(words.values())
        runs = self.map.runs(words)
        await self.source.send(AxiStreamFrame(b"".join(value.to_bytes(4, "little") for value in data)))
        for address, count in runs:
            await self.set(StreamRegister.WRITE_ADDRESS, 4 * address)
            await self.set(StreamRegister.WRITE_COUNT, count)
            while await self.get(stream_register(self.map, StreamRegister.WRITE_COUNT)):
                pass
        assert await self.get(stream_register(self.map, StreamRegister.WRITE_ADDRESS)) \
            == 4 * self.map.following(max(words))
        return len(runs)

    async def stream_out(self, addresses: list[int]) -> list[int]:
        """The words at addresses by the stream, in runs."""
        words: list[int] = []
        for address, count in self.map.runs(addresses):
            await self.set(StreamRegister.READ_ADDRESS, 4 * address)
            await self.set(StreamRegister.READ_COUNT, count)
            frame = words_of(await with_timeout(self.sink.recv(), TIMEOUT, "ns"))
            assert len(frame) == count, f"tlast must come with word {count}, not {len(frame)}"
            words += frame
        return words

    async def begin(self) -> None:
        await self.put(self.register(Register.CONTROL), Control.START.to_bytes(4, "little"))

    async def run(self, cycles: int) -> int:
        """Start a run and poll its end; returns its cycles."""
        await self.begin()
        polls = 0
        while await self.get(self.register(Register.STATUS)) & Status.BUSY:
            polls += 1
            assert polls < cycles, f"the run must end after {cycles} cycles, not run on"
        assert not read(self.dut.busy)
        return await self.get(self.register(Register.CYCLES))


async def host_of(dut: Any) -> tuple[dict[str, Any], Host]:
    given = parameters()
    host = Host(dut, given["config"], given["stall"])
    await start(dut)
    await RisingEdge(dut.clk)
    return given, host


@cocotb.test()
async def run_programs(dut: Any) -> None:
    """Load each program, run it on its inputs, return the results and the cycles; by streams, then without."""
    given, host = await host_of(dut)
    cycles, values, runs = [], [], 0
    for number, program in enumerate(given["programs"]):
        write, reads = (host.write, host.read) if number % 2 else (host.stream_in, host.stream_out)
        runs += await write(program["writes"]) or 0
        for run in program["runs"]:
            await write(run["writes"])
            cycles.append(await host.run(program["cycles"]))
            values.append(await reads(run["reads"]))
    give(cycles=cycles, values=values, runs=runs)


@cocotb.test()
async def waits(dut: Any) -> None:
    """Unserved streams block no register, a run blocks the streams, and a write of no byte starts no run."""
    given, host = await host_of(dut)
    program, = given["programs"]
    first, = program["runs"]
    await host.stream_in(program["writes"])
    await host.stream_in(first["writes"])
    # a source without a reader
    (at, count), *_ = host.map.runs(sorted(first["reads"]))
    host.sink.pause = True
    await host.set(StreamRegister.READ_ADDRESS, 4 * at)
    await host.set(StreamRegister.READ_COUNT, count)
    for _ in range(10):
        assert await host.get(host.register(Register.RUNS)) == 0
    assert await host.get(stream_register(host.map, StreamRegister.READ_COUNT)) == count - 1
    host.sink.pause = False
    assert len(words_of(await with_timeout(host.sink.recv(), TIMEOUT, "ns"))) == count
    # words before a count stay outside; in the middle of a run only weights go in
    address, value = program["writes"][0]
    free = host.map.address(Region.WEIGHTS, word=given["config"]["weight_depth"] - 1)
    await host.source.send(AxiStreamFrame(bytes(4) + value.to_bytes(4, "little")))
    await host.set(StreamRegister.WRITE_ADDRESS, 4 * free)
    await host.begin()
    await host.set(StreamRegister.WRITE_COUNT, 1)
    assert await host.get(stream_register(host.map, StreamRegister.WRITE_COUNT)) == 0
    assert read(dut.busy)
    await host.set(StreamRegister.WRITE_ADDRESS, 4 * address)
    await host.set(StreamRegister.WRITE_COUNT, 1)
    assert await host.get(stream_register(host.map, StreamRegister.WRITE_COUNT)) == 1
    assert await host.get(host.register(Register.STATUS)) & Status.BUSY
    if read(dut.busy):
        await with_timeout(FallingEdge(dut.busy), TIMEOUT, "ns")
    while await host.get(stream_register(host.map, StreamRegister.WRITE_COUNT)):
        pass
    # the same words by bus and stream at once
    others = cocotb.start_soon(host.read(first["reads"][::-1]))
    values = await host.stream_out(first["reads"])
    assert (await others)[::-1] == values
    give(values=values, cycles=await host.get(host.register(Register.CYCLES)))
    assert await host.get(host.register(Register.RUNS)) == 1


@cocotb.test()
async def strobes(dut: Any) -> None:
    """A write without a strobe has no effect; with any strobe it writes the word."""
    _, host = await host_of(dut)
    lanes = host.control.write_if.w_channel
    address = stream_register(host.map, StreamRegister.READ_ADDRESS)
    await host.set(StreamRegister.READ_ADDRESS, 0x40)
    await host.put(address, b"\x80")
    assert await host.get(address) == 0x80
    give(strobes=len(lanes.bus.wstrb))


@cocotb.test()
async def measure(dut: Any) -> None:
    """Cycles of an uninterrupted stream of weights."""
    given, host = await host_of(dut)
    count = given["count"]
    await host.set(StreamRegister.WRITE_ADDRESS, 4 * host.map.address(Region.WEIGHTS))
    await host.source.send(AxiStreamFrame(bytes(4 * count)))
    await host.set(StreamRegister.WRITE_COUNT, count)
    cycles = 0
    while not read(dut.s_axis__tready):
        await RisingEdge(dut.clk)
    while read(dut.s_axis__tvalid):
        cycles += 1
        await RisingEdge(dut.clk)
    give(cycles=cycles)


@cocotb.test()
async def stream_images(dut: Any) -> None:
    """Load a program, send images as frames, and take their answers, of `AxisAccelerator`."""
    given, host = await host_of(dut)
    control = host.register(Register.CONTROL)
    await host.write(given["writes"])
    await host.put(control, int(Control.STREAM).to_bytes(4, "little"))
    for image in given["images"]:
        await host.source.send(AxiStreamFrame(bytes(image)))
    if given["flush"]:
        await with_timeout(host.source.wait(), TIMEOUT, "ns")
        await host.put(control, int(Control.STREAM | Control.FLUSH).to_bytes(4, "little"))
    answers = [words_of(await with_timeout(host.sink.recv(), TIMEOUT, "ns")) for _ in range(given["count"])]
    status = await host.get(host.register(Register.STATUS))
    give(answers=answers, dropped=status >> DROPPED_AT & 0xFF)
