"""The bridge against a host, a memory, and a line with every kind of fault."""

import random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from signum.fpga.host.link import Link, LinkError
from signum.hdl.host.bridge import Bridge
from signum.verif.bench.simulate import simulate

TESTS = 10
QUIET = 60


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_bridge(stall):
    values = {"address_bits": 13, "quiet": 60, "stall": stall}
    result = simulate(Bridge(address_bits=13, quiet=60), "signum.verif.bench.bench_bridge", parameters=values)
    assert len(result.tests) == TESTS


@pytest.mark.parametrize(("values", "message"), [
    ({"address_bits": 0, "quiet": 60}, "address_bits must be 1 to 32, not 0"),
    ({"address_bits": 33, "quiet": 60}, "address_bits must be 1 to 32, not 33"),
    ({"address_bits": 8, "quiet": 1}, "quiet must be an integer of at least 2, not 1"),
])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Bridge(**values)


class PixelLine:
    """A bridge that takes pixels, as a transport: a time of 1 is a cycle, and some requests are damaged or cut."""

    def __init__(self, rng: random.Random, stall: float) -> None:
        self.rng = rng
        self.bridge = Bridge(address_bits=4, quiet=QUIET, pixels=True)
        self.requests: list[int] = []
        self.responses = bytearray()
        self.values: list[tuple[int, int, int]] = []
        self.faults = 0
        self.faulty = True
        self.simulator = Simulator(self.bridge)
        self.simulator.add_clock(1e-6)
        self.simulator.add_testbench(self._drive, background=True)
        self.stall = stall

    async def _drive(self, ctx: SimulatorContext) -> None:
        i, o, pixels = self.bridge.i, self.bridge.o, self.bridge.pixels
        ctx.set(o.ready, 1)
        while True:
            ctx.set(i.valid, bool(self.requests))
            ctx.set(i.payload, self.requests[0] if self.requests else 0)
            ctx.set(pixels.ready, self.rng.random() >= self.stall)
            if ctx.get(i.valid & i.ready):
                self.requests.pop(0)
            if ctx.get(o.valid):
                self.responses.append(ctx.get(o.payload))
            if ctx.get(pixels.valid & pixels.ready):
                p = pixels.p
                self.values.append((ctx.get(p.value), ctx.get(p.first), ctx.get(p.last)))
            await ctx.tick()

    def write(self, data: bytes) -> None:
        sent = bytearray(data)
        if self.faulty and self.rng.random() < 0.5:
            self.faults += 1
            if self.rng.random() < 0.5:
                sent[self.rng.randrange(len(sent))] ^= 1 << self.rng.randrange(8)
            else:
                del sent[self.rng.randrange(len(sent)):]
        self.requests += sent

    def read(self, count: int, timeout: float) -> bytes:
        for _ in range(int(timeout)):
            if len(self.responses) >= count:
                break
            self.simulator.advance()
        found, self.responses = bytes(self.responses[:count]), self.responses[count:]
        return found

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("stall", [0.0, 0.5, 0.8])
def test_images_of_pixels(seed: int, stall: float) -> None:
    """Values come once each, with their marks; of an image whose last frame fails, the last value never comes."""
    rng = random.Random(f"{seed} {stall}")
    line = PixelLine(rng, stall)
    link = Link(line, timeout=4000, quiet=4 * QUIET, attempts=1)
    sent = [rng.randbytes(rng.choice([1, 2, 3, 4, 5, 30])) for _ in range(30)]
    for image in sent:
        while True:
            try:
                link.send_pixels(image)
                break
            except LinkError:
                link.settle()
    assert line.faults > 10
    whole: list[bytes] = []
    part: list[int] | None = None
    for value, first, last in line.values:
        if first:
            part = []
        assert part is not None
        part.append(value)
        if last:
            whole.append(bytes(part))
            part = None
    assert whole == sent
