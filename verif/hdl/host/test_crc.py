"""The CRC of frames, in both forms, against zlib's."""

import random
import zlib

import pytest

from signum.hdl.host.crc import FrameCRC
from signum.verif.bench.amaranth_simulation import run_testbenches


def registers(data: list[int | None], *, serial: bool, seed: int = 1) -> list[tuple[int, int]]:
    """``crc`` and ``match`` behind each byte, and after a pause behind some; None begins anew."""
    unit, rng, found = FrameCRC(serial=serial), random.Random(seed), []

    async def bench(ctx):
        for byte in data:
            ctx.set(unit.start, byte is None)
            ctx.set(unit.valid, byte is not None)
            if byte is None:
                await ctx.tick()
                continue
            ctx.set(unit.data, byte)
            cycles = 1
            await ctx.tick().until(unit.ready)
            ctx.set(unit.valid, 0)
            while not ctx.get(unit.ready):
                await ctx.tick()
                cycles += 1
            assert cycles == (9 if serial else 1)
            found.append((ctx.get(unit.crc), ctx.get(unit.match)))
            if rng.random() < 0.3:
                ctx.set(unit.data, rng.getrandbits(8))      # not valid
                await ctx.tick().repeat(rng.randint(1, 3))
                assert (ctx.get(unit.crc), ctx.get(unit.match)) == found[-1]

    run_testbenches(unit, bench)
    return found


@pytest.mark.parametrize("serial", [False, True])
def test_bytes_and_their_crc(serial: bool, seed: int) -> None:
    """Frame after frame, each with its CRC; what is in the register before a start is forgotten."""
    rng = random.Random(seed)
    data = [rng.randbytes(length) for length in (1, 2, 9, 40, *([3] * 20))]
    frames = [part + zlib.crc32(part).to_bytes(4, "little") for part in data]
    found = registers([byte for frame in frames for byte in (None, *frame)], serial=serial, seed=seed)
    assert [crc ^ 0xFFFF_FFFF for crc, _ in found] == [
        zlib.crc32(frame[:i + 1]) for frame in frames for i in range(len(frame))]
    assert [match for _, match in found] == [i == len(frame) - 1 for frame in frames for i in range(len(frame))]


def test_a_start_overrides_a_byte_under_way() -> None:
    unit = FrameCRC(serial=True)

    async def bench(ctx):
        ctx.set(unit.valid, 1)
        ctx.set(unit.data, 0xA5)
        await ctx.tick()
        ctx.set(unit.valid, 0)
        await ctx.tick().repeat(3)
        ctx.set(unit.start, 1)
        await ctx.tick()
        ctx.set(unit.start, 0)
        assert ctx.get(unit.ready)
        assert ctx.get(unit.crc) == 0xFFFF_FFFF
        await ctx.tick().repeat(10)
        assert ctx.get(unit.crc) == 0xFFFF_FFFF

    run_testbenches(unit, bench)
