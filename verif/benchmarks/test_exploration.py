"""The record of the explorations is what the exploration finds."""

from pathlib import Path

import pytest

from signum.fpga.explore.cache import Cache
from signum.fpga.explore.candidates import axes_of
from signum.fpga.explore.explore import Runner, explore
from signum.fpga.flow.boards import board_named
from signum.verif.benchmarks.exploration import CASES, exploration_row
from signum.verif.benchmarks.record import load


def test_the_record_has_all_cases() -> None:
    rows = load("exploration")["rows"]
    assert [(row["network"], row["board"]) for row in rows] == [(network, board) for network, board, *_ in CASES]


@pytest.mark.slow
def test_the_record_is_what_is_found(tmp_path: Path) -> None:
    network, name, top, axes = CASES[-1]
    board = board_named(name)
    result = explore(network, board, Runner(Cache(tmp_path)), axes={**axes_of(board), **axes}, top=top,
                     frequency=board.pll(board.frequency).frequency)
    assert exploration_row(result) == load("exploration")["rows"][-1]
