"""The record of the pins: its columns, the goals, and a short case measured again."""

import dataclasses

import pytest

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.report import RECORDED_BOARDS, load_board_rows
from signum.verif.benchmarks.pins import digits_case, run_case
from signum.verif.benchmarks.record import load

COLUMNS = {"board", "link", "network", "clock_mhz", "images_per_s", "array_images_per_s", "host_latency_ms",
           "latency_ms", "power_up_ms", "binds"}
ROWS = {(row["board"], row["link"], row["host_latency_ms"]): row for row in load("pins")["rows"]
        if row["preset"] != "ecp5_cnv_16k"}
LARGE = {row["host_latency_ms"]: row for row in load("pins")["rows"] if row["preset"] == "ecp5_cnv_16k"}


def test_every_row_is_of_a_board_at_its_clock() -> None:
    for row in ROWS.values():
        board = board_named(row["board"])
        assert row["clock_mhz"] == round(board.pll(board.frequency).frequency / 1e6, 3)


def test_every_row_has_its_columns() -> None:
    for row in (*ROWS.values(), *LARGE.values()):
        assert set(row) >= COLUMNS
        assert row["power_up_ms"] is None or board_named(row["board"]).boot is not None


def test_the_largest_array_runs_at_the_clock_that_it_was_placed_for() -> None:
    (placed,) = [row for row in load_board_rows(RECORDED_BOARDS) if row["preset"] == "ecp5_cnv_16k"]
    assert placed["fmax_mhz"] >= placed["clock_mhz"]
    assert {row["clock_mhz"] for row in LARGE.values()} == {placed["clock_mhz"]}
    assert {row["board"] for row in LARGE.values()} == {placed["board"]}
    assert LARGE[0.0]["images_per_s"] >= 10_000


@pytest.mark.parametrize(("place", "least"), [
    (("icebreaker", "serial, 6 Mbaud", 0.0), 8_000), (("icebreaker", "serial, 6 Mbaud", 1.0), 5_000),
    (("ulx3s-85f", "USB, full speed", 0.0), 300),
])
def test_goals_of_images(place: tuple[str, str, float], least: int) -> None:
    assert ROWS[place]["images_per_s"] >= least


def test_goal_of_power_up() -> None:
    assert ROWS["icebreaker", "camera, HM01B0", 0.0]["power_up_ms"] <= 100


@pytest.mark.slow
def test_a_short_case_measured_again() -> None:
    """Its answers are compared with golden's; fewer images give the rate less exactly."""
    case = digits_case()
    found = run_case(dataclasses.replace(case, images=case.images[:60], repeats=8), 0.0)
    recorded = ROWS["icebreaker", "serial, 6 Mbaud", 0.0]
    assert found["images_per_s"] == pytest.approx(recorded["images_per_s"], rel=0.02)
    same = ("array_images_per_s", "line_images_per_s", "clock_mhz", "latency_ms", "power_up_ms", "binds")
    assert {name: found[name] for name in same} == {name: recorded[name] for name in same}
