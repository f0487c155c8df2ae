"""Known networks: their rows add up, and take the recorded cycles exactly, since pages quote them."""

import pytest

from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks.networks import ARRAYS, NETWORKS, confirm, network_row
from signum.verif.benchmarks.record import load
from signum.verif.benchmarks.streaming import LINKS, LOADED, STREAMED, streaming_rows

QUICK = ("digits", "sfc", "lfc", "cnv")


def recorded(name: str, config: ArrayConfig, mode: str) -> dict:
    array = f"{config.rows}x{config.cols}x{config.lanes}, drain {config.drain_width}"
    found = [row for row in load("networks")["rows"]
             if (row["network"], row["array"], row["mode"]) == (name, array, mode)]
    assert len(found) == 1, f"{name} on {array} must be recorded once"
    return found[0]


def held(name: str, config: ArrayConfig, split: bool) -> None:
    row = network_row(name, config, split)
    known = recorded(name, config, row["mode"])
    del row["confirmed_in_rtl"]
    assert row == {column: known[column] for column in row}, f"{name} is another one than recorded: make bench-networks"
    assert row["utilization"] + sum(row["lost"].values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("split", [False, True])
def test_networks_take_the_recorded_cycles(name: str, split: bool) -> None:
    for config in ARRAYS:
        held(name, config, split)


@pytest.mark.slow
@pytest.mark.parametrize("split", [False, True])
def test_large_networks_take_the_recorded_cycles(split: bool) -> None:
    held("vgg_small", ARRAYS[2], split)
    held("resnet18", ARRAYS[3], split)


@pytest.mark.parametrize("name", ["sfc", "cnv", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_streamed_networks_take_the_recorded_cycles(name: str) -> None:
    known = [row for row in load("streaming")["rows"] if row["network"] == name]
    rows = streaming_rows(name)
    ways = [("link", 1 / 1200), ("loader", 1 / 1200)] if name in LOADED else [("link", float(rate)) for rate in LINKS]
    for row, before, (source, rate) in zip(rows, known, ways, strict=True):
        assert (row["weights_from"], before["weights_from"]) == (source, source)
        assert row["words_per_cycle"] == before["words_per_cycle"] == pytest.approx(rate, rel=1e-3)
        assert row == before
        assert row["cycles"] >= row["cycles_of_array"] + row["cycles_between"]


def test_the_record_has_all_streamed_networks() -> None:
    assert {row["network"] for row in load("streaming")["rows"]} == {*STREAMED, *LOADED}


def test_the_record_is_of_these_networks_and_arrays() -> None:
    rows = load("networks")["rows"]
    assert len(rows) == 2 * len(NETWORKS) * len(ARRAYS)
    assert {row["binops_per_cycle"] for row in rows} == {config.binops_per_cycle for config in ARRAYS}
    assert any(row["confirmed_in_rtl"] for row in rows)


@pytest.mark.slow
def test_cycles_are_those_of_the_rtl() -> None:
    assert confirm("digits", ArrayConfig(rows=2, cols=4, lanes=16, tile=4, drain_width=2, fetch_width=8), split=True)
