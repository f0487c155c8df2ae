"""Answers as text: every line, whatever the pauses; never a part of one."""

import random

import pytest

from signum.hdl.camera.answer_text import AnswerText
from signum.verif.bench.amaranth_simulation import run_testbenches


def text_of(answers, bits):
    digits = -(-bits // 4)
    return "".join(f"{count & 0xFFFF:04X}: " + " ".join(f"{value:0{digits}X}" for value in answer) + "\r\n"
                   for count, answer in enumerate(answers))


def check(bits, answers, stall, rng):
    """Every byte of the answers' lines, and the members beside each."""
    unit = AnswerText(bits=bits)
    found = bytearray()
    wanted = text_of(answers, bits)
    members = [(count + (place >= length - 2), answer[0]) for count, answer in enumerate(answers)
               for length in [len(text_of([answer], bits))] for place in range(length)]

    async def send(ctx):
        for answer in answers:
            for i, value in enumerate(answer):
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(unit.i.payload, {"value": value, "first": i == 0, "last": i == len(answer) - 1})
                ctx.set(unit.i.valid, 1)
                await ctx.tick().until(unit.i.ready)
                ctx.set(unit.i.valid, 0)

    async def receive(ctx):
        cycles = 0
        while len(found) < len(wanted):
            ctx.set(unit.o.ready, rng.random() >= stall)
            *_, valid, ready, byte, count, latest = await ctx.tick().sample(
                unit.o.valid, unit.o.ready, unit.o.payload, unit.count, unit.latest)
            if valid and ready:
                assert (count, latest) == members[len(found)]
                found.append(byte)
            cycles += 1
            assert cycles < 50 * len(wanted)

    run_testbenches(unit, send, receive)
    assert found.decode() == wanted


@pytest.mark.parametrize("bits", [1, 4, 5, 8, 13])
@pytest.mark.parametrize("stall", [0.0, 0.7])
def test_lines(bits, stall, seed):
    rng = random.Random(seed)
    check(bits, [[rng.getrandbits(bits) for _ in range(rng.randrange(1, 4))] for _ in range(20)], stall, rng)


def test_counts_of_several_digits(seed):
    rng = random.Random(seed)
    check(8, [[rng.getrandbits(8)] for _ in range(0x210)], 0.0, rng)


def test_bits_out_of_range():
    with pytest.raises(ValueError, match=r"^bits must be at least 1, not 0$"):
        AnswerText(bits=0)
