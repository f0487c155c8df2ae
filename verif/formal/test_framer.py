"""The algebra of the CRC against its definition, and the limit of every CRC: a flag made by a wrong bit."""

import random

import pytest

from signum.hdl.host.frames import CRC, CRC_BYTES
from signum.hdl.host.hdlc import FLAG

from .framer import FACTORS, GENERATOR, ORDER, bursts, pairs, power, powers, triples, zeros

WHOLE = 0x2144DF1C      # the CRC of a message and its CRC
SMALL = 1 << 32 | 3     # x**32 + x + 1: three terms


def remainder(message: bytes) -> int:
    """Of a message, highest bit first, by the generator."""
    value = int.from_bytes(message)
    while value.bit_length() > 32:
        value ^= GENERATOR << value.bit_length() - 33
    return value


def test_powers_of_x() -> None:
    found = powers(GENERATOR, 100)
    assert [int(value) for value in found] == [power(GENERATOR, i) for i in range(100)]
    assert [remainder((1 << i).to_bytes(16)) for i in range(100)] == [int(value) for value in found]


def test_the_factors_are_those_of_the_order() -> None:
    product = 1
    for factor in FACTORS:
        product *= factor
    assert product == ORDER


def test_generators() -> None:
    assert all(holds(GENERATOR, ORDER) for holds in (bursts, pairs, triples, zeros))
    assert (bursts(SMALL, ORDER), triples(SMALL, ORDER)) == (True, False)
    assert not bursts(GENERATOR - 1, ORDER)
    assert not zeros(GENERATOR, 0)


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_wrong_bits_are_detected(wrong: int, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        body = rng.randbytes(rng.randint(1, 60))
        frame = bytearray(body + CRC.compute(body).to_bytes(CRC_BYTES, "little"))
        for place in rng.sample(range(8 * len(frame)), wrong):
            frame[place // 8] ^= 1 << place % 8
        assert CRC.compute(frame) != WHOLE


@pytest.mark.parametrize("count", [1, 2, 5])
def test_zeros_at_the_end_are_detected(count: int) -> None:
    body = next(body for body in (number.to_bytes(4) for number in range(1 << 16))
                if CRC.compute(body).to_bytes(CRC_BYTES, "little")[-1] == 0)
    frame = body + CRC.compute(body).to_bytes(CRC_BYTES, "little")
    assert CRC.compute(frame) == WHOLE
    assert CRC.compute(frame + bytes(count)) != WHOLE
    assert CRC.compute(frame[:-1]) != WHOLE


def test_a_wrong_bit_that_makes_a_flag_may_pass() -> None:
    """A body has a whole frame, then a byte that is a bit off a flag: with that bit wrong the line has two frames, and
    the first one is whole."""
    inner = b"a whole frame"
    inner += CRC.compute(inner).to_bytes(CRC_BYTES, "little")
    body = inner + bytes([FLAG ^ 1]) + b"the rest"
    frame = bytearray(body + CRC.compute(body).to_bytes(CRC_BYTES, "little"))
    frame[len(inner)] ^= 1
    first, _, _ = frame.partition(bytes([FLAG]))
    assert first == inner
    assert CRC.compute(first) == WHOLE
