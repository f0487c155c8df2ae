"""The boot loader: the writes of a whole image, no write of any other, and the requests of the host."""

import random
import struct

import pytest
from amaranth.sim import Simulator

from signum.fpga.flow.boot_image import BootImageError, boot_writes
from signum.hdl.boot.boot_loader import CRC, BootLoader, BootStatus, fingerprint
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Region
from signum.verif.bench.flash import Flash

CONFIG = ArrayConfig.preset("tiny")
LAYOUT = AddressMap(CONFIG)
WAKE_CYCLES = 5
ADDRESS = 0x40


def image_of(rng: random.Random, runs: int = 2) -> bytes:
    body: list[int] = []
    for _ in range(runs):
        count = rng.randrange(1, 4)
        region = rng.choice([Region.PROGRAM, Region.WEIGHTS, Region.ALL_THRESHOLDS])
        start = LAYOUT.address(region, word=rng.randrange(9))
        body += [count, start, *(rng.getrandbits(32) for _ in range(count))]
    words = [fingerprint(CONFIG), len(body) + 1, *body, 0]
    return struct.pack(f">{len(words) + 1}I", *words, CRC.compute(words))


def boot(content: bytes, rng: random.Random, stall: float = 0.0) -> tuple[BootStatus, list[tuple[int, int]], list[int]]:
    """The status in the end, the writes, and the words that the host read afterwards."""
    loader = BootLoader(config=CONFIG, address=ADDRESS, wake_cycles=WAKE_CYCLES)
    flash = Flash(bytes(ADDRESS) + content, WAKE_CYCLES)
    writes: list[tuple[int, int]] = []
    answers: list[int] = []
    states: list[int] = []

    async def serve(ctx):
        await flash.serve(ctx, loader)

    async def accelerator(ctx):
        request, response = loader.target.request, loader.target.response
        while True:
            ctx.set(request.ready, rng.random() >= stall)
            *_, valid, ready, item = await ctx.tick().sample(request.valid, request.ready, request.payload)
            if valid and ready and item.write:
                writes.append((item.address, item.data))
            elif valid and ready:
                ctx.set(request.ready, 0)
                ctx.set(response.payload, item.address * 3)
                ctx.set(response.valid, 1)
                await ctx.tick().until(response.ready)
                ctx.set(response.valid, 0)

    async def host(ctx):
        """Reads from the beginning on: the answer comes once the boot has ended."""
        request, response = loader.bus.request, loader.bus.response
        for address in (5, 9):
            ctx.set(request.payload, {"write": 0, "address": address, "data": 0})
            ctx.set(request.valid, 1)
            await ctx.tick().until(request.ready)
            ctx.set(request.valid, 0)
            ctx.set(response.ready, 1)
            answer, = await ctx.tick().sample(response.payload).until(response.valid)
            answers.append(answer)
            states.append(ctx.get(loader.status))
            ctx.set(response.ready, 0)

    simulator = Simulator(loader)
    simulator.add_clock(1e-6)
    simulator.add_testbench(serve, background=True)
    simulator.add_testbench(accelerator, background=True)
    simulator.add_testbench(host)
    simulator.run_until(0.05)
    assert answers == [15, 27]
    return BootStatus(states[-1]), writes, answers


@pytest.mark.parametrize("stall", [0.0, 0.9])
def test_the_writes_of_a_whole_image(stall, seed):
    rng = random.Random(seed)
    image = image_of(rng, runs=4)
    status, writes, _ = boot(image + rng.randbytes(20), rng, stall)
    assert status == BootStatus.RUNNING
    assert writes == boot_writes(image, CONFIG)


def test_no_write_of_a_damaged_image(seed):
    """Flips of single bits everywhere, several at once, and cuts."""
    rng = random.Random(seed)
    image = image_of(rng)
    bits = sorted({0, 31, 32, 63, 64, 8 * len(image) - 1, *(rng.randrange(8 * len(image)) for _ in range(8))})
    for bit in bits:
        broken = bytearray(image)
        broken[bit // 8] ^= 0x80 >> bit % 8
        if bit in range(32, 56):
            continue                        # a length of hundreds of words takes long
        status, writes, _ = boot(bytes(broken), rng)
        assert (status, writes) == (BootStatus.FOREIGN if bit < 32 else BootStatus.DAMAGED, [])
        with pytest.raises(BootImageError):
            boot_writes(bytes(broken), CONFIG)
    for length in (4, 8, len(image) - 4, len(image) - 1):
        if length == 4:
            continue
        status, writes, _ = boot(image[:length], rng)
        assert (status, writes) == (BootStatus.DAMAGED, [])


@pytest.mark.parametrize("content", [
    b"\xFF" * 64, bytes(64), struct.pack(">3I", fingerprint(CONFIG.replace(cols=4)), 1, 0)],
    ids=["erased", "zeros", "another array"])
def test_a_foreign_image(content, seed):
    status, writes, _ = boot(content, random.Random(seed))
    assert (status, writes) == (BootStatus.FOREIGN, [])
