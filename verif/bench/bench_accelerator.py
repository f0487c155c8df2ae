"""Bench of the accelerator over its bus: loads programs, runs them, and reads results and cycles."""

from collections.abc import Iterable
from typing import Any

import cocotb
from amaranth.hdl import unsigned
from cocotb.triggers import FallingEdge, RisingEdge, SimTimeoutError, with_timeout

from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import DATA_BITS, AddressMap, Control, Region, Register, Status, wrong_word
from signum.verif.bench.streams import PERIOD, Driver, Monitor, give, parameters, read, start


class Bus:
    """Reads and writes over the bus of an accelerator."""

    def __init__(self, dut: Any, config: dict[str, int], stall: float, seed: int) -> None:
        address_map = AddressMap(ArrayConfig.from_dict(config))
        address_bits = address_map.address_bits
        width = 1 + address_bits + DATA_BITS
        self.registers = [address_map.address(Region.REGISTERS, word=i) for i in range(1 << address_map.word_bits)]
        self.elsewhere = address_map.address(Region.ACTIVATIONS)
        self.dut = dut
        self.data_at = 1 + address_bits
        self.requests = Driver(dut, "bus__request", unsigned(width), stall=stall, seed=seed)
        self.responses = Monitor(dut, "bus__response", unsigned(DATA_BITS), stall=stall, seed=seed)

    async def write(self, writes: Iterable[tuple[int, int]]) -> None:
        await self.requests.send(1 | address << 1 | value << self.data_at for address, value in writes)

    async def read(self, addresses: list[int]) -> list[int]:
        answers = self.responses.collect(len(addresses))
        await self.requests.send(address << 1 for address in addresses)
        return await answers

    async def begin(self) -> None:
        """Start a run."""
        await self.write([(self.registers[Register.CONTROL], Control.START)])

    async def run(self, cycles: int) -> int:
        """Start a run and wait for its end, with a margin over the expected cycles; returns its cycles."""
        await self.begin()
        # the bus may carry an address that is not valid
        self.requests.payload.value = self.elsewhere << 1
        await RisingEdge(self.dut.clk)
        try:
            if read(self.dut.busy):
                await with_timeout(FallingEdge(self.dut.busy), PERIOD * (2 * cycles + 1000), "ns")
        except SimTimeoutError:
            raise AssertionError(f"the run must end after {cycles} cycles, not run on") from None
        status, counted = await self.read([self.registers[Register.STATUS], self.registers[Register.CYCLES]])
        if status & Status.FAULT:
            (told,) = await self.read([self.registers[Register.PARITY]])
            raise AssertionError(f"each word must have the right parity, not {wrong_word(told)} a wrong one")
        assert not status & Status.BUSY
        return counted


@cocotb.test()
async def run_programs(dut):
    """Load each program, run it on its inputs, and return the results and the cycles."""
    given = parameters()
    await start(dut)
    bus = Bus(dut, given["config"], given["stall"], given["seed"])
    await RisingEdge(dut.clk)
    cycles, values = [], []
    for program in given["programs"]:
        await bus.write(program["writes"])
        for run in program["runs"]:
            await bus.write(run["writes"])
            if "interrupt" in run:
                await bus.begin()
                for _ in range(run["interrupt"]):
                    await RisingEdge(dut.clk)
                dut.rst.value = 1
                await RisingEdge(dut.clk)
                dut.rst.value = 0
                await bus.write(program["writes"])
                await bus.write(run["writes"])
            cycles.append(await bus.run(program["cycles"]))
            values.append(await bus.read(run["reads"]))
    give(cycles=cycles, values=values)


@cocotb.test()
async def registers(dut):
    """Read all registers."""
    given = parameters()
    await start(dut)
    bus = Bus(dut, given["config"], given["stall"], given["seed"])
    words = given["read_registers"]
    give(registers=await bus.read([bus.registers[word] for word in words]))
