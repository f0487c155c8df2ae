"""Bench of the board's top at its serial pins, with the steps of the host's driver."""

import random

import cocotb
from cocotb.triggers import Event, FallingEdge, First, Timer

from signum.fpga.host.link import Host, bursts
from signum.hdl.host.bus import Control, Status
from signum.verif.bench.host import take
from signum.verif.bench.streams import PERIOD, give, parameters, read, start


class Serial:
    """A serial line to the pins ``rx`` and ``tx``, in seconds of a clock of ``clock`` Hz.

    Members
    -------
    flips, answer_flips : set of int
        Numbers of the sent, and of the received, bytes with a flipped bit.
    """

    def __init__(self, dut, clock, divisor):
        self.dut = dut
        self.clock = clock
        self.bit = divisor * PERIOD
        self.inbox = bytearray()
        self.arrived = Event()
        self.flips: set[int] = set()
        self.answer_flips: set[int] = set()
        self.sent = self.received = 0
        cocotb.start_soon(self._listen())

    async def _listen(self):
        while True:
            await FallingEdge(self.dut.tx)
            await Timer(self.bit // 2, unit="ns")
            byte = 0
            for i in range(9):
                await Timer(self.bit, unit="ns")
                byte |= read(self.dut.tx) << i
            assert byte >> 8, "a byte must end in a stop bit"
            if self.received in self.answer_flips:
                byte ^= 1 << random.randrange(8)
            self.received += 1
            self.inbox.append(byte & 0xFF)
            self.arrived.set()

    async def send(self, data):
        for byte in data:
            bits = byte << 1 | 0x200
            if self.sent in self.flips:
                bits ^= 1 << random.randrange(10)
            self.sent += 1
            for i in range(10):
                self.dut.rx.value = bits >> i & 1
                await Timer(self.bit, unit="ns")
        self.dut.rx.value = 1

    async def receive(self, count, timeout):
        late = cocotb.start_soon(self._wait(timeout))
        while len(self.inbox) < count and not late.done():
            self.arrived.clear()
            await First(self.arrived.wait(), late)
        late.cancel()
        data = bytes(self.inbox[:count])
        del self.inbox[:count]
        return data

    async def _wait(self, seconds):
        await Timer(round(seconds * self.clock) * PERIOD, unit="ns")

    async def take(self, steps):
        """Execute the steps of a `Host`, and return their results."""
        return await take(steps, self.send, self.receive)


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def answers(dut):
    """Execute a list of reads (address, count) and writes (address, values), and return the read words."""
    await start(dut, {"rx": 1})
    values = parameters()
    line = Serial(dut, values["clock"], values["divisor"])
    host = Host()
    found = []
    for address, what in values["requests"]:
        if isinstance(what, list):
            await line.take(host.write_steps(address, what))
        else:
            found.append(await line.take(host.read_steps(address, what)))
    give(words=found, retries=host.retries)


class Machine:
    """The requests of a host to an accelerator behind a serial line; ``registers`` are addresses by name."""

    def __init__(self, line, host, registers):
        self.line = line
        self.host = host
        self.registers = registers

    async def write(self, writes):
        for address, values in bursts(writes):
            await self.line.take(self.host.write_steps(address, values))

    async def read(self, addresses):
        words = []
        for address, places in bursts((address, address) for address in addresses):
            words += await self.line.take(self.host.read_steps(address, len(places)))
        return words

    async def register(self, name):
        return (await self.line.take(self.host.read_steps(self.registers[name], 1)))[0]

    async def begin(self):
        await self.line.take(self.host.write_steps(self.registers["CONTROL"], [Control.START], attempts=1))
        assert await self.register("STATUS") & Status.BUSY, "a run must have begun"

    async def end(self):
        while await self.register("STATUS") & Status.BUSY:
            pass


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def runs_a_network(dut):
    """Load a program and run it repeatedly; returns results, cycles, counts of runs and retries.

    During a run the host writes (``writes_during``), reads the results (``reads_during``), or polls the status alone.
    The line is damaged while the program is loaded.
    """
    await start(dut, {"rx": 1})
    values = parameters()
    line = Serial(dut, values["clock"], values["divisor"])
    host = Host(timeout=values["timeout"], quiet=values["quiet"])
    machine = Machine(line, host, values["registers"])
    line.flips = {random.randrange(values["load_bytes"]) for _ in range(values["flips"])}
    line.answer_flips = {random.randrange(values["load_answer_bytes"]) for _ in range(values["answer_flips"])}
    await machine.write(values["load"])
    assert line.sent >= values["load_bytes"]
    assert line.received >= values["load_answer_bytes"]
    retries, results, cycles, runs = [host.retries], [], [], []
    for run in values["runs"]:
        known = host.retries
        await machine.write(run["writes"])
        await machine.begin()
        await machine.write(run["writes_during"])
        early = await machine.read(run["reads_during"])
        await machine.end()
        cycles.append(await machine.register("CYCLES"))
        runs.append(await machine.register("RUNS"))
        results.append(await machine.read(run["reads"]))
        assert early in ([], results[-1]), "what is read during a run must be what it leaves"
        retries.append(host.retries - known)
    give(results=results, cycles=cycles, runs=runs, retries=retries)
