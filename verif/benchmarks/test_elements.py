"""Elements of 1 bit and of 8 bits: the record equals the counts of the tools, and one element has one area."""

import pytest

from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.flow.families.ice40 import ICE40
from signum.verif.benchmarks.area import config_of
from signum.verif.benchmarks.elements import ELEMENTS, FLOWS, element_cells, element_config, element_rows, part_rows
from signum.verif.benchmarks.record import load


@pytest.mark.slow
def test_the_record_is_what_the_tools_count() -> None:
    recorded = load("elements")["rows"]
    elements = [row for row in recorded if row["unit"] == "element"]
    assert list(element_rows(ELEMENTS[:4])) == elements[:4]
    assert [row for row in recorded if row["unit"] != "element"] == part_rows()
    assert [(row["element_bits"], row["lanes"]) for row in elements] == list(ELEMENTS)


def test_an_element_has_one_area() -> None:
    """Equal elements have equal cells in this record and in the record of areas."""
    areas = {(row["family"], row["lanes"]): row["cells"] for row in load("area")["rows"]
             if row["unit"] == "pe" and row["popcount"] == "portable"}
    rows = [row for row in load("elements")["rows"] if row.get("element_bits") == 1 and row["lanes"] in (32, 64)]
    assert len(rows) == 2
    for row in rows:
        config = config_of("pe", row["lanes"])
        assert (config.acc_bits, config.pipeline) == (row["acc_bits"], element_config(1, row["lanes"]).pipeline)
        assert {family.name: row[family.name] for family in (ICE40, ECP5)} == {
            family.name: areas[family.name, row["lanes"]] for family in (ICE40, ECP5)}


def test_no_multiplier_block_is_used() -> None:
    """A product of 8 bits would fit a block; the accumulator alone would take fewer cells than asserted."""
    assert all(element_cells(element_config(8, 1), family) > 150 for family in FLOWS)
