"""Areas by the tools: exactly as recorded, or within 2 % with other versions of the tools."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from signum.fpga.flow.families import BOARD_FAMILIES
from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.flow.families.family import BoardFamily
from signum.fpga.flow.families.gowin import GOWIN
from signum.fpga.flow.families.ice40 import ICE40
from signum.golden.reference.units import processing_element
from signum.hdl.array.pe import ProcessingElement
from signum.hdl.config import ArrayConfig
from signum.hdl.output.threshold import ThresholdUnit
from signum.verif.bench.trace import play
from signum.verif.benchmarks.area import LANES, UNITS, PlainElement, mapped, packed, popcounts, rows, size, units_of
from signum.verif.benchmarks.record import Row, load, versions

GROWTH = 1.02


def key(row: Row) -> tuple[str, str, str, int]:
    return row["family"], row["unit"], row["popcount"], row["lanes"]


def check(units: tuple[str, ...], lanes: tuple[int, ...], families: Iterable[BoardFamily] = BOARD_FAMILIES.values(),
          ) -> None:
    record = load("area")
    exact = record["tools"] == versions("yosys", ICE40.place, ECP5.place)
    recorded = {key(row): row for row in record["rows"]}
    for row in rows(families, units, lanes):
        before = recorded[key(row)]
        if exact:
            assert row == before
        assert row["cells"] <= GROWTH * before["cells"], row


def test_elements_are_no_larger() -> None:
    check(("pe",), (64,))


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize(("unit", "lanes", "families"), [
    ("accelerator", 32, BOARD_FAMILIES.values()), ("array", 64, BOARD_FAMILIES.values()),
    ("accelerator_parity", 32, [ECP5])], ids=["accelerator", "array", "accelerator_parity"])
def test_arrays_and_accelerators_are_no_larger(unit: str, lanes: int, families: Iterable[BoardFamily]) -> None:
    check((unit,), (lanes,), families)


def test_the_record_is_whole() -> None:
    found = [key(row) for row in load("area")["rows"]]
    assert sorted(found) == sorted((family.name, unit, popcount, lanes) for family in BOARD_FAMILIES.values()
                                   for lanes in LANES for unit in units_of(UNITS, lanes)
                                   for popcount in popcounts(family, unit))


def test_the_goals_that_are_met() -> None:
    """Cells a binary operation of 64 lanes: an element, and an array with the registers that forward its words."""
    record = {key(row)[:3]: row for row in load("area")["rows"] if row["lanes"] == 64}
    for family, popcount, element, array in (("ice40", "portable", 2.5, 2.8), ("ecp5", "portable", 2.8, 2.8),
                                             ("ecp5", "mapped", 2.2, 2.6), ("gowin", "portable", 2.6, 2.8)):
        row = record[family, "pe", popcount]
        assert row.get("packed_cells_per_binop", row["cells_per_binop"]) <= element
        assert record[family, "array", popcount]["cells_per_binop"] <= array
        assert row["baseline_cells_per_binop"] > 1.2 * row["cells_per_binop"]


def test_the_counts_of_a_netlist(tmp_path: Path) -> None:
    """The plain element of one lane and one bit: the counted cells are in the netlist."""
    config = ArrayConfig(rows=1, cols=1, lanes=1, acc_bits=1)
    for family in (ICE40, ECP5, GOWIN):
        counts = mapped(PlainElement(config=config), config, family, tmp_path)
        assert counts["ff"] == 2
        assert counts["carry"] == 0
        assert 2 <= counts["lut4_equivalents"] == counts["lut4"] <= 3
        if family is not GOWIN:
            assert packed(family, tmp_path) >= counts["lut4"]


def test_accumulators_that_double_cost_no_cell_of_ecp5(tmp_path: Path) -> None:
    """Elsewhere a LUT for each bit but the lowest."""
    plain = ArrayConfig(rows=1, cols=1, lanes=32, pipeline=3)
    cells = {}
    for family in (ECP5, GOWIN, ICE40):
        for config in (plain, plain.replace(accumulator_shift=1)):
            element = ProcessingElement(config=config)
            cells[family.name, config.accumulator_shift] = size(element, config, family, tmp_path)
    assert cells["ecp5", 1] == cells["ecp5", 0]
    assert all(cells[name, 1] <= cells[name, 0] + plain.acc_bits for name in ("gowin", "ice40"))


def test_a_gate_is_a_bit_for_each_column(tmp_path: Path) -> None:
    """And a LUT for each bit of a popcount, where no LUT has an input left; on iCE40 the bits are flip-flops."""
    plain = ArrayConfig(rows=1, cols=16, lanes=32, zero_padding=0, requantize_depth=0)
    for family, most in ((ECP5, 24), (GOWIN, 24), (ICE40, 72)):
        before, after = (size(ThresholdUnit(config=config), config, family, tmp_path)
                         for config in (plain, plain.replace(gate=1)))
        assert before < after <= before + most


def test_the_plain_element_is_an_element(seed: int) -> None:
    rng = random.Random(seed)
    config = ArrayConfig(rows=1, cols=1, lanes=11, acc_bits=6)
    pairs = [(rng.getrandbits(11), rng.getrandbits(11), cycle == 0 or rng.random() < 0.3) for cycle in range(200)]
    steps = [{"a": a, "w": w, "first": first, "load": 1} for a, w, first in pairs]
    trace = play(PlainElement(config=config), [*steps, {"load": 1}, {}])
    assert [outputs["result"] for outputs in trace[2:]] == processing_element(config, pairs)
