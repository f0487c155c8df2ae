"""A ring of words as a stream: each word once and in order, at a word a cycle, and no sooner than its end says."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from signum.hdl.host.word_reader import WordReader
from signum.hdl.lib.buffer_memory import BufferMemory
from signum.verif.bench.amaranth_simulation import run_testbenches

BITS = 16


class Ring(wiring.Component):
    """A `WordReader` at the memory that it is made for, with a port to write."""

    def __init__(self, depth: int) -> None:
        self.reader = WordReader(depth=depth, bits=BITS)
        self.memory = BufferMemory(depth=depth, bits=BITS)
        address = len(self.memory.write_address)
        super().__init__({"write": In(1), "write_address": In(address), "write_data": In(BITS),
                          **{name: self.reader.signature.members[name] for name in ("end", "place", "o")}})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader, m.submodules.memory = reader, memory = self.reader, self.memory
        m.d.comb += [getattr(memory, name).eq(getattr(self, name)) for name in ("write", "write_address", "write_data")]
        m.d.comb += [
            memory.read_address.eq(reader.read_address),
            reader.read_data.eq(memory.read_data),
            reader.end.eq(self.end),
            self.place.eq(reader.place),
        ]
        wiring.connect(m, reader.o, wiring.flipped(self.o))
        return m


def taken(depth: int, words: list[int], *, arrive: float, ready: float, seed: int) -> list[tuple[int, int, int]]:
    """Of each word the cycle in which the end moved behind it, that in which it was taken, and its value.

    Words are written where there is room, as far as a chance of ``arrive`` a cycle wants.
    """
    ring, rng = Ring(depth), random.Random(seed)
    found: list[tuple[int, int, int]] = []
    moved: list[int] = []

    async def bench(ctx):
        cycle = 0
        while len(found) < len(words):
            writing = len(moved) < len(words) and len(moved) - len(found) < depth and rng.random() < arrive
            ctx.set(ring.write, writing)
            if writing:
                ctx.set(ring.write_address, len(moved) % depth)
                ctx.set(ring.write_data, words[len(moved)])
            ctx.set(ring.o.ready, rng.random() < ready)
            *_, valid, now, word = await ctx.tick().sample(ring.o.valid, ring.o.ready, ring.o.payload)
            cycle += 1
            if writing:
                moved.append(cycle)
                ctx.set(ring.end, len(moved) % (2 * depth))         # the word is in the memory
            if valid and now:
                found.append((moved[len(found)], cycle, word))
            assert ctx.get(ring.place) == len(found) % (2 * depth)
        for _ in range(2 * depth):
            *_, valid = await ctx.tick().sample(ring.o.valid)
            assert not valid

    run_testbenches(ring, bench)
    return found


@pytest.mark.parametrize("depth", [2, 4, 16])
@pytest.mark.parametrize(("arrive", "ready"), [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3), (0.5, 0.5)])
def test_words_in_order(depth: int, arrive: float, ready: float, seed: int) -> None:
    rng = random.Random(seed)
    words = [rng.getrandbits(BITS) for _ in range(5 * depth + 3)]
    found = taken(depth, words, arrive=arrive, ready=ready, seed=seed)
    assert [word for *_, word in found] == words


def test_a_word_a_cycle_and_two_cycles_late(seed: int) -> None:
    """A word that comes alone leaves in the second cycle behind its arrival, and words in a row leave in a row."""
    words = list(range(100, 140))
    alone = taken(16, words, arrive=0.1, ready=1.0, seed=seed)
    assert min(left - moved for moved, left, _ in alone) == 2
    in_a_row = [left for _, left, _ in taken(16, words, arrive=1.0, ready=1.0, seed=seed)]
    assert in_a_row == list(range(in_a_row[0], in_a_row[0] + len(words)))
