"""The buffer of answers against a list: numbers in order, again after a rewind, kept until taken, forgotten."""

import random

import pytest

from signum.hdl.host.answer_buffer import AnswerBuffer
from signum.verif.bench.amaranth_simulation import run_testbenches


def check(number_bits: int, count_bits: int, *, arrive: float, ready: float, cycles: int, seed: int,
          clears: float = 0.003, registered: bool = False) -> int:
    """Random numbers, counts of the host, rewinds and clears; returns the numbers that left."""
    unit = AnswerBuffer(number_bits=number_bits, count_bits=count_bits, bits=7, registered=registered)
    rng = random.Random(seed)
    depth, modulus = 1 << number_bits - 1, 1 << (count_bits or number_bits)
    left = 0

    async def bench(ctx):
        nonlocal left
        kept = send = 0                     # counts without a modulus
        numbers: list[int] = []
        waiting = judged = None
        idle = told = 0
        expected = not registered           # a register says so from the cycle behind a reset on
        for _ in range(cycles):
            if waiting is None and rng.random() < arrive:
                waiting = rng.getrandbits(7)
            clear = rng.random() < clears
            rewind = judged is None and rng.random() < 0.03
            # old numbers, and numbers that cannot be, as far as a count tells them apart
            if judged is None:
                told = rng.choice([kept, send, rng.randint(kept, send),
                                   kept - rng.randint(1, min(3, modulus - depth - 1)),
                                   send + rng.randint(1, min(3, modulus - 1 - send + kept))])
            take = judged is None and not rewind and not clear and rng.random() < 0.1
            ctx.set(unit.i.valid, waiting is not None)
            ctx.set(unit.i.payload, waiting or 0)
            ctx.set(unit.o.ready, not rewind and rng.random() < ready)
            ctx.set(unit.clear, clear)
            ctx.set(unit.rewind, rewind)
            ctx.set(unit.take, take)
            ctx.set(unit.taken, told % modulus)
            *_, room, valid, go, number, first, more = await ctx.tick().sample(
                unit.i.ready, unit.o.valid, unit.o.ready, unit.o.payload, unit.first, unit.more)
            assert room == (expected if registered else len(numbers) - kept < depth)
            assert first == send % modulus
            assert more == (send < len(numbers))
            assert not (rewind and valid)
            idle = idle + 1 if more and not valid and not rewind else 0
            assert idle <= 2 + registered, "a number waits for the memory alone, and for the register"
            if valid:
                assert number == numbers[send]
            before = kept, send
            if waiting is not None and room:
                numbers.append(waiting)
                waiting = None
            expected = len(numbers) - kept < depth
            if valid and go:
                send += 1
                left += 1
            if judged:
                kept = told
            judged = before[0] <= told <= before[1] if take else None
            if rewind:
                send = kept
            if clear:
                kept = send = told = 0
                judged = None
                numbers.clear()

    run_testbenches(unit, bench)
    return left


@pytest.mark.parametrize(("number_bits", "count_bits"), [(2, 0), (3, 0), (3, 5), (4, 16)])
@pytest.mark.parametrize(("arrive", "ready"), [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3)])
@pytest.mark.parametrize("registered", [False, True])
def test_numbers_in_order(number_bits: int, count_bits: int, arrive: float, ready: float, registered: bool,
                          seed: int) -> None:
    assert check(number_bits, count_bits, arrive=arrive, ready=ready, cycles=1500, seed=seed,
                 registered=registered) > 100


@pytest.mark.parametrize("registered", [False, True])
def test_counts_much_longer_than_the_buffer(registered: bool, seed: int) -> None:
    assert check(4, 16, arrive=1.0, ready=1.0, cycles=8_000, seed=seed, clears=0.0, registered=registered) > 1 << 10


@pytest.mark.parametrize(("number_bits", "count_bits", "message"), [
    (1, 0, "number_bits must be 2 to 16, not 1"), (17, 0, "number_bits must be 2 to 16, not 17"),
    (5, 4, "count_bits must be 5 to 16, not 4"), (5, 17, "count_bits must be 5 to 16, not 17")])
def test_parameters_out_of_range(number_bits: int, count_bits: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        AnswerBuffer(bits=8, number_bits=number_bits, count_bits=count_bits)
