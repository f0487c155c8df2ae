"""The benchmark of clocks: its row of several placements."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from signum.fpga.flow.placement import STALLED
from signum.fpga.flow.report import ReportError
from signum.fpga.flow.tools import BuildError
from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks import clock
from signum.verif.benchmarks.record import RECORDED, load

REACHED = {1: 50.0, 2: 61.0, 4: 55.0, 5: 52.0}


def pretend(monkeypatch: pytest.MonkeyPatch, reached: dict[int, float]) -> None:
    def place(board: Any, seed: int, folder: Path, frequency: float) -> dict[str, Any]:
        if seed not in reached:
            raise BuildError(f"nextpnr-ice40: {STALLED}")
        steps = [{"type": "logic", "delay": 1.0, "from": {"cell": "a"}, "to": {"cell": name}}
                 for name in ("a", "a", f"b{seed}")]
        return {"fmax": {"clk": {"achieved": reached[seed], "constraint": frequency / 1e6}},
                "utilization": {"ICESTORM_LC": {"used": 100, "available": 7680}},
                "critical_paths": [{"from": "posedge clk", "to": "posedge clk", "path": steps}]}

    monkeypatch.setattr(clock, "load", lambda name, folder: {"rows": []} if folder is RECORDED else load(name, folder))
    monkeypatch.setattr(clock, "synthesize", lambda *_: {})
    monkeypatch.setattr(clock, "place", place)
    monkeypatch.setattr(clock, "tool", lambda _: SimpleNamespace(version="1.2"))


def place(seeds: range, folder: Path, *, preset: str = "small", frequency: float | None = None) -> None:
    clock.case("ice40_hx8k_b_evn", preset, seeds, Console(quiet=True), frequency=frequency, folder=folder)


def test_median_and_best(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, REACHED)
    place(range(1, 6), tmp_path, frequency=60e6)
    [row] = load("clock", tmp_path)["rows"]
    assert row == {"board": "ice40_hx8k_b_evn", "preset": "small", "binops_per_cycle": 128, "fmax_mhz_median": 53.5,
                   "fmax_mhz_best": 61.0, "wanted_mhz": 60.0, "seeds": [1, 2, 4, 5], "stalled_seeds": [3], "lut": 100,
                   "lut_capacity": 7680, "placer": "nextpnr-ice40 1.2", "critical_path_of_best": "a to b2, 2 cells"}


def test_no_seed_that_can_be_routed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, {})
    with pytest.raises(BuildError, match=f"{STALLED} with any seed"):
        place(range(1, 3), tmp_path)


def test_other_rows_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, REACHED)
    place(range(1, 3), tmp_path, preset="ice40_hx8k")
    for seeds in (range(1, 2), range(1, 3)):
        place(seeds, tmp_path)
    rows = load("clock", tmp_path)["rows"]
    assert [(row["preset"], row["fmax_mhz_best"]) for row in rows] == [("ice40_hx8k", 61.0), ("small", 61.0)]


def test_the_row_of_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, REACHED)
    place(range(1, 6), tmp_path / "placed", frequency=60e6)
    path = [{"kind": "logic", "ns": 1.0, "from": "a", "to": name, "net": ""} for name in ("a", "a", "b2")]
    report: dict[str, Any] = {
        "board": "ice40_hx8k_b_evn", "device": "iCE40HX8K-CT256", "family": "ice40", "binops_per_cycle": 128,
        "config": ArrayConfig.preset("small").to_dict(), "lut": 100, "lut_capacity": 7680, "ram": 1,
        "ram_capacity": 32, "fmax_mhz": 61.0, "clock_mhz": 60.0, "seed": 2, "stalled_seeds": [3],
        "fmax_mhz_by_seed": {str(seed): mhz for seed, mhz in REACHED.items()}, "critical_path": path,
        "tools": {"nextpnr-ice40": "1.2", "yosys": "3"}}
    clock.built(report, tmp_path / "built")
    assert load("clock", tmp_path / "built")["rows"] == load("clock", tmp_path / "placed")["rows"]
    other = report | {"config": report["config"] | {"weight_depth": 100}}
    with pytest.raises(ReportError, match="the build for ice40_hx8k_b_evn must be of a preset"):
        clock.built(other, tmp_path / "other")


def test_the_record_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = load("clock")["rows"]
    pretend(monkeypatch, REACHED)
    monkeypatch.setattr(clock, "load", load)
    place(range(1, 2), tmp_path, preset="small")
    rows = load("clock", tmp_path)["rows"]
    assert [row for row in rows if row["preset"] != "small"] == [row for row in before if row["preset"] != "small"]
