"""The bus interface: every request once and in order, none too early, at the specified rate."""

import random
from dataclasses import dataclass
from typing import Any

import pytest
from amaranth.hdl import Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import SimulatorContext

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.host.bus import AddressMap, Control, Region, Register
from signum.hdl.host.bus_interface import BusInterface, choose_row
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.trace import play

CONFIG = ArrayConfig(rows=5, cols=3, lanes=70, tile=2, drain_width=1, acc_bits=8, sum_bits=10, weight_depth=30,
                     activation_depth=20, threshold_depth=8, program_depth=16)
WALK = (Region.THRESHOLDS, Region.ALL_THRESHOLDS)


@dataclass(frozen=True)
class Request:
    """A request of the bus: the written word, or None for a read."""

    region: Region
    unit: int
    word: int
    part: int
    data: int | None

    @property
    def ahead(self) -> bool:
        """The request need not wait for the end of a run."""
        return self.region == Region.REGISTERS or (self.region == Region.WEIGHTS and self.data is not None)

    @property
    def walks(self) -> bool:
        """The request waits until its address has reached every row; all reads do."""
        return self.data is None or self.region in WALK

    @property
    def starts(self) -> bool:
        return (self.region == Region.REGISTERS and self.word == Register.CONTROL and self.data is not None
                and bool(self.data & Control.START))

    @property
    def answer(self) -> int:
        return hash((self.region, self.unit, self.word, self.part)) & 0xffffffff


def draw_request(rng: random.Random, layout: AddressMap) -> Request:
    region = rng.choice(list(Region))
    word = rng.choice([Register.CONTROL, rng.randrange(1 << layout.word_bits)])
    data = rng.choice([None, rng.getrandbits(32)])
    part = rng.randrange(layout.slices_of(region))
    return Request(region, rng.randrange(1 << layout.unit_bits), int(word), part, data)


class Run:
    """Sends requests with pauses, lets programs run in between, and records the outputs by cycle."""

    def __init__(self, config: ArrayConfig, rng: random.Random, requests: list[Request], stall: float) -> None:
        self.unit = BusInterface(config=config)
        self.rng = rng
        self.requests = requests
        self.stall = stall
        self.taken: list[tuple[int, Request]] = []
        self.writes: list[tuple[int, dict[str, Any]]] = []
        self.answers: list[tuple[int, int]] = []
        self.busy: list[int] = []
        run_testbenches(self.unit, self._drive)

    async def _drive(self, ctx: SimulatorContext) -> None:
        unit, rng = self.unit, self.rng
        request, response = unit.bus.request, unit.bus.response
        waiting = list(self.requests)
        offered: Request | None = None
        reads = sum(item.data is None for item in self.requests)
        while len(self.answers) < reads or len(self.writes) < len(self.requests) - reads:
            assert len(self.busy) < 100 * len(self.requests)
            if offered is None and waiting and rng.random() >= self.stall:
                offered = waiting.pop(0)
                ctx.set(request.payload, {
                    "write": offered.data is not None, "data": offered.data or 0,
                    "address": unit.map.address(offered.region, unit=offered.unit, word=offered.word,
                                                slice=offered.part)})
            ctx.set(request.valid, offered is not None)
            ctx.set(unit.busy, int(rng.random() < 0.1) if not self.busy or not self.busy[-1] else rng.random() < 0.9)
            ctx.set(response.ready, rng.random() >= self.stall)
            now = Request(Region(ctx.get(unit.region)), ctx.get(unit.unit), ctx.get(unit.word), ctx.get(unit.part),
                          None)
            ctx.set(unit.answer, now.answer)
            cycle = len(self.busy)
            if ctx.get(unit.write):
                self.writes.append((cycle, {
                    "write": ctx.get(unit.write), "parts": ctx.get(unit.parts), "request": now,
                    "data": ctx.get(unit.data), "starting": ctx.get(unit.starting)}))
            if ctx.get(response.valid) and ctx.get(response.ready):
                self.answers.append((cycle, ctx.get(response.payload)))
            if offered is not None and ctx.get(request.ready):
                self.taken.append((cycle, offered))
                offered = None
            self.busy.append(ctx.get(unit.busy))
            await ctx.tick()


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("register", [0, 1, 2])
def test_every_request_once_in_order_and_in_time(stall: float, register: int, seed: int) -> None:
    config = CONFIG.replace(memory_registers=register)
    rng = random.Random(f"{seed} {stall} {register}")
    requests = [draw_request(rng, AddressMap(config)) for _ in range(300)]
    run = Run(config, rng, requests, stall)
    assert [item for _, item in run.taken] == requests
    written = [(cycle, item) for cycle, item in run.taken if item.data is not None]
    for (taken, item), (cycle, seen) in zip(written, run.writes, strict=True):
        assert seen["write"] == 1 << item.region
        assert seen["request"] == Request(item.region, item.unit, item.word, item.part, None)
        assert (seen["parts"], seen["data"]) == (1 << item.part, item.data)
        assert seen["starting"] == item.starts
        assert cycle >= taken + 2
        # in the cycle before the strobe no program ran, and all rows had the address
        calm = 0
        while not run.busy[cycle - 1 - calm] and cycle - 1 - calm > taken:
            calm += 1
        assert item.ahead or calm >= 1
        assert not item.walks or calm >= config.tile_rows + config.memory_latency + choices(config) + 2
    read = [(cycle, item) for cycle, item in run.taken if item.data is None]
    for (taken, item), (cycle, answer) in zip(read, run.answers, strict=True):
        assert answer == item.answer
        assert cycle >= taken + 2 + config.tile_rows + config.memory_latency + choices(config) + 1


def choices(config: ArrayConfig) -> int:
    """Levels of the multiplexer tree of the rows."""
    return next(steps for steps in range(1, 9) if 4**steps >= config.rows)


class Rows(wiring.Component):
    """The selection of one of several rows with constant values."""

    def __init__(self, values: list[int]) -> None:
        self.values = values
        super().__init__({"number": In(bits_to_hold(len(values) - 1)), "value": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.value.eq(choose_row(m, [Const(value, 8) for value in self.values], self.number))
        return m


@pytest.mark.parametrize("count", [1, 2, 4, 5, 16, 17, 30])
def test_any_row_is_chosen(count: int) -> None:
    """The latency is a cycle for the row number, and a cycle for each level of 4:1 multiplexers."""
    values = [37 * row % 251 for row in range(count)]
    steps = choices(CONFIG.replace(rows=count))
    order = random.Random(count).sample(range(count), count)
    trace = play(Rows(values), [{"number": row} for row in order for _ in range(steps + 2)])
    assert [outputs["value"] for outputs in trace[steps + 1::steps + 2]] == [values[row] for row in order]


def test_a_write_every_two_cycles() -> None:
    requests = [Request(Region.WEIGHTS, i % 3, i % 30, i % 3, i) for i in range(50)]
    run = Run(CONFIG, random.Random(0), requests, 0.0)
    assert run.writes[-1][0] - run.writes[0][0] == 2 * 49
