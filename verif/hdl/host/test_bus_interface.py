"""The bus interface: every request once and in order, none too early, at the specified rate."""

import random
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import pytest
from amaranth.hdl import Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.host.bus import AddressMap, Control, Region, Register
from signum.hdl.host.bus_interface import BusInterface, choose_row
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


def draw_request(rng: random.Random, layout: AddressMap) -> Request:
    word = rng.choice([Register.CONTROL, Register.CONTROL ^ 1 << rng.randrange(layout.word_bits),
                       rng.randrange(1 << layout.word_bits)])
    data = rng.choice([None, rng.getrandbits(32), Control.START.value, ~Control.START.value & 0xffffffff])
    return Request(rng.choice([*Region, Region.REGISTERS]), rng.randrange(1 << layout.unit_bits), int(word),
                   rng.randrange(1 << layout.slice_bits), data)


class Schedule:
    """What the interface must do in each cycle, for requests with pauses while programs run.

    Members
    -------
    steps, wanted : list of dict
        Inputs of each cycle, and the outputs that are specified in it.
    taken : list of (int, Request)
        The cycles in which requests are taken, but those that a reset takes away.
    """

    def __init__(self, config: ArrayConfig, rng: random.Random, requests: list[Request], *, stall: float = 0.0,
                 programs: float = 0.05, resets: Container[int] = ()) -> None:
        self.config, self.rng, self.stall = config, rng, stall
        self.layout = AddressMap(config)
        self.steps: list[dict[str, Any]] = []
        self.wanted: list[dict[str, Any]] = []
        self.taken: list[tuple[int, Request]] = []
        self.waits = config.tile_rows + config.memory_latency + choices(config) + 1
        self.clears = (1 << self.layout.word_bits) + config.tile_rows + config.memory_latency if config.parity else 0
        waiting, busy = list(requests), False
        offered: Request | None = None
        self._reset()
        while waiting or offered or self.served or self.answer is not None or self.strobe:
            assert len(self.steps) < 100 * len(requests) + 10 * self.clears
            if offered is None and waiting and rng.random() >= stall:
                offered = waiting.pop(0)
            busy = rng.random() < (0.8 if busy else programs)
            if self._cycle(offered, busy, len(self.steps) in resets):
                offered = None

    def _reset(self) -> None:
        self.served: Request | None = None
        self.strobe: Request | None = None          # a write, in the cycle of its strobe
        self.answer: int | None = None              # the response
        self.calm = 0                               # cycles since the request was taken, or a program ended
        self.left = self.clears
        self.cleared = False                        # a word is written with zeros

    def _cycle(self, offered: Request | None, busy: bool, reset: bool) -> bool:
        """Appends a cycle; returns whether the request that is offered is taken in it."""
        rng, served, strobe = self.rng, self.served, self.strobe
        # with pauses, a response often waits for longer than the next read takes
        ready, answer = rng.random() < (0.06 if self.stall else 1), rng.getrandbits(32)
        shown = offered or draw_request(rng, self.layout)       # without ``valid``, nothing of it counts
        self.steps.append({
            "bus__request__valid": int(offered is not None), "bus__response__ready": int(ready), "busy": int(busy),
            "bus__request__payload": {"write": int(shown.data is not None), "data": shown.data or 0,
                                      "address": self.layout.address(shown.region, unit=shown.unit, word=shown.word,
                                                                     slice=shown.part)},
            "answer": answer, "rst": int(reset)})
        free = served is None and not self.left
        self.calm = 0 if busy and served and not served.ahead else self.calm + 1
        done = (served is not None and self.calm > (self.waits if served.walks else 0)
                and (served.data is not None or self.answer is None))
        wanted = {"bus__request__ready": int(free), "bus__response__valid": int(self.answer is not None),
                  "starting": int(any(item is not None and item.starts for item in (served, strobe))),
                  "write": 1 << strobe.region if strobe else 0}
        if self.answer is not None:
            wanted["bus__response__payload"] = self.answer
        if item := served or strobe:
            wanted |= {"region": item.region, "unit": item.unit, "word": item.word, "part": item.part,
                       "parts": 1 << item.part}
            if item.data is not None:
                wanted["data"] = item.data
        if self.cleared:
            wanted |= {"write": 0xff ^ 1 << Region.REGISTERS, "parts": (1 << (1 << self.layout.slice_bits)) - 1,
                       "data": 0}
        if self.clears:
            wanted |= {"clearing": int(self.left > 0), "read": int(done and served is not None and served.data is None)}
        self.wanted.append(wanted)
        if reset:
            self._reset()
            return False
        self.cleared, self.left = self.left > 0, max(0, self.left - 1)
        if ready:
            self.answer = None
        self.strobe = served if done and served and served.data is not None else None
        if done and served:
            self.answer = answer if served.data is None else self.answer
            self.served = None
        elif free and offered:
            self.served, self.calm = offered, 0
            self.taken.append((len(self.steps) - 1, offered))
        return bool(free and offered)


def rtl(schedule: Schedule) -> list[dict[str, Any]]:
    """The outputs of each cycle, of those that are specified."""
    trace = play(BusInterface(config=schedule.config), schedule.steps)
    return [{name: found[name] for name in wanted} for found, wanted in zip(trace, schedule.wanted, strict=True)]


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("register", [0, 1, 2])
def test_every_request_once_in_order_and_in_time(stall: float, register: int, seed: int) -> None:
    config = CONFIG.replace(memory_registers=register)
    rng = random.Random(f"{seed} {stall} {register}")
    requests = [draw_request(rng, AddressMap(config)) for _ in range(300)]
    schedule = Schedule(config, rng, requests, stall=stall)
    assert [item for _, item in schedule.taken] == requests
    assert rtl(schedule) == schedule.wanted


@pytest.mark.parametrize("register", [0, 1, 2])
def test_a_reset_ends_the_request_under_way(register: int, seed: int) -> None:
    config = CONFIG.replace(memory_registers=register)
    rng = random.Random(f"{seed} {register}")
    requests = [draw_request(rng, AddressMap(config)) for _ in range(300)]
    schedule = Schedule(config, rng, requests, stall=0.2, resets=set(rng.sample(range(2000), 100)))
    assert rtl(schedule) == schedule.wanted


@pytest.mark.parametrize("register", [0, 2])
def test_memories_with_parity_are_cleared_before_the_first_request(register: int, seed: int) -> None:
    """Every word of them is written after power-up and after a reset."""
    config = CONFIG.replace(memory_registers=register, parity=1)
    rng = random.Random(f"{seed} {register}")
    requests = [draw_request(rng, AddressMap(config)) for _ in range(100)]
    schedule = Schedule(config, rng, requests, stall=0.2, resets=(100, 500))
    trace = play(BusInterface(config=config), schedule.steps)
    for found, wanted in zip(trace, schedule.wanted, strict=True):
        assert {name: found[name] for name in wanted} == wanted
    words = 1 << AddressMap(config).word_bits
    for reset in (100, 500):                            # within the first clearing, and behind some requests
        cleared = [found["word"] for found in trace[reset + 2:][:schedule.clears]]
        assert set(cleared) == set(range(words))


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


@pytest.mark.parametrize("register", [0, 1, 2])
def test_a_write_every_two_cycles(register: int) -> None:
    requests = [Request(Region.WEIGHTS, i % 3, i % 30, i % 3, i) for i in range(50)]
    schedule = Schedule(CONFIG.replace(memory_registers=register), random.Random(0), requests, programs=0.0)
    assert [cycle for cycle, _ in schedule.taken] == [2 * i for i in range(50)]
    found = rtl(schedule)
    assert found == schedule.wanted
    assert [cycle for cycle, outputs in enumerate(found) if outputs["write"]] == [2 * i + 2 for i in range(50)]
