"""The table of combines: distinct flags, hardware equal to the reference, non-decreasing sums."""

import itertools

import pytest
from amaranth.hdl import Module, Signal

from signum.hdl.config import ArrayConfig
from signum.hdl.control.combine import COMBINES, Combine, addends, combine_of, combines_of
from signum.hdl.control.isa import Isa, LayerFlag
from signum.verif.bench.amaranth_simulation import run_testbenches

BITS = 4


@pytest.fixture(params=COMBINES.values(), ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Combine:
    return request.param


def rtl(row: Combine, pairs: list[tuple[int, int]]) -> list[int]:
    """p and the addend, modulo 2**BITS, of each (S, p)."""
    total, operand, result = Signal(BITS), Signal(BITS), Signal(BITS)
    m = Module()
    m.d.comb += result.eq(row.addend(total, operand) + operand)
    found: list[int] = []

    async def bench(ctx) -> None:
        for before, p in pairs:
            ctx.set(total, before)
            ctx.set(operand, p)
            found.append(ctx.get(result))

    run_testbenches(m, bench)
    return found


def test_hardware_and_reference(row: Combine) -> None:
    """All sums of a few bits with a total that fits."""
    size = 1 << BITS
    pairs = [(total, p) for total, p in itertools.product(range(size), range(size)) if row.reference(total, p) < size]
    assert len(pairs) > size
    assert rtl(row, pairs) == [row.reference(total, p) for total, p in pairs]


def test_totals_never_fall(row: Combine) -> None:
    for total, p in itertools.product(range(12), range(12)):
        assert row.reference(total, p) <= min(row.reference(total + 1, p), row.reference(total, p + 1))


def test_the_rule_of_folding(row: Combine) -> None:
    """Values 2p - offset combine to 2S - total(offsets): with any offsets in a linear row, else with equal offsets."""
    for p, q, r in itertools.product(range(5), repeat=3):
        for offsets in itertools.product(range(4), repeat=3) if row.linear else [(n, n, n) for n in range(4)]:
            values = [2 * count - offset for count, offset in zip((p, q, r), offsets, strict=True)]
            for doubles in itertools.product([False, True], repeat=3) if row.doubles else [(False,) * 3]:
                assert (row.total(values, doubles)
                        == 2 * row.total((p, q, r), doubles) - row.total(offsets, doubles))


def test_totals_of_segments_that_double() -> None:
    assert COMBINES["sum"].total((3, 5, 7, 11), (False, True, False, True)) == 2 * (2 * 3 + 5 + 7) + 11
    assert COMBINES["sum"].doubles
    assert not COMBINES["residual"].doubles


def test_flags() -> None:
    flags = [row.flag for row in COMBINES.values() if row.flag]
    assert [row.name for row in COMBINES.values() if not row.flag] == ["sum"]
    assert all(flag.bit_count() == 1 for flag in flags)
    assert len({*flags, *LayerFlag}) == len(flags) + len(LayerFlag)
    for row in COMBINES.values():
        assert combine_of(row.flag | LayerFlag.LAST | LayerFlag.RAW) is row


@pytest.mark.parametrize("depth", [0, 8])
def test_an_array_holds_the_flags_of_its_rows(depth: int) -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=8, requantize_depth=depth)
    (flags,) = (field for field in Isa(config).layer if field.name == "flags")
    assert all(row.flag < 1 << flags.bits for row in combines_of(config))
    assert ("residual" in {row.name for row in combines_of(config)}) == bool(depth)
    assert {flag for _, found in addends(config).values() for flag in found} == {
        row.flag for row in combines_of(config)}
