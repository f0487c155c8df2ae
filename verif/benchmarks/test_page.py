"""The page of performance: goals that are met and missed, figures that are not there, every row of every table."""

from signum.verif.benchmarks.page import GOALS, PAGE, TITLES, goal_rows, page
from signum.verif.benchmarks.record import RECORDED, load


def area(cells: float) -> dict:
    rows = [{"family": family, "unit": "pe", "popcount": "portable", "lanes": 64, "cells": 64 * cells,
             "cells_per_binop": cells, "baseline_cells_per_binop": 3.5} for family in ("ice40", "ecp5", "gowin")]
    return {"tools": {"yosys": "0.1"}, "rows": rows}


def met(cells: float) -> dict[str, str]:
    return {row[0]: row[3] for row in goal_rows({"area": area(cells)["rows"]}) if row[3]}


def test_goals_are_met_or_missed_by_the_figures() -> None:
    assert set(met(2.5).values()) == {"yes"}
    assert sorted(met(2.6).values()) == ["no", "no", "yes"]       # 2.8 will do for ECP5
    assert len(met(2.5)) == 3


def test_what_was_not_measured_is_said() -> None:
    rows = goal_rows({})
    assert len(rows) == len(GOALS)
    assert all(row[2] == "not measured" and not row[3] for row in rows)


def test_every_row_is_on_the_page() -> None:
    text = page({"area": area(2.5)})
    assert "## Area" in text
    assert "## Clock" not in text
    assert text.count("| 2.5 |") == 3
    assert "yosys 0.1" in text


def test_the_page_is_that_of_the_record() -> None:
    contents = {name: load(name) for name in TITLES if (RECORDED / f"{name}.json").exists()}
    assert contents
    assert PAGE.read_text() == page(contents)
