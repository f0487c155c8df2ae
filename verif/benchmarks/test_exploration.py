"""The record of the explorations: its cases, and the exact parts of its best array for the digits."""

from signum.fpga.explore.candidates import axes_of, board_rams, candidates, graph_of, model_whole
from signum.fpga.flow.boards import board_named
from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks.exploration import CASES, exploration_row
from signum.verif.benchmarks.record import load


def test_the_record_has_all_cases() -> None:
    rows = load("exploration")["rows"]
    assert [(row["network"], row["board"]) for row in rows] == [(network, board) for network, board, *_ in CASES]
    for row, (network, name, _, axes) in zip(rows, CASES, strict=True):
        board = board_named(name)
        assert row["candidates"] == len(candidates(graph_of(network), board, {**axes_of(board), **axes}))


def test_the_best_array_for_the_digits_takes_the_recorded_cycles_and_rams() -> None:
    """All but the LUTs, which take minutes to fit."""
    network, name, _, axes = CASES[-1]
    row, board = load("exploration")["rows"][-1], board_named(name)
    (config, split), = (
        (config, split) for config, split in candidates(graph_of(network), board, {**axes_of(board), **axes})
        if split == (row["mode"] == "split") and all(
            getattr(config, column) == row[column] for column in ("rows", "cols", "lanes", "tile", "drain_width")))
    modelled = model_whole(network, config.to_dict(), split)
    assert row["images_per_s"] == round(1e6 * row["clock_mhz"] * modelled["images"] / modelled["cycles"])
    assert row["ram"] == board_rams(ArrayConfig.from_dict(modelled["config"]), board)


def test_a_row_has_the_best_candidate() -> None:
    config = ArrayConfig(rows=2, cols=3, lanes=4).to_dict()
    rows = [{"fits": False}, {"fits": True, "config": config, "mode": "split", "lut": 5, "ram": 6, "clock_mhz": 7.0,
                              "images_per_s": 8.4, "measured": {"lut": 9, "ram": 10}}]
    found = exploration_row({"network": "digits", "board": "ulx3s-12f", "device": "LFE5U-12F-6BG381C", "best": 1,
                             "candidates": rows})
    assert (found["candidates"], found["fit"], found["rows"], found["cols"], found["images_per_s"]) == (2, 1, 2, 3, 8)
    assert (found["lut"], found["lut_synthesized"], found["ram_synthesized"]) == (5, 9, 10)
