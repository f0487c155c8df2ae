"""The page of performance: goals met and missed, missing figures, a row a network and a board."""

from signum.verif.benchmarks.page import GOALS, PAGE, SHOWN, bound_by, goal_rows, page, recorded_page
from signum.verif.benchmarks.record import load


def area(cells: float) -> dict:
    rows = [{"family": family, "unit": unit, "popcount": "portable", "lanes": lanes, "cells": round(lanes * cells),
             "cells_per_binop": cells, "baseline_cells_per_binop": 3.5}
            for family in ("ice40", "ecp5", "gowin") for unit in ("pe", "array") for lanes in (32, 64)]
    return {"tools": {"yosys": "0.1"}, "rows": rows}


def met(cells: float) -> list[str]:
    return [row[3] for row in goal_rows({"area": area(cells)["rows"]}) if row[3] and ", pe, " in row[0]]


def test_goals_are_met_or_missed_by_the_figures() -> None:
    assert met(2.5) == ["yes", "yes", "yes"]
    assert sorted(met(2.6)) == ["no", "no", "yes"]       # the bound of ECP5 is 2.8


def test_a_goal_without_a_measurement() -> None:
    rows = goal_rows({})
    assert len(rows) == len(GOALS)
    assert all(row[2] == "not measured" and not row[3] for row in rows)


def test_a_goal_names_its_command_and_what_binds_it() -> None:
    rows = goal_rows({})
    assert [row[4] for row in rows] == [f"`make bench-{goal.benchmark}`" for goal in GOALS]
    assert not any("{" in row[5] for row in rows)
    demo = load("demo")
    assert any(f"{demo['lut']:,} of {demo['lut_capacity']:,} logic cells" in bound_by(goal) for goal in GOALS)


def test_sections_are_those_that_were_measured() -> None:
    text = page({"area": area(2.5)})
    assert "| ice40 | portable | 80 | 160 | 2.50 | 2.50 | 3.50 |" in text
    assert "## Clock" not in text
    assert "yosys 0.1" in text


def test_a_row_a_network_and_a_board() -> None:
    text = recorded_page()
    for row in load("networks")["rows"]:
        if (row["array"], row["mode"]) == (SHOWN, "split"):
            line = next(line for line in text.splitlines() if line.startswith(f"| {row['network']} |"))
            assert f"| {row['cycles']:,.0f} | {100 * row['utilization']:.1f} % |" in line
            assert line.endswith(f"| {100e6 / row['cycles']:,.0f} |")
    for row in load("clock")["rows"]:
        assert f"| {row['board']} | {row['preset']} | {row['binops_per_cycle']:,} |" in text


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) < 90
