"""Tables of the input unit beside lists: each value's entry a cycle later, padded values and addresses as they are."""

import random

import pytest
from amaranth.sim import SimulatorContext

from signum.hdl.config import ArrayConfig
from signum.hdl.input.pixel_table import PixelTable
from signum.verif.bench.amaranth_simulation import run_testbenches

Write = dict[str, int]


def writes_of(rng: random.Random, count: int) -> list[Write]:
    return [{"enable": int(rng.random() < 0.7), "address": rng.randrange(64), "value": rng.randrange(256),
             "pad": int(rng.random() < 0.3)} for _ in range(count)]


@pytest.mark.parametrize(("tables", "used"), [(1, 1), (2, 1), (3, 3), (8, 5), (8, 8)])
def test_entries(tables: int, used: int) -> None:
    rng = random.Random(tables * 10 + used)
    config = ArrayConfig(rows=1, cols=1, lanes=8, input_depth=64, input_planes=8, input_tables=tables, answer_ranks=1)
    unit = PixelTable(config=config)
    entries = [[rng.randrange(256) for _ in range(256)] for _ in range(tables)]
    writes = writes_of(rng, 600)
    restarts = [rng.random() < 0.05 for _ in writes]
    found: list[Write] = []

    async def testbench(ctx: SimulatorContext) -> None:
        assert not ctx.get(unit.o.enable)
        if tables > 1:
            ctx.set(unit.last, used - 1)
        ctx.set(unit.load, 1)
        for number, table in enumerate(entries):
            for value in rng.sample(range(256), 256):
                ctx.set(unit.load_address, number * 256 + value)
                ctx.set(unit.load_data, table[value])
                await ctx.tick()
        ctx.set(unit.load, 0)
        ctx.set(unit.load_address, 0)
        ctx.set(unit.load_data, 255 - entries[0][0])        # without a strobe
        for write, restart in zip(writes, restarts, strict=True):
            ctx.set(unit.i, write)
            ctx.set(unit.restart, restart)
            await ctx.tick()
            found.append({name: ctx.get(unit.o[name]) for name in write})

    run_testbenches(unit, testbench)

    channel = 0
    for write, restart, out in zip(writes, restarts, found, strict=True):
        wanted = write | {"value": entries[channel][write["value"]]}
        assert {name: out[name] for name in ("enable", "address", "pad")} == {
            name: write[name] for name in ("enable", "address", "pad")}
        if write["enable"] and not write["pad"]:
            assert out == wanted
            channel = (channel + 1) % used
        if restart:
            channel = 0
