"""Write lists from a flash: each word of a sequence in order and in time, and the requests of the host."""

import itertools
import random
import re

import pytest

from signum.hdl.boot.flash_reader import DESELECT_CYCLES
from signum.hdl.boot.flash_write_list import FlashWriteListDMA
from signum.hdl.host.bus import AddressMap, Region
from signum.hdl.host.write_list_dma import LoaderMap, LoaderRegister
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.flash import Flash
from signum.verif.hdl.host.test_write_list_dma import CONFIG, draw_runs, sent, sequence

DEPTH = 256
ADDRESS = 4 * DEPTH
WAKE_CYCLES = 30
BEGIN, DEPTH_AT = LoaderMap.register(LoaderRegister.BEGIN), LoaderMap.register(LoaderRegister.DEPTH)
INNER = AddressMap(CONFIG).address(Region.REGISTERS)


class Board:
    """A write list in a flash between a host and a target, with stalls and busy times."""

    def __init__(self, words: list[int], rng: random.Random, *, lines: int = 1, stall: float = 0.0,
                 busy: float = 0.0) -> None:
        content = bytes(ADDRESS) + b"".join(word.to_bytes(4, "big") for word in words)
        self.dma = FlashWriteListDMA(config=CONFIG, depth=DEPTH, address=ADDRESS, wake_cycles=WAKE_CYCLES, lines=lines)
        self.flash = Flash(content, WAKE_CYCLES)
        self.rng, self.stall, self.busy = rng, stall, busy
        self.writes: list[tuple[int, int]] = []
        self.when: list[int] = []
        self.cycles = 0

    def run(self, bench):
        """Run a bench with ``ctx`` and the board."""
        async def main(ctx):
            ctx.set(self.dma.whole, 1)
            await bench(ctx, self)

        async def serve(ctx):
            await self.flash.serve(ctx, self.dma)

        run_testbenches(self.dma, main, background=[serve, self._target])
        assert not self.flash.ignored
        assert min(self.flash.pauses) >= DESELECT_CYCLES

    async def _target(self, ctx):
        request, response = self.dma.target.request, self.dma.target.response
        offered = None
        while True:
            ctx.set(request.ready, self.rng.random() >= self.stall)
            ctx.set(self.dma.target_busy, self.rng.random() < self.busy)
            *_, valid, ready, item = await ctx.tick().sample(request.valid, request.ready, request.payload)
            self.cycles += 1
            now = (item.write, item.address, item.data) if valid else None
            assert offered in {None, now}
            offered = now if valid and not ready else None
            if valid and ready and item.write:
                self.writes.append((item.address, item.data))
                self.when.append(self.cycles)
            elif valid and ready:
                ctx.set(request.ready, 0)
                ctx.set(response.payload, item.address * 3 + 1)
                ctx.set(response.valid, 1)
                await ctx.tick().until(response.ready)
                ctx.set(response.valid, 0)

    async def write(self, ctx, address, data):
        request = self.dma.bus.request
        ctx.set(request.payload, {"write": 1, "address": address, "data": data})
        ctx.set(request.valid, 1)
        await ctx.tick().until(request.ready)
        ctx.set(request.valid, 0)

    async def read(self, ctx, address):
        request, response = self.dma.bus.request, self.dma.bus.response
        ctx.set(request.payload, {"write": 0, "address": address, "data": 0})
        ctx.set(request.valid, 1)
        await ctx.tick().until(request.ready)
        ctx.set(request.valid, 0)
        ctx.set(response.ready, 1)
        word, = await ctx.tick().sample(response.payload).until(response.valid)
        ctx.set(response.ready, 0)
        return word

    async def finish(self, ctx):
        while await self.read(ctx, BEGIN):
            pass


@pytest.mark.parametrize("lines", [1, 4])
@pytest.mark.parametrize("busy", [0.0, 0.5])
def test_a_sequence_beside_the_requests_of_the_host(lines, busy, seed):
    rng = random.Random(seed)
    runs = draw_runs(rng, list(Region))
    at = rng.randrange(DEPTH - len(sequence(runs)))
    board = Board([0] * at + sequence(runs), rng, lines=lines, stall=0.5, busy=busy)
    place = AddressMap(CONFIG).address(Region.PROGRAM, word=15)
    assert place not in {address for address, _ in sent(runs)}
    own = [(place, rng.getrandbits(32)) for _ in range(10)]

    async def bench(ctx, board):
        await board.write(ctx, BEGIN, at)
        for address, data in own:
            for _ in range(rng.randrange(100)):
                await ctx.tick()
            await board.write(ctx, address, data)
            assert await board.read(ctx, INNER) == INNER * 3 + 1
        await board.finish(ctx)

    board.run(bench)
    assert [write for write in board.writes if write[0] == place] == own
    assert [write for write in board.writes if write[0] != place] == sent(runs)


@pytest.mark.parametrize(("lines", "cycles"), [(1, 65), (4, 17)])
def test_the_rate(lines, cycles, seed):
    rng = random.Random(seed)
    runs = [(AddressMap(CONFIG).address(Region.WEIGHTS), [rng.getrandbits(32) for _ in range(20)])]
    board = Board(sequence(runs), rng, lines=lines)

    async def bench(ctx, board):
        for _ in range(WAKE_CYCLES + 50):
            await ctx.tick()
        began = board.cycles
        await board.write(ctx, BEGIN, 0)
        await board.finish(ctx)
        assert board.writes == sent(runs)
        assert {after - before for before, after in itertools.pairwise(board.when)} == {cycles}
        # the first word, the address, and the flash that is not selected before
        first = DESELECT_CYCLES + 3 + 2 * (40 + 32 // lines) + 2 * cycles
        assert first - DESELECT_CYCLES <= board.when[0] - began <= first

    board.run(bench)


@pytest.mark.parametrize("lines", [1, 4])
def test_words_and_registers_are_read(lines, seed):
    rng = random.Random(seed)
    words = [rng.getrandbits(32) for _ in range(DEPTH)]
    board = Board(words, rng, lines=lines, stall=0.3)

    async def bench(ctx, board):
        for at in rng.sample(range(DEPTH), 6):
            assert await board.read(ctx, LoaderMap.word(at)) == words[at]
            assert await board.read(ctx, DEPTH_AT) == DEPTH
            assert await board.read(ctx, INNER) == INNER * 3 + 1
            await board.write(ctx, LoaderMap.word(at), 0)           # of no effect
            assert await board.read(ctx, BEGIN) == 0
            assert await board.read(ctx, LoaderMap.word(at)) == words[at]
        ctx.set(board.dma.whole, 0)
        assert await board.read(ctx, DEPTH_AT) == 0

    board.run(bench)
    assert not board.writes


def test_a_read_and_a_beginning_end_a_sequence(seed):
    rng = random.Random(seed)
    long, short = [(0, list(range(1, 30)))], draw_runs(rng, [Region.PROGRAM])
    words = sequence(long)
    board = Board(words + sequence(short), rng, lines=4)

    async def bench(ctx, board):
        for ends in (BEGIN, LoaderMap.word(5)):
            board.writes.clear()
            await board.write(ctx, BEGIN, 0)
            while len(board.writes) < 3:
                await ctx.tick()
            for _ in range(rng.randrange(40)):
                await ctx.tick()
            if ends == BEGIN:
                await board.write(ctx, BEGIN, len(words))
                await board.finish(ctx)
            else:
                assert await board.read(ctx, ends) == words[5]
                assert await board.read(ctx, BEGIN) == 0
            cut = len(board.writes) - (len(sent(short)) if ends == BEGIN else 0)
            assert 3 <= cut < 29
            assert board.writes == sent(long)[:cut] + (sent(short) if ends == BEGIN else [])

    board.run(bench)


@pytest.mark.parametrize(("values", "message"), [
    ({"depth": 100}, "depth must be a power of two of at least 2, not 100"),
    ({"address": ADDRESS + 4}, "word_bits must be 0 to 22, and address a multiple of so many words, not 8 and 1028"),
])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FlashWriteListDMA(**{"config": CONFIG, "depth": DEPTH, "address": ADDRESS, "wake_cycles": 3, **values})
