"""The board's top through its serial pins, with the host's own steps."""

import cocotb
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from fpga.link import Host, Send

from .streams import PERIOD, give, parameters, read, start


class Serial:
    """A serial line to the pins ``rx`` and ``tx``; its seconds are those of a clock of ``clock`` Hz."""

    def __init__(self, dut, clock, divisor):
        self.dut = dut
        self.clock = clock
        self.divisor = divisor
        self.inbox = bytearray()
        cocotb.start_soon(self._listen())

    async def _listen(self):
        while True:
            while read(self.dut.tx):
                await RisingEdge(self.dut.clk)
            byte = 0
            await ClockCycles(self.dut.clk, self.divisor // 2)
            for i in range(9):
                await ClockCycles(self.dut.clk, self.divisor)
                byte |= read(self.dut.tx) << i
            assert byte >> 8, "a byte must end in a stop bit"
            self.inbox.append(byte & 0xFF)

    async def send(self, data):
        for byte in data:
            for i in range(10):
                self.dut.rx.value = (byte << 1 | 0x200) >> i & 1
                await ClockCycles(self.dut.clk, self.divisor)

    async def receive(self, count, timeout):
        late = cocotb.start_soon(self._wait(timeout))
        while len(self.inbox) < count and not late.done():
            await First(Timer(10 * self.divisor * PERIOD, unit="ns"), late)
        late.cancel()
        data = bytes(self.inbox[:count])
        del self.inbox[:count]
        return data

    async def _wait(self, seconds):
        await Timer(round(seconds * self.clock) * PERIOD, unit="ns")

    async def take(self, steps):
        """Take the steps of a `Host` and return what they give."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Send):
                    await self.send(step.data)
                    step = next(steps)
                else:
                    step = steps.send(await self.receive(step.size, step.timeout))
        except StopIteration as end:
            return end.value


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def answers(dut):
    """Carry out a list of reads (address, count) and writes (address, values); the words read are given."""
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
