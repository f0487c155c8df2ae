"""A bridge in simulation as a transport, between a line with faults and an accelerator that stalls."""

import random
from collections.abc import Callable

from amaranth.sim import SimulatorContext

from signum.hdl.config import ArrayConfig
from signum.hdl.host.bridge import Bridge
from signum.hdl.host.hdlc import FLAG
from signum.verif.bench.amaranth_simulation import simulator_with

__all__ = ["ANSWER_BITS", "CONFIG", "NUMBER_BITS", "BridgeLine"]

CONFIG = ArrayConfig.preset("tiny")
NUMBER_BITS, ANSWER_BITS = 5, 12


class BridgeLine:
    """A bridge with a memory on its bus, a sink of values and a source of answers; a time of 1 is a cycle.

    Parameters
    ----------
    rng : Random
    slots, slot_bytes, ordered, serial
        See `Bridge`.
    stall : float
        Probability that the bus, the values or the line do not take what is offered, for each cycle.
    faults : callable
        Turns a list of frames, each with its flag, into what arrives.

    Members
    -------
    writes : list of (int, int)
        On the bus, in order.
    values : list of int
        That left.
    answers : list of int
        Still to be offered.
    sent : bytes
        Of the bridge, still to be read.
    bus_stands, values_stand : bool
        Nothing is taken.
    """

    def __init__(self, rng: random.Random, *, slots: int = 4, slot_bytes: int = 128, ordered: bool = False,
                 serial: bool = False, stall: float = 0.0,
                 faults: Callable[[list[bytes]], list[bytes]] = lambda frames: frames) -> None:
        self.rng = rng
        self.stall = stall
        self.faults = faults
        config = CONFIG.replace(memory_registers=rng.choice([0, 2]))
        self.bridge = Bridge(config=config, slots=slots, slot_bytes=slot_bytes, ordered=ordered, serial=serial,
                             number_bits=NUMBER_BITS, answer_bits=ANSWER_BITS)
        self.inbox = bytearray()
        self.sent = bytearray()
        self.writes: list[tuple[int, int]] = []
        self.memory: dict[int, int] = {}
        self.values: list[int] = []
        self.value_cycles: list[int] = []
        self.answers: list[int] = []
        self.reads = 0
        self.cycles = 0
        self.bus_stands = self.values_stand = False
        self.back: Callable[[bytes], bytes] = lambda data: data
        self.simulator = simulator_with(self.bridge, background=[self._line, self._bus, self._streams])

    def _goes(self) -> bool:
        return self.rng.random() >= self.stall

    async def _line(self, ctx: SimulatorContext) -> None:
        received, sent = self.bridge.line.received, self.bridge.line.sent
        while True:
            ctx.set(received.valid, bool(self.inbox))
            ctx.set(received.payload, self.inbox[0] if self.inbox else 0)
            ctx.set(sent.ready, self._goes())
            *_, ready, valid, taken, item = await ctx.tick().sample(
                received.ready, sent.valid, sent.ready, sent.payload)
            if ready and self.inbox and ctx.get(received.valid):
                del self.inbox[0]
            if valid and taken:
                self.sent.append(item.byte)
                assert item.last == (item.byte == FLAG), "the flag, and it alone, ends a frame"

    async def _bus(self, ctx: SimulatorContext) -> None:
        request, response = self.bridge.bus.request, self.bridge.bus.response
        while True:
            ctx.set(request.ready, not self.bus_stands and self._goes())
            *_, valid, ready, item = await ctx.tick().sample(request.valid, request.ready, request.payload)
            if not (valid and ready):
                continue
            if item.write:
                self.writes.append((item.address, item.data))
                self.memory[item.address] = item.data
                continue
            self.reads += 1
            ctx.set(request.ready, 0)
            while not self._goes():
                await ctx.tick()
            ctx.set(response.payload, self.memory.get(item.address, item.address * 3))
            ctx.set(response.valid, 1)
            await ctx.tick().until(response.ready)
            ctx.set(response.valid, 0)

    async def _streams(self, ctx: SimulatorContext) -> None:
        values, answers = self.bridge.values, self.bridge.answers
        while True:
            ctx.set(values.ready, not self.values_stand and self._goes())
            ctx.set(answers.valid, bool(self.answers))
            ctx.set(answers.payload, self.answers[0] if self.answers else 0)
            offered = bool(self.answers)
            *_, valid, ready, value, taken = await ctx.tick().sample(values.valid, values.ready, values.payload,
                                                                     answers.ready)
            self.cycles += 1
            if valid and ready:
                self.values.append(value)
                self.value_cycles.append(self.cycles)
            if offered and taken:
                del self.answers[0]

    def advance(self, cycles: int) -> None:
        """Let cycles pass."""
        for _ in range(cycles):
            self.simulator.advance()

    def write(self, data: bytes) -> None:
        """Send frames through the line's faults."""
        frames = [frame + bytes([FLAG]) for frame in data.split(bytes([FLAG])) if frame]
        self.inbox += bytes([FLAG]) + b"".join(self.faults(frames))

    def read(self, timeout: float) -> bytes:
        """The bytes that are there, or the first ones that come within so many cycles."""
        end = self.cycles + timeout
        while not self.sent and self.cycles < end:
            self.simulator.advance()
        data = bytes(self.sent)
        self.sent.clear()
        return self.back(data)

    def close(self) -> None:
        """Nothing is left open."""
