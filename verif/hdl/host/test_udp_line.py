"""The line over UDP beside a core: random datagrams of every kind, against a list of those that must come through."""

import random
import re
from dataclasses import dataclass

import pytest
from amaranth.sim import SimulatorContext

from signum.hdl.host.hdlc import FLAG
from signum.hdl.host.udp_line import LEAST_BYTES, MOST_BYTES, WORD, UDPLine
from signum.verif.bench.amaranth_simulation import run_testbenches

HOST = {"address": 0xC0A80101, "port": 40_000}


@dataclass
class Datagram:
    """What a core brings: the bytes of its words, its length as told, and whether it is invalid."""

    data: bytes
    length: int
    error: bool = False

    def words(self) -> list[dict[str, int]]:
        ends = range(0, max(1, len(self.data)), WORD)
        return [{"data": int.from_bytes(self.data[at:at + WORD], "little"), "last": at == ends[-1],
                 "last_byte": 1 << len(self.data[at:at + WORD]) - 1 if at == ends[-1] and self.data else 0,
                 "error": self.error and at == ends[-1], "length": self.length, **HOST} for at in ends]

    @property
    def whole(self) -> bool:
        last = (len(self.data) - 1) // WORD * WORD
        return not self.error and last < self.length <= len(self.data) <= MOST_BYTES


def draw(rng: random.Random) -> Datagram:
    size = rng.choice([1, 2, 3, 4, 5, 8, 30, 100, MOST_BYTES - 1, MOST_BYTES, MOST_BYTES + 1, 3000])
    return Datagram(rng.randbytes(size), size + rng.choice([0, 0, 0, 0, 0, -1, -2, -5, 1]), rng.random() < 0.1)


def test_datagrams_of_a_host(seed: int) -> None:
    """Those that are whole come through in order, byte for byte; all others are dropped."""
    rng = random.Random(seed)
    datagrams = [draw(rng) for _ in range(30)]
    line = UDPLine()
    expected = b"".join(each.data[:each.length] for each in datagrams if each.whole)
    found = bytearray()

    async def core(ctx: SimulatorContext) -> None:
        for datagram in datagrams:
            # in time for the line, which is read at half the rate or more
            await ctx.tick().repeat(2 * MOST_BYTES)
            for word in datagram.words():
                ctx.set(line.received.payload, word)
                ctx.set(line.received.valid, 1)
                await ctx.tick()
                ctx.set(line.received.valid, 0)
                if rng.random() < 0.1:
                    await ctx.tick()
        await ctx.tick().repeat(4 * MOST_BYTES)

    async def bridge(ctx: SimulatorContext) -> None:
        received = line.line.received
        while True:
            ready = rng.random() < 0.8
            ctx.set(received.ready, ready)
            _, _, valid, byte = await ctx.tick().sample(received.valid, received.payload)
            if valid and ready:
                found.append(byte)

    run_testbenches(line, core, background=[bridge])
    assert 8 < sum(each.whole for each in datagrams) < 25
    assert bytes(found) == expected


def test_datagrams_without_room_are_dropped_whole() -> None:
    line = UDPLine(received_bytes=2048)
    datagrams = [Datagram(bytes([index]) * 900, 900) for index in range(4)]
    found = bytearray()

    async def core(ctx: SimulatorContext) -> None:
        for datagram in [*datagrams, Datagram(b"\xFF" * 200, 200)]:
            for word in datagram.words():
                ctx.set(line.received.payload, word)
                ctx.set(line.received.valid, 1)
                await ctx.tick()
            ctx.set(line.received.valid, 0)
            await ctx.tick()
        ctx.set(line.line.received.ready, 1)
        for _ in range(2500):
            _, _, valid, byte = await ctx.tick().sample(line.line.received.valid, line.line.received.payload)
            if valid:
                found.append(byte)

    run_testbenches(line, core)
    assert bytes(found) == datagrams[0].data + datagrams[1].data + b"\xFF" * 200


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_frames_to_a_host(stall: float, seed: int) -> None:
    """Each is a datagram to the latest host, its words in one piece; too long ones are none, nor early ones."""
    rng = random.Random(seed)
    line = UDPLine()
    sizes = [1, 2, 17, 18, 19, 40, MOST_BYTES, MOST_BYTES + 1, 4000, 33, 600, 600, 600, 600, 600, 16]
    frames = [rng.randbytes(size) for size in sizes]
    found: list[bytes] = []

    async def send(ctx: SimulatorContext, frame: bytes) -> None:
        sent = line.line.sent
        for at, byte in enumerate(frame):
            ctx.set(sent.payload, {"byte": byte, "last": at == len(frame) - 1})
            ctx.set(sent.valid, 1)
            await ctx.tick().until(sent.ready)
            ctx.set(sent.valid, 0)

    async def bridge(ctx: SimulatorContext) -> None:
        await send(ctx, b"nobody is known yet")
        for word in Datagram(b"host", 4).words():
            ctx.set(line.received.payload, word)
            ctx.set(line.received.valid, 1)
            await ctx.tick()
        ctx.set(line.received.valid, 0)
        await ctx.tick().repeat(4)
        for frame in frames:
            await send(ctx, frame)
        await ctx.tick().repeat(3000)

    async def core(ctx: SimulatorContext) -> None:
        sent, payload = line.sent, bytearray()
        while True:
            ready = rng.random() >= stall
            ctx.set(sent.ready, ready)
            _, _, valid, word = await ctx.tick().sample(sent.valid, sent.payload)
            assert valid or not payload, "a datagram must come in one piece"
            if not (valid and ready):
                continue
            assert (word.address, word.port) == (HOST["address"], HOST["port"])
            payload += word.data.to_bytes(WORD, "little")
            if word.last:
                assert len(payload) - WORD + word.last_byte.bit_length() == word.length
                found.append(bytes(payload[:word.length]))
                payload.clear()

    run_testbenches(line, bridge, background=[core])
    assert found == [frame.ljust(LEAST_BYTES, bytes([FLAG])) for frame in frames if len(frame) <= MOST_BYTES]


@pytest.mark.parametrize(("parameters", "message"), [
    ({"received_bytes": 1024}, "received_bytes must be a power of 2 of at least 2048, not 1024"),
    ({"sent_bytes": 3000}, "sent_bytes must be a power of 2 of at least 2048, not 3000"),
])
def test_buffers_that_cannot_be(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        UDPLine(**parameters)
