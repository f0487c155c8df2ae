"""Bench of the accelerator's Wishbone slave, driven by the master of cocotbext-wishbone."""

import random
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.wishbone.driver import WBOp, WishboneMaster

from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Control, Region, Register, Status
from signum.verif.bench.streams import give, parameters, read, start

SIGNALS = {"cyc": "cyc", "stb": "stb", "we": "we", "adr": "adr", "sel": "sel", "datwr": "dat_w", "datrd": "dat_r",
           "ack": "ack"}
CYCLE = 64
TIMEOUT = 10_000


class Master:
    """Writes and reads of words, in cycles of many transfers with pauses before them."""

    def __init__(self, dut: Any, stall: float) -> None:
        self.stall = stall
        self.master = WishboneMaster(dut, "wishbone_", dut.clk, timeout=TIMEOUT, signals_dict=SIGNALS)

    def idle(self) -> int:
        return random.randrange(1, 6) if random.random() < self.stall else 0

    async def transfer(self, operations: list[WBOp]) -> list[int]:
        """The words of the slave with each acknowledge."""
        words: list[int] = []
        for at in range(0, len(operations), CYCLE):
            answers = await self.master.send_cycle(operations[at:at + CYCLE])
            words += [int(answer.datrd) for answer in answers]
        assert len(words) == len(operations), f"{len(operations)} transfers must be acknowledged, not {len(words)}"
        return words

    async def write(self, writes: Iterable[tuple[int, int]], sel: int = 0xF) -> None:
        await self.transfer([WBOp(address, value, idle=self.idle(), sel=sel, acktimeout=TIMEOUT)
                             for address, value in writes])

    async def read(self, addresses: Iterable[int]) -> list[int]:
        return await self.transfer([WBOp(address, idle=self.idle(), acktimeout=TIMEOUT) for address in addresses])


async def begin(dut: Any) -> tuple[dict[str, Any], Master, list[int]]:
    """The parameters, the master, and the addresses of the registers; the reset is over."""
    given = parameters()
    master = Master(dut, given["stall"])
    await start(dut)
    await RisingEdge(dut.clk)
    return given, master, register_addresses(given["config"])


def register_addresses(config: dict[str, int]) -> list[int]:
    address_map = AddressMap(ArrayConfig.from_dict(config))
    return [address_map.address(Region.REGISTERS, word=i) for i in range(1 << address_map.word_bits)]


@cocotb.test()
async def run_programs(dut: Any) -> None:
    """Load each program, run it on its inputs, and return the results and the cycles."""
    given, master, registers = await begin(dut)
    cycles, values = [], []
    for program in given["programs"]:
        await master.write(program["writes"])
        for run in program["runs"]:
            await master.write(run["writes"])
            await master.write([(registers[Register.CONTROL], Control.START)])
            polls = 0
            while (await master.read([registers[Register.STATUS]]))[0] & Status.BUSY:
                polls += 1
                assert polls < program["cycles"], f"the run must end after {program['cycles']} cycles, not run on"
            assert not read(dut.busy)
            cycles += await master.read([registers[Register.CYCLES]])
            values.append(await master.read(run["reads"]))
    give(cycles=cycles, values=values)


@cocotb.test()
async def selects(dut: Any) -> None:
    """A write of no byte is acknowledged and starts no run; a write of any byte starts one, and a read waits for it."""
    given, master, registers = await begin(dut)
    program = given["programs"][0]
    await master.write(program["writes"])
    await master.write(program["runs"][0]["writes"])
    await master.write([(registers[Register.CONTROL], Control.START)], sel=0)
    runs = await master.read([registers[Register.RUNS]])
    await master.write([(registers[Register.CONTROL], Control.START)], sel=1)
    values = await master.read(program["runs"][0]["reads"])
    assert not read(dut.busy)
    give(runs=runs + await master.read([registers[Register.RUNS]]), values=values)
