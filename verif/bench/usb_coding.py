"""Packets of USB as levels of the cable and back: SYNC, stuffed bits and NRZI, after USB 2.0, chapter 7.

Nothing here is shared with the device.
"""

from .usb_packets import bits_of

__all__ = ["decoded", "encoded"]


def encoded(packet: bytes) -> list[tuple[int, int]]:
    """A packet as levels of D+, which those of D- complement, and their numbers of bits: SYNC, and stuffed bits."""
    runs: list[tuple[int, int]] = []
    level, ones = 1, 0
    for bit in [0, 0, 0, 0, 0, 0, 0, 1, *bits_of(packet)]:
        ones = ones + 1 if bit else 0
        for sent in (bit, 0) if ones == 6 else (bit,):
            level ^= not sent
            if runs and runs[-1][0] == level:
                runs[-1] = level, runs[-1][1] + 1
            else:
                runs.append((level, 1))
        ones %= 6
    return runs


def decoded(runs: list[tuple[tuple[int, ...], int]]) -> bytes:
    """The packet of levels (of D+ and D-) and their numbers of bits; its coding must be right."""
    assert runs[-2:] == [((0, 0), 2), ((1, 0), 1)], f"a packet must end with two bits of SE0 and J, not {runs[-2:]}"
    bits: list[int] = []
    before = 1
    for (p, n), count in runs[:-2]:
        assert (p, n) == (1 - before, before), f"a packet must be of J and K in turn, not {runs}"
        assert 1 <= count <= 7, f"a level must last 1 to 7 bits, not {count}"
        bits += [0] + [1] * (count - 1)
        before = p
    assert bits[:8] == [0, 0, 0, 0, 0, 0, 0, 1], f"a packet must begin with SYNC, not {bits[:8]}"
    plain, ones = [], 1
    stuffed = False
    for bit in bits[8:]:
        if stuffed:
            assert not bit, "a zero must be stuffed behind six ones"
        else:
            plain.append(bit)
        ones = ones + 1 if bit else 0
        stuffed = ones == 6
    assert not stuffed, "a zero must be stuffed behind the last six ones"
    assert len(plain) % 8 == 0, f"a packet must be of whole bytes, not {len(plain)} bits"
    return bytes(sum(bit << i for i, bit in enumerate(plain[start:start + 8])) for start in range(0, len(plain), 8))
