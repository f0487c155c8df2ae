"""The tradeoff of accuracy and cycles: cycles of untrained networks, and ratios at equal accuracy."""

import json
from pathlib import Path

import pytest

from signum.golden.layers.int8 import quantize
from signum.golden.training import contest
from signum.golden.training.tasks.detection import Detection
from signum.verif.runs import tradeoff
from signum.verif.runs.claims import binary_array, convolutions, graph_cycles, machines
from signum.verif.runs.task import body_graph
from signum.verif.runs.tradeoff import eight_bit_cycles, network_cycles, picture_tradeoff, rows

KEY = "cycles_equal_lut4"


def points(*pairs: tuple[float, float]) -> list[dict]:
    return [{"bits": 8, "accuracy": accuracy, KEY: cycles} for accuracy, cycles in pairs]


def test_between_two_widths():
    found = points((50, 100), (70, 1000), (90, 10000))
    assert eight_bit_cycles(found, 60, KEY) == pytest.approx(100 * 10**0.5)
    assert eight_bit_cycles(found, 70, KEY) == pytest.approx(1000)
    assert eight_bit_cycles(found, 90, KEY) == pytest.approx(10000)


def test_outside_of_the_widths():
    found = points((50, 100), (70, 1000))
    assert eight_bit_cycles(found, 70.1, KEY) is None
    assert eight_bit_cycles(found, 20, KEY) == 100
    assert eight_bit_cycles([], 20, KEY) is None


def test_a_dearer_network_that_is_worse_does_not_count():
    found = points((50, 100), (49, 500), (70, 1000))
    assert eight_bit_cycles(found, 60, KEY) == pytest.approx(1000**0.5 * 10)
    assert eight_bit_cycles([*found, {"bits": 1, "accuracy": 99, KEY: 1}], 80, KEY) is None


def test_cycles_of_a_task():
    """Those of the machines that the page describes, whatever the weights."""
    task = Detection()
    images, _ = task.split("test")
    binary = network_cycles(task, "binary_m1")
    again = contest.contestant(task, "binary_m1", 7).eval()
    expected = sum(graph_cycles(body_graph(again, images), binary_array(task.style)).values())
    assert binary == {KEY: expected, "cycles_equal_bandwidth": expected}
    network = contest.contestant(task, "int8_m0.5", 7).eval()
    layers = convolutions(quantize(network, network.encode(images[:2])), images)
    (lut4,) = [machine for machine in machines() if machine.equal == "LUT4"]
    half = network_cycles(task, "int8_m0.5")
    assert half[KEY] == sum(sum(graph_cycles(layer.graph(), lut4.config).values())
                            for layer in layers if not layer.free)
    assert half[KEY] < network_cycles(task, "int8")[KEY]
    assert half["cycles_equal_bandwidth"] < half[KEY]


def test_rows_of_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    task = Detection()
    def keep(binary: int) -> None:
        runs = [{"network": name, "seed": seed, "test": score + seed} for name, score in
                (("float", 90), ("int8", 90), ("int8_m0.25", 60), ("binary_m1", binary)) for seed in (0, 1)]
        (tmp_path / "detection" / "record.json").write_text(json.dumps({"runs": runs}))

    (tmp_path / "detection").mkdir()
    keep(74)
    monkeypatch.setattr(tradeoff, "record_of", lambda name: contest.record_of(name, tmp_path))
    cost = {"binary_m1": 10.0, "int8": 1000.0, "int8_m0.25": 100.0}
    monkeypatch.setattr(tradeoff, "network_cycles",
                        lambda task, name: dict.fromkeys(tradeoff.EQUALS.values(), cost[name]))
    found = rows(task)
    assert [(row["network"], row["bits"], row["width"], row["seeds"]) for row in found] == [
        ("int8_m0.25", 8, 0.25, 2), ("int8", 8, 1.0, 2), ("binary_m1", 1, 1, 2)]
    last = found[-1]
    assert (last["accuracy"], last["std"]) == (74.5, pytest.approx(0.5**0.5))
    assert last["ratio_equal_lut4"] == pytest.approx(10 * 10 ** ((74.5 - 60.5) / 30))
    assert last["bound_equal_lut4"] is None
    keep(91)
    best = rows(task)[-1]
    assert (best["ratio_equal_lut4"], best["bound_equal_lut4"]) == (None, 1000 / 10)
    picture_tradeoff(tmp_path / "tradeoff.png", found)
    assert (tmp_path / "tradeoff.png").stat().st_size > 5000
