"""A small ResNet-18 in RTL, and the detection of a difference."""

import json

import numpy as np
import pytest

from signum.golden.layers.blocks import Style
from signum.golden.networks.resnet import random_resnet18
from signum.hdl.config import ArrayConfig
from signum.verif.command_line import main
from signum.verif.runs import resnet18
from signum.verif.runs.resnet18 import run_resnet18

CONFIG = ArrayConfig(rows=4, cols=4, lanes=16, tile=2, pipeline=1, acc_bits=11, sum_bits=18, weight_depth=1024,
                     activation_depth=3072, threshold_depth=128, requantize_depth=128, zero_padding=0)


def test_small_network(tmp_path):
    network = random_resnet18(Style(multiplier=0.125), 32, classes=10)
    told = []
    report = run_resnet18(network, 32, CONFIG, tmp_path, lambda done, total, text: told.append((done, total, text)))
    assert report["mismatches"] == {"rtl": 0, "graph": 0}
    assert report["wrong_cycles"] == 0
    assert report["cycles_measured"] == report["cycles_predicted"] > 0
    assert len(report["layers"]) == 18
    assert report["results"] == told[-1][0] == told[-1][1] == 8 * (64 * 5 + 2 * 16 * 4 + 4 * 4 * 4 + 8 * 4) + 10
    assert report["pieces"] > 18
    assert 0 < report["utilization"] < 1
    json.dumps(report)


def test_a_difference_is_counted_and_fails_the_command(tmp_path, monkeypatch):
    """One bit of PyTorch's result is inverted, without a simulation."""
    right = resnet18.pytorch_maps

    def wrong(network, graph, images):
        maps = right(network, graph, images)
        last = graph.layers[-2].name
        maps[last] = maps[last].copy()
        maps[last][0, 0, 0, 0] ^= True
        return maps

    def as_predicted(config, stages, maps, **options):
        return [resnet18.StageRun(stage, 1000, 1000, 0, stage.part_of(maps[stage.layer.name]).size) for stage in stages]

    monkeypatch.setattr(resnet18, "check_stages", as_predicted)
    small = ["resnet18", "--m", "0.125", "--size", "32", "--classes", "10", "--rows", "4", "--cols", "4", "--lanes",
             "16", "--out", str(tmp_path)]
    assert main(small) == 0
    report = json.loads((tmp_path / "resnet18.json").read_text())
    assert report["mismatches"] == {"rtl": 0, "graph": 0}
    assert np.isclose(sum(layer["cycles_measured"] for layer in report["layers"]), report["cycles_measured"])
    monkeypatch.setattr(resnet18, "pytorch_maps", wrong)
    assert main(small) == 1
    assert json.loads((tmp_path / "resnet18.json").read_text())["mismatches"]["graph"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("cycles", "wrong"), [(0, 0), (1, 18)])
def test_cycles_that_differ_are_counted(tmp_path, monkeypatch, cycles, wrong):
    def off(config, stages, maps, **options):
        return [resnet18.StageRun(stage, 1000 + cycles, 1000, 0, 1) for stage in stages]

    monkeypatch.setattr(resnet18, "check_stages", off)
    network = random_resnet18(Style(multiplier=0.125), 32, classes=10)
    assert run_resnet18(network, 32, CONFIG.replace(activation_depth=16384), tmp_path)["wrong_cycles"] == wrong
