"""Answers as text: every line, whatever the pauses; never a part of one."""

import random

import pytest

from signum.hdl.camera.answer_text import AnswerText
from signum.verif.bench.amaranth_simulation import run_testbenches


def text_of(answers, bits):
    digits = -(-bits // 4)
    return "".join(f"{count & 0xFFFF:04X}: " + " ".join(f"{value:0{digits}X}" for value in answer) + "\r\n"
                   for count, answer in enumerate(answers))


@pytest.mark.parametrize("bits", [1, 4, 5, 8, 13])
@pytest.mark.parametrize("stall", [0.0, 0.7])
def test_lines(bits, stall, seed):
    rng = random.Random(seed)
    answers = [[rng.getrandbits(bits) for _ in range(rng.randrange(1, 4))] for _ in range(20)]
    unit = AnswerText(bits=bits)
    found = bytearray()
    wanted = text_of(answers, bits)

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
            *_, valid, ready, byte = await ctx.tick().sample(unit.o.valid, unit.o.ready, unit.o.payload)
            if valid and ready:
                found.append(byte)
            cycles += 1
            assert cycles < 50 * len(wanted)
        assert ctx.get(unit.count) == len(answers)
        assert ctx.get(unit.latest) == answers[-1][0]

    run_testbenches(unit, send, receive)
    assert found.decode() == wanted


def test_bits_out_of_range():
    with pytest.raises(ValueError, match=r"^bits must be at least 1, not 0$"):
        AnswerText(bits=0)
