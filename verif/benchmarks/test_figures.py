"""Figures by name: every value of every record, and its format."""

import re

import pytest

from signum.verif.benchmarks.figures import COMMANDS, KEYS, TABLES, FigureError, figure, figures, formatted
from signum.verif.benchmarks.record import RECORDED, load


def test_every_record_has_a_command_and_figures() -> None:
    assert {path.stem for path in RECORDED.glob("*.json")} == set(COMMANDS)
    for record in COMMANDS:
        assert figures(record)


@pytest.mark.parametrize("record", KEYS)
def test_the_keys_tell_rows_apart(record: str) -> None:
    rows = load(record)["rows"]
    keys = [tuple(row[column] for column in KEYS[record] if column in row) for row in rows]
    assert all(keys)
    assert len(set(keys)) == len(rows)


@pytest.mark.parametrize(("value", "how", "text"), [
    (33818.6, ",.0f", "33,819"), (0.9933, ".0%", "99 %"), (13863675, "M.1f", "13.9"), (4309, "", "4,309"),
    (35.14, "", "35.14"), (12345.6, "", "12,346"), (True, "", "yes"), ("batch", "", "batch")])
def test_a_value_is_printed(value: object, how: str, text: str) -> None:
    assert formatted(value, how) == text


def test_a_figure_is_that_of_its_row() -> None:
    row, = (row for row in load("area")["rows"]
            if (row["family"], row["unit"], row["popcount"], row["lanes"]) == ("ice40", "pe", "portable", 64))
    assert figure("area/ice40/pe/portable/64/cells") == f"{row['cells']:,}"
    with pytest.raises(FigureError, match=r"not area/ice40/pe/portable/65/cells$"):
        figure("area/ice40/pe/portable/65/cells")


def test_elements_of_8_bits_are_compared_by_the_width_of_their_words() -> None:
    rows = {(row["element_bits"], row["lanes"]): row for row in load("elements")["rows"] if row["unit"] == "element"}
    ratios = [rows[8, lanes][family] / rows[1, 8 * lanes][family]
              for lanes in (1, 4, 8) for family in ("ice40", "ecp5")]
    assert figures("elements")["elements/ratio/least"] == min(ratios)
    assert figures("elements")["elements/operation_ratio/most"] == 8 * max(ratios)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_a_table_has_all_columns(name: str) -> None:
    lines = TABLES[name].make().splitlines()
    assert len(lines) >= 3
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
