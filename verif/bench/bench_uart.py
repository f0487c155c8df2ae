"""Bench of the serial ports, with a line driven and sampled in time, not in clock cycles."""

import random

import cocotb
from cocotb.triggers import RisingEdge, Timer

from signum.verif.bench.streams import PERIOD, Driver, Monitor, parameters, read, start


class Line:
    """A serial line of ``cycles`` clock periods a bit, also fractional."""

    def __init__(self, dut, cycles):
        self.dut = dut
        self.bit = cycles * PERIOD * 1000

    async def hold(self, level, bits):
        self.dut.rx.value = level
        await Timer(round(bits * self.bit), unit="ps")

    async def send(self, byte, stop=1):
        await self.hold(0, 1)
        for i in range(8):
            await self.hold(byte >> i & 1, 1)
        await self.hold(stop, 1)
        self.dut.rx.value = 1

    async def receive(self):
        """The next byte on ``tx``, each bit sampled in its middle."""
        while read(self.dut.tx):
            await RisingEdge(self.dut.clk)
        bits = []
        for place in range(10):
            await Timer(round(self.bit if place else self.bit / 2), unit="ps")
            bits.append(read(self.dut.tx))
        assert (bits[0], bits[9]) == (0, 1), f"a byte must have a start and a stop bit, not {bits}"
        return sum(bit << i for i, bit in enumerate(bits[1:9]))


class Flags:
    """Counts the cycles in which the receiver flags an error."""

    def __init__(self, dut):
        self.framing_error = self.overflow = 0
        self.dut = dut
        cocotb.start_soon(self._watch())

    async def _watch(self):
        while True:
            await RisingEdge(self.dut.clk)
            self.framing_error += read(self.dut.framing_error)
            self.overflow += read(self.dut.overflow)


async def begin(dut):
    await start(dut, {"rx": 1, "o__ready": 0, "i__valid": 0, "i__payload": 0})
    values = parameters()
    return values, Line(dut, values["cycles"]), Flags(dut)


def some_bytes(count):
    return [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80] + [random.randrange(256) for _ in range(count)]


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def receives(dut):
    _, line, flags = await begin(dut)
    sent = some_bytes(60)
    received = Monitor(dut, "o", 8, stall=0.5).collect(len(sent))
    for byte in sent:
        await line.send(byte)
        if random.random() < 0.3:
            await line.hold(1, random.uniform(0, 3))
    assert await received == sent
    assert (flags.framing_error, flags.overflow) == (0, 0)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def transmits(dut):
    values, line, _ = await begin(dut)
    sent = some_bytes(40)
    for stall in (0.0, 0.9):
        task = cocotb.start_soon(Driver(dut, "i", 8, stall=stall).send(sent))
        line.bit = values["divisor"] * PERIOD * 1000
        assert [await line.receive() for _ in sent] == sent
        await task


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def drops_a_byte_without_stop_bit(dut):
    _, line, flags = await begin(dut)
    received = Monitor(dut, "o", 8).collect(2)
    await line.send(0x5A)
    await line.send(0x33, stop=0)
    await line.hold(0, 25)              # a break: no byte in it, and no second error
    await line.hold(1, 2)
    await line.send(0xC3)
    assert await received == [0x5A, 0xC3]
    assert (flags.framing_error, flags.overflow) == (1, 0)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def ignores_a_glitch(dut):
    values, line, flags = await begin(dut)
    received = Monitor(dut, "o", 8).collect(1)
    await line.hold(0, (values["divisor"] // 2 - 1) / values["divisor"])
    await line.hold(1, 3)
    await line.send(0xC3)
    assert await received == [0xC3]
    assert (flags.framing_error, flags.overflow) == (0, 0)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def drops_the_byte_that_nobody_took_in_time(dut):
    _, line, flags = await begin(dut)
    for byte in (1, 2, 3):
        await line.send(byte)
    await line.hold(1, 2)
    assert (flags.framing_error, flags.overflow) == (0, 2)
    received = Monitor(dut, "o", 8).collect(2)
    await line.hold(1, 2)
    await line.send(4)
    assert await received == [1, 4]


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def forgets_at_reset(dut):
    _, line, flags = await begin(dut)
    await line.send(1)                  # waits in the receiver
    await line.hold(0, 3.5)
    dut.rst.value = 1
    await line.hold(1, 1)
    dut.rst.value = 0
    await line.hold(1, 12)
    received = Monitor(dut, "o", 8).collect(1)
    await line.send(0x77)
    assert await received == [0x77]
    assert (flags.framing_error, flags.overflow) == (0, 0)
