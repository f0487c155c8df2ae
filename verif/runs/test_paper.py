"""The page about the paper contains every figure of the reports."""

import json
from typing import Any

import pytest

from signum.golden.training.contest import record_of
from signum.golden.training.tasks import TASKS
from signum.hdl.config import ArrayConfig
from signum.verif.runs import paper
from signum.verif.runs.claims import Comparison
from signum.verif.runs.paper import RECORDED, claims, page, scores_near

EQUALS = ("operand bandwidth", "processing elements", "LUT4")


@pytest.fixture
def data() -> dict[str, Any]:
    """Reports with distinctive figures."""
    run = {"image": "9 x 8", "values": 1234, "mismatches": 0, "per_image": 777.0, "utilization": 0.5}
    stream = {"split": True, "image": "7 x 6", "bytes_in": 4321, "bytes_out": 17, "interval_cycles": 888.25,
              "latency_cycles": 999, "interval_cycles_predicted": 888.25, "latency_cycles_predicted": 999}
    tasks = {name: {
        "task": name, "metric": "score", "seeds": 3, "float": 91.01, "int8": 90.02, "binary_m1": 88.03,
        "binary_m2": 89.04, "baselines": {"guessing": 10.5}, "rtl_mismatches": 0, "further": {},
        "test_set": "13 images of ours",
        "rtl": {"binary_m1": run}, "where": {"binary_m1": [{"layer": "first", "where": "array, 64 bit planes"}]},
        "host_layers": [], "streams": {"binary_m1": stream},
    } for name in TASKS}
    config = ArrayConfig(rows=3, cols=4, lanes=5).to_dict()
    return {
        "tasks": tasks,
        "cycles": [Comparison(name, m, equal, 1000 * m, 100, 200, 50).row()
                   for name in ("resnet18", *TASKS) for m in (1.0, 1.5, 2.0) for equal in EQUALS],
        "machines": [{"equal": equal, "config": config, "binary": 10, "int8": 11} for equal in EQUALS],
        "reactnet": [{"multiplier": m, "trunk": trunk, "reactnet_array": 500, "reactnet_trunk": 60, "binary": 250,
                      "ratio": 2.24} for m in (1.0, 1.5) for trunk in ("vector unit", "traffic", "nothing")],
        "resnet18": json.loads(RECORDED.read_text()),
        "tradeoff": [{"task": name, "network": kind, "bits": bits, "width": 1.0, "seeds": 3, "accuracy": 77.77,
                      "std": 0.55, "cycles_equal_lut4": 4444.0, "cycles_equal_bandwidth": 3333.0,
                      "ratio_equal_lut4": 6.6, "ratio_equal_bandwidth": None, "bound_equal_lut4": None,
                      "bound_equal_bandwidth": 1.5}
                     for name in TASKS for kind, bits in (("int8", 8), ("binary_m1", 1))],
        "ablations": {},
    }


def test_rows(data):
    rows = claims(data)
    assert all(set(row) == {"claim", "paper", "ours", "how", "why"} for row in rows)
    assert "89.0 (m=2) against 90.0" in rows[0]["ours"]
    assert "0 of 6170 results" in rows[-1]["ours"]
    (together,) = [row for row in rows if row["claim"].startswith("the accuracy of 8-bit networks and")]
    assert together["ours"] == "widths not trained yet"
    narrow = {**data["tradeoff"][0], "width": 0.5}
    (together,) = [row for row in claims({**data, "tradeoff": [narrow, *data["tradeoff"]]})
                   if row["claim"].startswith("the accuracy of 8-bit networks and")]
    assert together["ours"] == "classification 6.6x (m=1)"
    beyond = {**data["tradeoff"][1], "ratio_equal_lut4": None, "bound_equal_lut4": 3.25}
    (together,) = [row for row in claims({**data, "tradeoff": [narrow, *data["tradeoff"], beyond]})
                   if row["claim"].startswith("the accuracy of 8-bit networks and")]
    assert together["ours"] == "classification 6.6x (m=1), > 3.2x (m=1)"
    assert "0 of 1706984 results" in rows[-2]["ours"]
    data["tasks"]["detection"]["rtl_mismatches"] = 7
    assert "7 of 6170 results" in claims(data)[-1]["ours"]


def test_near():
    report = {"task": "segmentation", "int8": 80.0, "binary_m1": 70.0, "binary_m2": 77.5}
    assert scores_near(report)
    assert not scores_near({**report, "binary_m2": 76.9})


def test_page(data, monkeypatch):
    record = {**record_of("classification"), "steps": 654,
              "style": {"first_levels": 3, "levels": 3, "last_levels": 3}}
    record["runs"] = [run | {"converged": 0.125} for run in record["runs"]]
    monkeypatch.setattr(paper, "record_of", lambda name: record)
    text = page(data)
    for figure in ("91.01", "90.02", "88.03", "89.04", "guessing 10.5", "first: 64 bit planes", "| 777 |", "| 888.25 |",
                   "**5.0**", "| 6.0 |", "**2.24**", "Not recorded yet", "77.77 ± 0.55",
                   "13 images of ours", "| 9 x 8 | 1234 |", "| 7 x 6 | one on all rows |", "| 4 | 654 | +0.12; +0.12 |",
                   "| 4444 | 3333 | 6.6 | > 1.5 |"):
        assert figure in text, figure
    assert text.count("paper/matching.png") == 1
    assert "with activations of 2 bits: classification, detection, " in text
    record["style"]["levels"] = 1
    text = page(data)
    assert "| 4; 2; 4 | 654 |" in text
    assert "with activations of 2 bits: classification (at the ends), " in text
    runs = [{"variant": name, "multiplier": 1.0, "seed": seed, "test": score + seed}
            for name, score in (("as it is", 70), ("signs", 65.5)) for seed in (0, 2)]
    data["ablations"] = {"matching": {"task": "matching", "metric": "points", "steps": 9, "seeds": [0, 2],
                                      "style": {"first_bits": 3, "last_bits": 8}, "runs": runs}}
    text = page(data)
    assert "| signs | 66.50 ± 1.41 |" in text
    assert "-4.50 points at m = 1 (signs)" in text
    assert "Weights at the ends have 3 and 8 bits" in text
    assert "Not recorded yet" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines)
