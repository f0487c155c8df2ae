"""The loader: each word of a sequence in order and in time, and transparent requests of the host."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from amaranth.sim import SimulatorContext

from signum.fpga.host.model import Model
from signum.fpga.host.verilate import module_ports
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Region
from signum.hdl.host.write_list_dma import SPRAM_WORDS, LoaderMap, LoaderMemory, LoaderRegister, WriteListDMA
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.cells import verilog_with_spram

CONFIG = ArrayConfig(rows=2, cols=3, lanes=70, tile=2, drain_width=1, acc_bits=8, sum_bits=10, weight_depth=30,
                     activation_depth=20, threshold_depth=8, program_depth=16)
DEPTH = 256


class Host:
    """A loader between a host with random requests and a target with pauses and busy times."""

    def __init__(self, rng: random.Random, requests: Sequence[tuple[int, int | None]], *, stall: float = 0.0,
                 busy: float = 0.0) -> None:
        self.loader = WriteListDMA(config=CONFIG, depth=DEPTH)
        self.rng, self.requests, self.stall, self.busy = rng, requests, stall, busy
        self.writes: list[tuple[int, int, int, bool]] = []      # cycle, address, data, target busy
        self.reads: list[int] = []                              # addresses read from the target
        self.answers: list[int] = []
        self.went: list[bool] = []
        run_testbenches(self.loader, self._drive)

    @staticmethod
    def answer(address: int) -> int:
        return hash(("answer", address)) & 0xffffffff

    async def _drive(self, ctx: SimulatorContext) -> None:
        loader, rng = self.loader, self.rng
        request, response = loader.bus.request, loader.bus.response
        to, back = loader.target.request, loader.target.response
        waiting, offered, before = list(self.requests), None, None
        owed: list[int] = []                                    # reads without a response of the target
        reads = sum(data is None for _, data in waiting)
        idle = 0
        while waiting or offered or len(self.answers) < reads or idle < 8:
            assert len(self.went) < 20_000
            if offered is None and waiting and rng.random() >= self.stall:
                offered = waiting.pop(0)
                address, data = offered
                ctx.set(request.payload, {"write": data is not None, "address": address, "data": data or 0})
            ctx.set(request.valid, offered is not None)
            ctx.set(response.ready, rng.random() >= self.stall)
            ctx.set(loader.target_busy, rng.random() < self.busy)
            ctx.set(to.ready, rng.random() >= self.stall)
            ctx.set(back.valid, bool(owed))
            ctx.set(back.payload, self.answer(owed[0]) if owed else 0)
            now = None
            if ctx.get(to.valid):
                now = (ctx.get(to.p.write), ctx.get(to.p.address), ctx.get(to.p.data))
            # an offered write stays unchanged until it is taken
            assert before is None or now == before
            before = None if ctx.get(to.ready) else now
            if now and ctx.get(to.ready):
                if now[0]:
                    self.writes.append((len(self.went), *now[1:], bool(ctx.get(loader.target_busy))))
                else:
                    self.reads.append(now[1])
            if owed and ctx.get(back.ready):
                owed.pop(0)
            if now and ctx.get(to.ready) and not now[0]:
                owed.append(now[1])
            if ctx.get(response.valid) and ctx.get(response.ready):
                self.answers.append(ctx.get(response.payload))
            if offered is not None and ctx.get(request.ready):
                offered = None
            self.went.append(bool(ctx.get(loader.going)))
            idle = 0 if self.went[-1] or offered or waiting else idle + 1
            await ctx.tick()


def draw_runs(rng: random.Random, regions: Sequence[Region]) -> list[tuple[int, list[int]]]:
    layout = AddressMap(CONFIG)
    return [(layout.address(rng.choice(regions), unit=rng.randrange(2), word=rng.randrange(8)),
             [rng.getrandbits(32) for _ in range(rng.randrange(1, 9))]) for _ in range(rng.randrange(1, 6))]


def sequence(runs: list[tuple[int, list[int]]]) -> list[int]:
    return [word for address, words in runs for word in (len(words), address, *words)] + [0]


def sent(runs: list[tuple[int, list[int]]]) -> list[tuple[int, int]]:
    layout = AddressMap(CONFIG)
    pairs = []
    for address, words in runs:
        for word in words:
            pairs.append((address, word))
            address = layout.following(address)
    return pairs


def written(at: int, words: list[int]) -> list[tuple[int, int | None]]:
    return [(LoaderMap.word(at + i), word) for i, word in enumerate(words)]


BEGIN = LoaderMap.register(LoaderRegister.BEGIN)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("busy", [0.0, 0.5])
def test_sequences_are_sent_while_the_host_goes_by(stall: float, busy: float, seed: int) -> None:
    rng = random.Random(f"{seed} {stall} {busy}")
    runs = draw_runs(rng, list(Region))
    at = rng.randrange(DEPTH - len(sequence(runs)))
    own = [(AddressMap(CONFIG).address(Region.PROGRAM, word=rng.randrange(16)), rng.choice([None, rng.getrandbits(32)]))
           for _ in range(30)]
    host = Host(rng, [*written(at, sequence(runs)), (BEGIN, at), *own], stall=stall, busy=busy)
    theirs = [pair for pair in own if pair[1] is not None]
    addresses = {address for address, _ in sent(runs)}
    seen = [(address, data) for _, address, data, _ in host.writes]
    assert sorted(seen) == sorted(sent(runs) + theirs)
    if not addresses & {address for address, _ in theirs}:
        assert [pair for pair in seen if pair[0] in addresses] == sent(runs)
        assert [pair for pair in seen if pair[0] not in addresses] == theirs
        for _, address, _, was_busy in host.writes:
            weights = AddressMap(CONFIG).decode(address).region == Region.WEIGHTS
            assert stall or not was_busy or weights or address not in addresses
    assert host.answers == [Host.answer(address) for address, data in own if data is None]


def test_a_word_takes_two_cycles_and_a_run_begins_with_two_words(seed: int) -> None:
    rng = random.Random(seed)
    runs = draw_runs(rng, [Region.WEIGHTS])
    host = Host(rng, [*written(0, sequence(runs)), (BEGIN, 0)], busy=0.7)
    assert [(address, data) for _, address, data, _ in host.writes] == sent(runs)
    assert sum(host.went) == 2 * len(sequence(runs))


def test_only_weights_are_sent_to_a_busy_target(seed: int) -> None:
    rng = random.Random(seed)
    others = [region for region in Region if region != Region.WEIGHTS]
    runs = draw_runs(rng, [Region.WEIGHTS]) + draw_runs(rng, others)
    host = Host(rng, [*written(0, sequence(runs)), (BEGIN, 0)], busy=0.5)
    layout = AddressMap(CONFIG)
    waited = [busy for _, address, _, busy in host.writes if layout.decode(address).region != Region.WEIGHTS]
    went = [busy for _, address, _, busy in host.writes if layout.decode(address).region == Region.WEIGHTS]
    assert waited
    assert not any(waited)
    assert len(went) < 8 or any(went)


def test_the_memory_and_the_registers_are_read(seed: int) -> None:
    rng = random.Random(seed)
    words = [rng.getrandbits(32) for _ in range(20)]
    reads = [(LoaderMap.word(i), None) for i in range(20)]
    registers = [(LoaderMap.register(LoaderRegister.DEPTH), None), (BEGIN, None)]
    inner = (AddressMap(CONFIG).address(Region.REGISTERS), None)
    host = Host(rng, [*written(0, words), inner, *reads, *registers, inner], stall=0.3)
    assert host.answers == [Host.answer(0), *words, DEPTH, 0, Host.answer(0)]


def test_reading_the_memory_does_not_disturb_a_sequence(seed: int) -> None:
    rng = random.Random(seed)
    runs = draw_runs(rng, [Region.PROGRAM]) + draw_runs(rng, [Region.PROGRAM])
    words = sequence(runs)
    reads = [(LoaderMap.word(rng.randrange(len(words))), None) for _ in range(40)]
    host = Host(rng, [*written(0, words), (BEGIN, 0), (BEGIN, None), *reads, (BEGIN, None)], stall=0.2)
    assert [(address, data) for _, address, data, _ in host.writes] == sent(runs)
    assert host.answers == [1, *(words[address - LoaderMap.word(0)] for address, _ in reads), 0]


def test_beginning_ends_what_goes_on(seed: int) -> None:
    rng = random.Random(seed)
    long, short = [(0, list(range(1, 100)))], draw_runs(rng, [Region.PROGRAM])
    requests = [*written(0, sequence(long)), *written(128, sequence(short)), (BEGIN, 0)]
    host = Host(rng, [*requests, *[(0, None)] * 5, (BEGIN, 128)], stall=0.2)
    seen = [(address, data) for _, address, data, _ in host.writes]
    cut = len(seen) - len(sent(short))
    assert 0 < cut < 99
    assert seen == sent(long)[:cut] + sent(short)


@pytest.mark.parametrize("depth", [0, 1, 3, 100, "8"])
def test_depths(depth: Any) -> None:
    with pytest.raises(ValueError, match=rf"^depth must be a power of two of at least 2, not {depth!r}$"):
        WriteListDMA(config=CONFIG, depth=depth)


@pytest.mark.parametrize("depth", [1 << 10, SPRAM_WORDS, 2 * SPRAM_WORDS])
def test_single_port_rams_are_the_same_memory(depth: int, seed: int) -> None:
    rng = random.Random(seed)
    verilog = verilog_with_spram(LoaderMemory(depth=depth, spram=True), "memory")
    assert verilog.count("SB_SPRAM256KA ") - 1 == 2 * -(-depth // SPRAM_WORDS)
    assert module_ports(verilog, "memory")["address"].width == (depth - 1).bit_length()
    held: dict[int, int] = {}
    places = [rng.randrange(depth) for _ in range(20)]
    with Model(verilog, "memory") as model:
        for _ in range(600):
            address, data, write = rng.choice(places), rng.getrandbits(32), rng.random() < 0.5
            model["address"], model["data"], model["write"] = address, data, write
            model.run(1)
            if write:
                held[address] = data
            elif address in held:
                assert model["word"] == held[address]
    assert len(held) == len(set(places))
