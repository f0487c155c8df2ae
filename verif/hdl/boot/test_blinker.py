"""The blinker: as many blinks in a period as the count."""

import itertools

import pytest

from signum.hdl.boot.blinker import Blinker
from signum.verif.bench.amaranth_simulation import run_testbenches


@pytest.mark.parametrize("count", range(7))
def test_blinks(count):
    blinker = Blinker(bits=3)
    levels = []

    async def bench(ctx):
        ctx.set(blinker.count, count)
        async for _, _, light in ctx.tick().sample(blinker.light):
            levels.append(light)
            if len(levels) == 3 * 64:
                return

    run_testbenches(blinker, bench)
    rises = sum(after > before for before, after in itertools.pairwise(levels))
    assert rises == 3 * count
    assert sum(levels) in range(3 * 4 * count - 1, 3 * 4 * count + 1)


def test_bits_out_of_range():
    with pytest.raises(ValueError, match=r"^bits must be a positive integer, not 0$"):
        Blinker(bits=0)
