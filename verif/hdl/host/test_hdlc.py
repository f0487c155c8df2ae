"""Framing after RFC 1662: bytes by hand, and frames through the encoder and the decoder, with stalls."""

import random
from itertools import pairwise

import pytest
from amaranth.hdl import ClockDomain, Module

from signum.hdl.host.hdlc import HDLCDecoder, HDLCEncoder
from signum.verif.bench.amaranth_simulation import run_testbenches


def decoded(line: bytes, *, ready: float = 1.0, seed: int = 1) -> list[tuple[int, int, int]]:
    """What the decoder gives for bytes of a line: byte, end, whole."""
    unit, rng, found = HDLCDecoder(), random.Random(seed), []

    async def bench(ctx):
        for byte in line:
            ctx.set(unit.i.payload, byte)
            ctx.set(unit.i.valid, 1)
            taken = 0
            while not taken:
                ctx.set(unit.o.ready, rng.random() < ready)
                *_, taken, valid, here, item = await ctx.tick().sample(unit.i.ready, unit.o.valid, unit.o.ready,
                                                                       unit.o.payload)
                assert taken == (here or byte == 0x7D), "an escape waits for nothing"
                if valid and here:
                    found.append((item.byte, item.end, item.whole))
        ctx.set(unit.i.valid, 0)
        ctx.set(unit.o.ready, 1)
        *_, valid = await ctx.tick().sample(unit.o.valid)
        assert not valid

    run_testbenches(unit, bench)
    return found


def encoded(frames: list[bytes], *, ready: float = 1.0, offered: float = 1.0, seed: int = 1) -> tuple[bytes, list[int]]:
    """The line's bytes of frames, and the cycle in which each was taken."""
    unit, rng = HDLCEncoder(), random.Random(seed)
    found, cycles = bytearray(), []
    waiting = [(byte, i == len(frame) - 1) for frame in frames for i, byte in enumerate(frame)]

    async def bench(ctx):
        cycle = idle = 0
        held = False
        while idle < 8:
            held = bool(waiting) and (held or rng.random() < offered)
            ctx.set(unit.i.valid, held)
            if held:
                ctx.set(unit.i.p.byte, waiting[0][0])
                ctx.set(unit.i.p.last, waiting[0][1])
            ctx.set(unit.o.ready, rng.random() < ready)
            *_, taken, valid, here, item = await ctx.tick().sample(unit.i.ready, unit.o.valid, unit.o.ready,
                                                                   unit.o.payload)
            if held and taken:
                waiting.pop(0)
                held = False
            if valid and here:
                found.append(item.byte)
                cycles.append(cycle)
                assert item.last == (item.byte == 0x7E)
            idle = 0 if waiting or valid else idle + 1
            cycle += 1

    run_testbenches(unit, bench)
    return bytes(found), cycles


@pytest.mark.parametrize("ready", [1.0, 0.4])
def test_every_byte_plain_and_escaped(ready: float) -> None:
    """An escape flips bit 5 of any byte behind it; a flag ends a frame, whole unless an escape is before it."""
    others = [byte for byte in range(256) if byte != 0x7D]
    assert decoded(bytes(others), ready=ready) == [(byte, byte == 0x7E, 1) for byte in others]
    assert decoded(b"".join(bytes([0x7D, byte]) for byte in others), ready=ready) == [
        (byte ^ 0x20, byte == 0x7E, 0) for byte in others]


def test_flags_and_escapes_alone_are_escaped() -> None:
    line, _ = encoded([bytes(range(256))])
    escaped = {byte: bytes([byte]) for byte in range(256)} | {0x7D: b"\x7d\x5d", 0x7E: b"\x7d\x5e"}
    assert line == b"".join(escaped[byte] for byte in range(256)) + b"\x7e"


def test_a_reset_forgets_an_escape() -> None:
    unit = HDLCDecoder()

    async def bench(ctx):
        ctx.set(unit.i.valid, 1)
        ctx.set(unit.o.ready, 1)
        ctx.set(unit.i.payload, 0x7D)
        await ctx.tick()
        ctx.set(unit.i.valid, 0)
        ctx.set(domain.rst, 1)
        await ctx.tick()
        ctx.set(domain.rst, 0)
        ctx.set(unit.i.valid, 1)
        ctx.set(unit.i.payload, 0x31)
        *_, item = await ctx.tick().sample(unit.o.payload)
        assert (item.byte, item.whole) == (0x31, 1)

    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.unit = unit
    run_testbenches(m, bench)


def test_an_escape_counts_once() -> None:
    assert decoded(bytes([0x7D, 0x5D, 0x5D, 0x7D, 0x5E, 0x7E])) == [
        (0x7D, 0, 0), (0x5D, 0, 1), (0x7E, 0, 0), (0x7E, 1, 1)]


def test_frames_by_hand() -> None:
    line, cycles = encoded([bytes([1, 0x7E, 0x7D, 0x5E]), bytes([0x7D]), bytes([0])])
    assert line == bytes([1, 0x7D, 0x5E, 0x7D, 0x5D, 0x5E, 0x7E, 0x7D, 0x5D, 0x7E, 0, 0x7E])
    # a byte in two cycles, an escape before it and a flag behind it a cycle more
    assert [b - a for a, b in pairwise(cycles)] == [2, 1, 2, 1, 2, 1, 2, 1, 1, 2, 1]


@pytest.mark.parametrize(("ready", "offered"), [(1.0, 1.0), (0.4, 1.0), (1.0, 0.4), (0.5, 0.5)])
def test_frames_there_and_back(ready: float, offered: float, seed: int) -> None:
    rng = random.Random(seed)
    frames = [bytes(rng.choices([0, 0x5D, 0x5E, 0x7D, 0x7E, 0xFF], k=rng.randint(1, 9))) for _ in range(40)]
    line, _ = encoded(frames, ready=ready, offered=offered, seed=seed)
    pieces, begun = [], bytearray()
    for byte, end, _ in decoded(line, ready=ready, seed=seed):
        if end:
            pieces.append(bytes(begun))
            begun.clear()
        else:
            begun.append(byte)
    assert pieces == frames
    assert not begun
