"""The receiving window: bodies in order and once, in whichever order they come, and nothing of what is damaged."""

import random
import zlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pytest

from signum.hdl.host.frames import CRC_BYTES, Command
from signum.hdl.host.receive_window import ReceiveWindow
from signum.verif.bench.amaranth_simulation import run_testbenches

SESSION = 5
FIRST = 3, 2        # cycles from the frame that is held to its first byte, by whether the window is serial
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
    pauses : float
        Share of the bytes sent behind a pause.

    Members
    -------
    bodies : list of bytes
        Command and body of each frame that left.
    events : list of (str, int)
        `FLAGS` in the order in which they were high, and `taken` with them.
    state : (int, int, int)
        `session`, `turn` and `held` at the end.
    """

    def __init__(self, unit: ReceiveWindow, steps: Sequence[bytes | int], *, spoilt: AbstractSet[int] = frozenset(),
                 ready: float = 1.0, pauses: float = 0.0, seed: int = 1) -> None:
        self.bodies: list[bytes] = []
        self.events: list[tuple[str, int]] = []
        rng = random.Random(seed)
        step = 9 if unit.serial else 1          # cycles of a byte

        async def sender(ctx):
            async def byte(**fields: int) -> None:
                while rng.random() < pauses:
                    ctx.set(unit.i.payload, {"byte": rng.getrandbits(8), "end": 1, "whole": 1})     # not valid
                    await ctx.tick()
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


every_window = pytest.mark.parametrize(("slots", "sequence_bits", "serial"), [
    (1, 1, False), (2, 8, True), (4, 8, False), (4, 3, True), (16, 5, False)])


def window_of(slots: int, sequence_bits: int, serial: bool) -> ReceiveWindow:
    return ReceiveWindow(slots=slots, slot_bytes=64, sequence_bits=sequence_bits, serial=serial)


@every_window
@pytest.mark.parametrize(("ready", "pauses"), [(1.0, 0.0), (0.4, 0.2)])
def test_frames_in_any_order(slots: int, sequence_bits: int, serial: bool, ready: float, pauses: float,
                             seed: int) -> None:
    """Frames of a window in any order, some twice: each leaves once, in the order of the numbers, which go round."""
    rng = random.Random(f"{seed} {slots} {serial}")
    bodies = [body_of(rng) for _ in range(max(2 * slots, 12))]
    steps: list[bytes | int] = [opening()]
    for first in range(0, len(bodies), slots):
        window = range(len(bodies))[first:first + slots]
        order = rng.sample(window, len(window)) + rng.choices(window, k=2)
        steps += [frame(number % (1 << sequence_bits), Command.WRITE, bodies[number]) for number in order]
        steps.append(first + len(window))
    bench = Bench(window_of(slots, sequence_bits, serial), steps, ready=ready, pauses=pauses, seed=seed)
    assert bench.bodies == left(bodies)
    assert bench.state == (SESSION, len(bodies) % (1 << sequence_bits), 0)
    assert [name for name, _ in bench.events] == ["opens", "opened"] + ["arrived"] * (len(steps) - 1 - sum(
        isinstance(step, int) for step in steps))


@every_window
def test_frames_outside_of_the_window_are_not_held(slots: int, sequence_bits: int, serial: bool, seed: int) -> None:
    """Before and behind the window, as it moves; the last slot is inside."""
    rng = random.Random(f"{seed} {slots} {serial}")
    numbers = 1 << sequence_bits
    outside = range(slots, numbers)
    steps: list[bytes | int] = [opening()]
    for turn in range(3):
        steps += [frame((turn + distance) % numbers, Command.WRITE, bytes([2, 0xEE]))
                  for distance in {*rng.sample(outside, min(4, len(outside))), slots, numbers - 1}]
        steps += [frame(turn % numbers, Command.WRITE, bytes([2, turn])), turn + 1]
    last = slots > 1
    steps += [frame((2 + slots) % numbers, Command.WRITE, bytes([2, 9]))] * last
    bench = Bench(window_of(slots, sequence_bits, serial), steps)
    assert bench.bodies == left([bytes([2, turn]) for turn in range(3)])
    assert bench.state == (SESSION, 3 % numbers, last << (2 + slots) % slots)


@every_window
def test_a_body_as_long_as_a_slot_and_longer_ones(slots: int, sequence_bits: int, serial: bool) -> None:
    """The slot holds command, body and CRC."""
    fits = bytes([64 - 1 - CRC_BYTES, *range(64 - 2 - CRC_BYTES)])
    short = bytes([2, 7])
    steps: list[bytes | int] = [
        opening(), frame(0, Command.WRITE, fits), 1,
        *(frame(1, Command.WRITE, fits + bytes(more)) for more in (1, 2, 64)), frame(1, Command.WRITE, short)]
    bench = Bench(window_of(slots, sequence_bits, serial), steps)
    assert bench.bodies == left([fits, short])
    assert bench.state == (SESSION, 2 % (1 << sequence_bits), 0)


@every_window
def test_damaged_frames(slots: int, sequence_bits: int, serial: bool) -> None:
    """A bit of any byte, an end that is not whole, or an early one; the frame behind each is good."""
    good, poll = frame(0, Command.WRITE, bytes([2, 9])), frame(0, Command.POLL)
    damaged = [good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1:] for place in range(len(good))]
    damaged += [good, *(good[:length] for length in range(len(good)))]
    steps: list[bytes | int] = [opening()]
    for each in damaged:
        steps += [each, poll]
    bench = Bench(window_of(slots, sequence_bits, serial), steps, spoilt={1 + 2 * len(good)})
    assert bench.state == (SESSION, 0, 0)
    assert [name for name, _ in bench.events] == ["opens", "opened"] + ["arrived", "polled"] * len(damaged)


@every_window
def test_a_damaged_repetition_leaves_the_frame_that_is_held(slots: int, sequence_bits: int, serial: bool) -> None:
    """It waits for the frame before it, if there is a slot for both."""
    first, second = bytes([6, 1, 2, 3, 4, 5]), bytes([6, 5, 4, 3, 2, 1])
    repeated = bytearray(frame(1, Command.WRITE, second))
    repeated[6:10] = b"\x02\xAA\xBB\xCC"
    steps: list[bytes | int] = [
        opening(), frame(1, Command.WRITE, second), bytes(repeated), frame(0, Command.WRITE, first), 1,
        frame(1, Command.WRITE, second), 2]
    bench = Bench(window_of(slots, sequence_bits, serial), steps)
    assert bench.bodies == left([first, second])
    assert bench.state == (SESSION, 2 % (1 << sequence_bits), 0)


@every_window
def test_frames_of_another_session_and_of_none(slots: int, sequence_bits: int, serial: bool) -> None:
    write = bytes([2, 9])
    steps = [frame(0, Command.WRITE, write, session=0), frame(0, Command.POLL, session=0), opening(),
             frame(0, Command.WRITE, write, session=SESSION + 1), frame(0, Command.POLL, session=SESSION ^ 0x80),
             frame(0, Command.TAKEN)]
    bench = Bench(window_of(slots, sequence_bits, serial), steps)
    assert (bench.bodies, bench.state) == ([], (SESSION, 0, 0))
    assert [name for name, _ in bench.events] == ["closed", "closed", "opens", "opened", "closed", "closed", "arrived"]


@every_window
def test_sessions_and_numbers_of_answers(slots: int, sequence_bits: int, serial: bool) -> None:
    """A repetition of the same opening confirms the session, and another one forgets the frames of the one before."""
    other = SESSION ^ 0xF0
    inside = min(1, slots - 1)          # a frame that waits for another one, if there are slots for both
    steps: list[bytes | int] = [
        opening(), *[frame(1, Command.WRITE, bytes([2, 1]))] * inside, opening(),
        frame(0, Command.POLL, taken=0x1234), frame(0, Command.TAKEN, taken=0xFFFF),
        frame(0, Command.WRITE, bytes([2, 0]), taken=0xA5), 1 + inside, frame(2, Command.POLL, taken=0x5A00),
        opening(other), frame(inside, Command.WRITE, bytes([2, 3]), session=other),
        frame(0, Command.WRITE, bytes([2, 4]), session=other), 2 + 2 * inside, opening(SESSION)]
    bench = Bench(window_of(slots, sequence_bits, serial), steps)
    before = [bytes([2, 0]), *[bytes([2, 1])] * inside]
    behind = [bytes([2, 4]), bytes([2, 3])] if inside else [bytes([2, 3])]
    assert bench.bodies[:len(before) + len(behind)] == left([*before, *behind])
    assert bench.state == (SESSION, 0, 0)
    flags = [name for name, _ in bench.events if name != "arrived"]
    assert flags == ["opens", "opened", "opened", "polled", "polled", "opens", "opened", "opens", "opened"]
    assert [told for name, told in bench.events if name == "polled"] == [0x1234, 0x5A00]
    assert [told for name, told in bench.events if name == "arrived"] == (
        [0] * inside + [0x1234, 0xFFFF, 0xA5, 0x5A00, 0, 0])


@every_window
def test_a_body_leaves_a_byte_a_cycle(slots: int, sequence_bits: int, serial: bool) -> None:
    """The first one three cycles after the frame is held; with ``serial`` two cycles, and a byte takes two."""
    unit, cycles = window_of(slots, sequence_bits, serial), list[int]()
    data = [*opening(), None, *frame(0, Command.WRITE, bytes([20, *range(19)])), None]
    held = 0

    async def bench(ctx):
        nonlocal held
        ctx.set(unit.o.ready, 1)
        for place, byte in enumerate(data):
            ctx.set(unit.i.valid, 1)
            ctx.set(unit.i.payload, {"byte": byte or 0, "end": byte is None, "whole": 1})
            await ctx.tick().until(unit.i.ready)
            ctx.set(unit.i.valid, 0)
            if serial and byte is not None:
                await ctx.tick().repeat(8)
            elif byte is None and place < len(data) - 1:
                await ctx.tick()
        for cycle in range(80):
            *_, valid, holds = await ctx.tick().sample(unit.o.valid, unit.held)
            held = held or (cycle if holds else 0)
            if valid:
                cycles.append(cycle)

    run_testbenches(unit, bench)
    step = 1 + serial
    assert [cycle - held for cycle in cycles[:21]] == [FIRST[serial] + step * place for place in range(21)]


@pytest.mark.parametrize(("values", "message"), [
    ({"slots": 3}, "slots must be 1, 2, 4, 8 or 16, not 3"),
    ({"slot_bytes": 96}, "slot_bytes must be a power of two of at least 64, not 96"),
    ({"slot_bytes": 32}, "slot_bytes must be a power of two of at least 64, not 32"),
    ({"sequence_bits": 2}, "sequence_bits must be 3 to 8, not 2"),
    ({"sequence_bits": 9}, "sequence_bits must be 3 to 8, not 9")])
def test_parameters_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        ReceiveWindow(**{"slots": 4, "slot_bytes": 128, **values})
