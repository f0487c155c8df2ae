"""The boot loader: the writes of a whole image, no write of any other, and the requests of the host."""

import random
import struct

import pytest

from signum.fpga.flow.boot_image import BootImageError, boot_writes, list_depth, list_image
from signum.hdl.boot.boot_loader import CRC, LENGTH_BITS, BootLoader, BootStatus, fingerprint
from signum.hdl.boot.flash_reader import DESELECT_CYCLES
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Region
from signum.verif.bench.amaranth_simulation import simulator_with
from signum.verif.bench.boot_model import EndlessError, booted
from signum.verif.bench.flash import FAST_READ, QUAD_READ, WAKE, Flash

CONFIG = ArrayConfig.preset("tiny")
LAYOUT = AddressMap(CONFIG)
WAKE_CYCLES = 30
ADDRESS = 0x40
LONG = 8
"""Bits of a length from here on up to its end make reads of a million cycles."""


def image_of(rng: random.Random, runs: int = 2, words: int = 4) -> bytes:
    body: list[int] = []
    for _ in range(runs):
        count = rng.randrange(1, words)
        region = rng.choice([Region.PROGRAM, Region.WEIGHTS, Region.ALL_THRESHOLDS])
        start = LAYOUT.address(region, word=rng.randrange(9))
        body += [count, start, *(rng.getrandbits(32) for _ in range(count))]
    found = [fingerprint(CONFIG), len(body) + 1, *body, 0]
    return struct.pack(f">{len(found) + 1}I", *found, CRC.compute(found))


def flipped(image: bytes, bits: list[int]) -> bytes:
    broken = bytearray(image)
    for bit in bits:
        broken[bit // 8] ^= 0x80 >> bit % 8
    return bytes(broken)


class Board:
    """A boot loader between a flash, a host and a target; each boot begins with a reset."""

    def __init__(self, lines: int = 1, depth: int = 0) -> None:
        self.loader = BootLoader(config=CONFIG, address=ADDRESS, wake_cycles=WAKE_CYCLES, lines=lines, depth=depth)
        self.simulator = simulator_with(self.loader, self._host, background=[self._flash, self._target])
        self.booted = False

    def boot(self, content: bytes, rng: random.Random, stall: float = 0.0) -> tuple[BootStatus, list[tuple[int, int]]]:
        """The status in the end and the writes, once the host's requests have been answered."""
        self.flash = Flash(bytes(ADDRESS) + content, WAKE_CYCLES)
        self.rng, self.stall = rng, stall
        self.writes: list[tuple[int, int]] = []
        self.answers: list[int] = []
        self.cycles = 0
        if self.booted:
            self.simulator.reset()
        self.booted = True
        self.simulator.run()
        assert self.answers == [15, 27]
        assert min(self.flash.pauses) >= DESELECT_CYCLES
        assert not self.flash.ignored
        return BootStatus(self.status), self.writes

    async def _flash(self, ctx):
        await self.flash.serve(ctx, self.loader)

    async def _target(self, ctx):
        request, response = self.loader.target.request, self.loader.target.response
        while True:
            ctx.set(request.ready, self.rng.random() >= self.stall)
            *_, valid, ready, item = await ctx.tick().sample(request.valid, request.ready, request.payload)
            self.cycles += 1
            if valid and ready and item.write:
                self.writes.append((item.address, item.data))
            elif valid and ready:
                ctx.set(request.ready, 0)
                ctx.set(response.payload, item.address * 3)
                ctx.set(response.valid, 1)
                await ctx.tick().until(response.ready)
                ctx.set(response.valid, 0)

    async def _host(self, ctx):
        """Reads from the beginning on: the answer comes once the boot has ended."""
        request, response = self.loader.bus.request, self.loader.bus.response
        for address in (5, 9):
            ctx.set(request.payload, {"write": 0, "address": address, "data": 0})
            ctx.set(request.valid, 1)
            await ctx.tick().until(request.ready)
            self.status = ctx.get(self.loader.status)
            ctx.set(request.valid, 0)
            ctx.set(response.ready, 1)
            answer, = await ctx.tick().sample(response.payload).until(response.valid)
            self.answers.append(answer)
            ctx.set(response.ready, 0)


@pytest.fixture(scope="module", name="board")
def made() -> Board:
    return Board()


@pytest.mark.parametrize("lines", [1, 4])
@pytest.mark.parametrize("stall", [0.0, 0.9])
def test_the_writes_of_a_whole_image(lines, stall, seed):
    rng = random.Random(seed)
    image = image_of(rng, runs=4)
    board = Board(lines)
    status, writes = board.boot(image + rng.randbytes(20), rng, stall)
    assert status == BootStatus.RUNNING
    assert writes == boot_writes(image, CONFIG)
    assert board.flash.commands == [WAKE] + 2 * [FAST_READ if lines == 1 else QUAD_READ]


@pytest.mark.parametrize("lines", [1, 4])
def test_write_lists_are_checked_once_and_not_written(lines, seed):
    rng = random.Random(seed)
    words = [rng.getrandbits(32) for _ in range(rng.randrange(1, 20))]
    image, depth = list_image(words, CONFIG), list_depth(words)
    board = Board(lines, depth)
    assert board.boot(image + rng.randbytes(20), rng) == (BootStatus.RUNNING, [])
    assert board.flash.commands == [WAKE, FAST_READ if lines == 1 else QUAD_READ]
    for _ in range(8):
        broken = flipped(image, [rng.randrange(64, 8 * len(image))])
        assert board.boot(broken, rng) == (BootStatus.DAMAGED, [])
    # a program, and lists for a board that reads more of them
    for foreign in (image_of(rng), list_image([0] * depth, CONFIG)):
        assert board.boot(foreign, rng) == (BootStatus.FOREIGN, [])


def test_no_write_of_an_image_with_a_wrong_bit(board, seed):
    """Every bit but those of the length that make it a thousand times as long."""
    rng = random.Random(seed)
    image = image_of(rng, runs=1, words=2)
    long = range(64 - LENGTH_BITS, 64 - LONG)
    for bit in set(range(8 * len(image))) - set(long):
        broken = flipped(image, [bit])
        assert board.boot(broken, rng) == (BootStatus.FOREIGN if bit < 32 else BootStatus.DAMAGED, []), bit
        with pytest.raises(BootImageError):
            boot_writes(broken, CONFIG)


def test_no_write_of_an_image_with_several_wrong_bits(board, seed):
    rng = random.Random(seed)
    for _ in range(40):
        image = image_of(rng)
        broken = flipped(image, rng.sample(range(64, 8 * len(image)), rng.randrange(2, 20)))
        assert board.boot(broken, rng) == (BootStatus.DAMAGED, [])


def test_no_write_of_a_cut_image(board, seed):
    """At every byte; erased flash follows, or the end of a former image."""
    rng = random.Random(seed)
    image = image_of(rng, runs=1)
    for length in range(8, len(image)):
        for rest in (b"", rng.randbytes(len(image))):
            assert board.boot(image[:length] + rest, rng) == (BootStatus.DAMAGED, [])


def test_the_rate_of_a_boot(board, seed):
    """Two passes, of 65 cycles a word."""
    rng = random.Random(seed)
    image = image_of(rng, runs=3)
    board.boot(image, rng)
    start = 2 * 8 + WAKE_CYCLES + 2 * (DESELECT_CYCLES + 2 * 40)
    assert 0 <= board.cycles - start - 2 * 65 * len(image) // 4 < 60


@pytest.mark.slow
def test_images_with_the_right_crc_and_wrong_words(board, seed):
    """Of every status; the model of the fuzzers makes the same writes."""
    rng = random.Random(seed)
    found = set()
    for _ in range(50):
        image = image_of(rng, runs=rng.randrange(3))
        words = list(struct.unpack(f">{len(image) // 4}I", image))[:-1]
        for _ in range(rng.randrange(4)):
            at = rng.randrange(2, len(words))
            words[at] = rng.choice([0, 1, 2, words[at] + 1 & 0xFFFF_FFFF, 1 << LENGTH_BITS | 1])
        if rng.random() < 0.3:
            words[1] += rng.choice([-1, 1, 1 << LENGTH_BITS])
        content = struct.pack(f">{len(words) + 1}I", *words, CRC.compute(words)) + bytes(rng.choice([0, 3, 40]))
        try:
            status, writes = booted(content, CONFIG)
        except EndlessError:
            continue
        assert board.boot(content, rng) == (status, writes)
        found.add((status, bool(writes)))
        try:
            assert boot_writes(content, CONFIG) == writes
        except BootImageError:
            continue
        assert status == BootStatus.RUNNING
    assert found >= {(BootStatus.RUNNING, True), (BootStatus.DAMAGED, False), (BootStatus.DAMAGED, True)}


@pytest.mark.parametrize("content", [
    b"\xFF" * 64, bytes(64), struct.pack(">3I", fingerprint(CONFIG.replace(cols=4)), 1, 0)],
    ids=["erased", "zeros", "another array"])
def test_a_foreign_image(board, content, seed):
    assert board.boot(content, random.Random(seed)) == (BootStatus.FOREIGN, [])
