"""The receiving window: bodies in order and once, in whichever order they come, and nothing of what is damaged."""

import random
import zlib
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Any

import pytest

from signum.hdl.host.frames import CRC_BYTES, Command
from signum.hdl.host.receive_window import ReceiveWindow
from signum.verif.bench.amaranth_simulation import run_testbenches

SESSION = 5
FLAGS = "opens", "opened", "closed", "arrived", "polled"


def frame(sequence: int, command: Command, body: bytes = b"", *, taken: int = 0, session: int = SESSION) -> bytes:
    data = bytes([session, sequence & 0xFF, taken & 0xFF, taken >> 8, command]) + body
    return data + zlib.crc32(data).to_bytes(CRC_BYTES, "little")


def opening(session: int = SESSION) -> bytes:
    return frame(0, Command.OPEN, taken=session, session=0)


class Bench:
    """A window, frames for it, and a taker of bodies, each as long as its second byte says.

    Parameters
    ----------
    steps : list of bytes or int
        Frames to send, and numbers of bodies to wait for.
    spoilt : set of int
        Frames whose end is not whole, by their place.
    ready : float
        Share of the cycles in which a byte is taken.

    Members
    -------
    bodies : list of bytes
        Command and body of each frame that left.
    events : list of (str, int)
        `FLAGS` in the order in which they were high, and `taken` with them.
    state : (int, int, int)
        `session`, `turn` and `held` at the end.
    """

    def __init__(self, unit: ReceiveWindow, steps: list[bytes | int], *, spoilt: AbstractSet[int] = frozenset(),
                 ready: float = 1.0, seed: int = 1) -> None:
        self.bodies: list[bytes] = []
        self.events: list[tuple[str, int]] = []
        rng = random.Random(seed)
        step = 9 if unit.serial else 1          # cycles of a byte

        async def sender(ctx):
            async def byte(**fields: int) -> None:
                ctx.set(unit.i.payload, {"byte": 0, "end": 0, "whole": 1, **fields})
                ctx.set(unit.i.valid, 1)
                await ctx.tick().until(unit.i.ready)
                ctx.set(unit.i.valid, 0)
                for _ in range(step - 1 + fields.get("end", 0)):
                    await ctx.tick()

            for number, each in enumerate(steps):
                if isinstance(each, int):
                    for _ in range(5000):
                        if len(self.bodies) >= each:
                            break
                        await ctx.tick()
                    continue
                for value in each:
                    await byte(byte=value)
                await byte(end=1, whole=number not in spoilt)
            await ctx.tick().repeat(300)
            self.state = ctx.get(unit.session), ctx.get(unit.turn), ctx.get(unit.held)

        async def taker(ctx):
            body = bytearray()
            while True:
                done = len(body) > 1 and len(body) - 1 == body[1]
                ctx.set(unit.done, done)
                ctx.set(unit.o.ready, not done and rng.random() < ready)
                *_, valid, here, byte, opens = await ctx.tick().sample(
                    unit.o.valid, unit.o.ready, unit.o.payload, unit.opens)
                if done:
                    self.bodies.append(bytes(body))
                if done or opens:
                    body.clear()
                elif valid and here:
                    body.append(byte)

        async def watcher(ctx):
            while True:
                *_, told, opens, opened, closed, arrived, polled = await ctx.tick().sample(
                    unit.taken, *(getattr(unit, name) for name in FLAGS))
                high = opens, opened, closed, arrived, polled
                self.events += [(name, told) for name, flag in zip(FLAGS, high, strict=True) if flag]

        run_testbenches(unit, sender, background=[taker, watcher])


def body_of(rng: random.Random, most: int = 30) -> bytes:
    length = rng.randint(2, most)
    return bytes([length, *rng.choices([0, 0x7D, 0x7E, 0xFF], k=length - 1)])


def left(bodies: list[bytes]) -> list[bytes]:
    return [bytes([Command.WRITE, *body]) for body in bodies]


@pytest.mark.parametrize(("slots", "sequence_bits", "serial"), [
    (1, 1, False), (2, 8, True), (4, 8, False), (4, 3, True), (16, 5, False)])
@pytest.mark.parametrize("ready", [1.0, 0.4])
def test_frames_in_any_order(slots: int, sequence_bits: int, serial: bool, ready: float, seed: int) -> None:
    """Frames of a window in any order, some twice: each leaves once, in the order of the numbers, which go round."""
    rng = random.Random(f"{seed} {slots} {serial}")
    bodies = [body_of(rng) for _ in range(max(3 * slots, 20))]
    steps: list[bytes | int] = [opening()]
    for first in range(0, len(bodies), slots):
        window = range(len(bodies))[first:first + slots]
        order = rng.sample(window, len(window)) + rng.choices(window, k=2)
        steps += [frame(number % (1 << sequence_bits), Command.WRITE, bodies[number]) for number in order]
        steps.append(first + len(window))
    unit = ReceiveWindow(slots=slots, slot_bytes=64, sequence_bits=sequence_bits, serial=serial)
    bench = Bench(unit, steps, ready=ready, seed=seed)
    assert bench.bodies == left(bodies)
    assert bench.state == (SESSION, len(bodies) % (1 << sequence_bits), 0)
    assert [name for name, _ in bench.events] == ["opens", "opened"] + ["arrived"] * (len(steps) - 1 - sum(
        isinstance(step, int) for step in steps))


def test_frames_outside_of_the_window_are_not_held() -> None:
    unit = ReceiveWindow(slots=4, slot_bytes=64)
    numbers = 4, 200, 255, 3, 1
    bench = Bench(unit, [opening(), *(frame(number, Command.WRITE, bytes([2, number])) for number in numbers)])
    assert bench.bodies == []
    assert bench.state == (SESSION, 0, 0b1010)


@pytest.mark.parametrize("serial", [False, True])
def test_a_body_as_long_as_a_slot_and_a_longer_one(serial: bool) -> None:
    """The slot holds command, body and CRC."""
    fits = bytes([64 - 1 - CRC_BYTES, *range(64 - 2 - CRC_BYTES)])
    unit = ReceiveWindow(slots=2, slot_bytes=64, serial=serial)
    bench = Bench(unit, [opening(), frame(0, Command.WRITE, fits), 1, frame(1, Command.WRITE, fits + b"\x00")])
    assert bench.bodies == left([fits])
    assert bench.state == (SESSION, 1, 0)


def test_damaged_frames_and_those_of_another_session() -> None:
    good = frame(0, Command.WRITE, bytes([2, 9]))
    for place in range(len(good)):
        damaged = good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1:]
        bench = Bench(ReceiveWindow(slots=1, slot_bytes=64), [opening(), damaged])
        assert bench.state == (SESSION, 0, 0)
        assert [name for name, _ in bench.events] == ["opens", "opened"]
    bench = Bench(ReceiveWindow(slots=1, slot_bytes=64), [opening(), good, good[:3]], spoilt={1})
    assert (bench.bodies, bench.state) == ([], (SESSION, 0, 0))
    bench = Bench(ReceiveWindow(slots=1, slot_bytes=64), [
        opening(), frame(0, Command.WRITE, bytes([2, 9]), session=SESSION + 1)])
    assert (bench.bodies, bench.state) == ([], (SESSION, 0, 0))
    assert [name for name, _ in bench.events] == ["opens", "opened", "closed"]


def test_before_a_session_every_frame_is_of_none() -> None:
    unit = ReceiveWindow(slots=1, slot_bytes=64)
    bench = Bench(unit, [frame(0, Command.WRITE, bytes([2, 9]), session=0), frame(0, Command.POLL, session=0)])
    assert [name for name, _ in bench.events] == ["closed", "closed"]
    assert (bench.bodies, bench.state) == ([], (0, 0, 0))


def test_sessions_and_numbers_of_answers() -> None:
    """A repetition of the same opening confirms the session, and another one forgets the frames of the one before."""
    unit = ReceiveWindow(slots=4, slot_bytes=64, number_bits=12)
    bench = Bench(unit, [
        opening(), frame(1, Command.WRITE, bytes([2, 1])), opening(), frame(0, Command.POLL, taken=0x123),
        frame(0, Command.TAKEN, taken=0xFFF), frame(0, Command.WRITE, bytes([2, 0])), 2, opening(SESSION + 1),
        frame(1, Command.WRITE, bytes([2, 3]), session=SESSION + 1)])
    assert bench.bodies == left([bytes([2, 0]), bytes([2, 1])])
    assert bench.state == (SESSION + 1, 0, 0b10)
    assert [name for name, _ in bench.events] == [
        "opens", "opened", "arrived", "opened", "arrived", "polled", "arrived", "arrived", "opens", "opened", "arrived"]
    assert [told for name, told in bench.events if name == "polled"] == [0x123]
    assert [told for name, told in bench.events if name == "arrived"] == [0, 0x123, 0xFFF, 0, 0]


def test_a_body_leaves_a_byte_a_cycle() -> None:
    """The first one four cycles after the frame is held; with ``serial`` a byte takes two cycles."""
    for serial, step in ((False, 1), (True, 2)):
        unit, cycles = ReceiveWindow(slots=1, slot_bytes=64, serial=serial), list[int]()
        data = [*opening(), None, *frame(0, Command.WRITE, bytes([20, *range(19)])), None]

        async def bench(ctx, unit=unit, data=data, cycles=cycles, serial=serial):
            ctx.set(unit.o.ready, 1)
            for byte in data:
                ctx.set(unit.i.valid, 1)
                ctx.set(unit.i.payload, {"byte": byte or 0, "end": byte is None, "whole": 1})
                await ctx.tick().until(unit.i.ready)
                ctx.set(unit.i.valid, 0)
                if serial or byte is None:
                    await ctx.tick().repeat(9 if serial else 1)
            held = 0
            for cycle in range(80):
                *_, valid, holds = await ctx.tick().sample(unit.o.valid, unit.held)
                held = held or (cycle if holds else 0)
                if valid:
                    cycles.append(cycle)

        run_testbenches(unit, bench)
        assert len(cycles) >= 21
        assert [b - a for a, b in pairwise(cycles[:21])] == [step] * 20


@pytest.mark.parametrize(("values", "message"), [
    ({"slots": 3}, "slots must be 1, 2, 4, 8 or 16, not 3"),
    ({"slot_bytes": 96}, "slot_bytes must be a power of two of at least 64, not 96"),
    ({"slot_bytes": 32}, "slot_bytes must be a power of two of at least 64, not 32"),
    ({"sequence_bits": 2}, "sequence_bits must be 3 to 8, not 2"),
    ({"sequence_bits": 9}, "sequence_bits must be 3 to 8, not 9")])
def test_parameters_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        ReceiveWindow(**{"slots": 4, "slot_bytes": 128, **values})
