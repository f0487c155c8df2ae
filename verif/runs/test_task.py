"""A task from end to end: the array's inputs, the comparison with PyTorch, the machine of each layer, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.compile import compile_graph
from signum.golden.layers.binary import BatchNorm
from signum.golden.layers.blocks import FLOAT, Network, Style
from signum.golden.layers.encoder import BitPlanes
from signum.golden.layers.int8 import quantize
from signum.golden.training import contest
from signum.golden.training.contest import compete
from signum.golden.training.tasks import TASKS, named
from signum.golden.training.tasks.classification import Classification
from signum.golden.training.tasks.matching import Correspondences
from signum.golden.training.trainer import initial
from signum.verif.command_line import main
from signum.verif.golden.layers.test_blocks import images, settled
from signum.verif.runs import task as module
from signum.verif.runs.task import (
    ARRAY,
    INT8_ARRAY,
    array_inputs,
    body_graph,
    fitted,
    host_layers,
    run_distances,
    run_int8_on_array,
    run_on_array,
    run_streams,
    run_task,
    signs_of,
    where,
)

__all__ = ["images"]

SMALL = ARRAY.replace(rows=3, cols=6, lanes=16, drain_width=2, activation_depth=4096, threshold_depth=4096,
                      weight_depth=4096)
INT8_SMALL = INT8_ARRAY.replace(rows=3, cols=5, lanes=2, drain_width=1, activation_depth=8192, weight_depth=8192)


def test_inputs_of_the_array(images):
    network = settled(Style(), images)
    inputs = array_inputs(network, images)
    assert inputs.shape == (1, 17, 14)
    assert inputs.maps["input"].shape == (6, 17, 14, 5)


@pytest.mark.slow
def test_bodies_on_the_array(images, monkeypatch):
    monkeypatch.setattr(module, "INT8_ARRAY", INT8_SMALL)
    network = settled(Style(multiplier=1.5), images)
    run = run_on_array(network, compile_graph(body_graph(network, images), SMALL), images)
    assert run.mismatches == 0
    assert run.images == 6
    assert run.measured == [run.predicted] * 2
    assert run.values > 6 * 50
    network = settled(FLOAT, images)
    run = run_int8_on_array(quantize(network, network.encode(images)), images)
    assert run.mismatches == 0
    assert run.measured == [run.predicted] * 2


@pytest.mark.slow
def test_a_difference_is_counted(images):
    network = settled(Style(), images)
    program = compile_graph(body_graph(network, images), SMALL)
    with torch.no_grad():
        next(part for part in network.modules() if isinstance(part, BatchNorm)).bias.add_(2)
    assert run_on_array(network, program, images).mismatches > 0


def test_where_layers_run(images):
    blocks = Style().blocks(BitPlanes(4), 15)
    planes = initial(lambda: Network(blocks, nn.Sequential(blocks.conv(1, 3, kernel=1), blocks.block(3, 4),
                                                           blocks.conv(4, 5))), 0)
    places = where(body_graph(planes, images % 16))
    assert [row["where"] for row in places] == ["array, 4 bit planes", "array, bits", "array, INT4 residual",
                                                "array, bits"]
    assert host_layers(planes) == []
    planes.last = nn.Sequential(nn.Conv2d(5, 2, 1), nn.ReLU())
    assert host_layers(planes) == ["last.0"]


@pytest.mark.sweep(2)
@pytest.mark.slow
@pytest.mark.parametrize("answer", ["values", "ranks", "words", "levels", "bytes"])
def test_streams_of_a_task(answer, images, monkeypatch):
    """A stream of pixels gives what PyTorch gives, in raster order."""
    monkeypatch.setattr(module, "ARRAY", SMALL.replace(lanes=32))
    task = named("detection")
    task.answer = {"bytes": "values", "levels": "words"}.get(answer, answer)
    task.shuffle = 1 if task.answer == "words" else 2
    style = Style(residual="concat", first_levels=3, code_levels=3, first_bits=2) if answer == "levels" else Style()
    blocks = style.blocks(BitPlanes(8), 255)
    first = blocks.pixels(1, 6, kernel=3, centred=True)
    bodies = {"words": lambda: nn.Sequential(first, blocks.code(6, 7)),
              "levels": lambda: nn.Sequential(first, blocks.code(6, 8)), "bytes": lambda: blocks.grey(first, 6, 4, 3)}
    body = bodies.get(answer, lambda: nn.Sequential(first, blocks.values(6, 8, 3)))
    network = initial(lambda: Network(blocks, body()), 0)
    for part in network.modules():
        if isinstance(part, BatchNorm):
            part.momentum = 1.0
    with torch.no_grad():
        network.train()(network.encode(images))
    found = run_streams(task, network.eval(), images[:2])
    assert found["bytes_in"] == 17 * 14
    assert found["bytes_out"] == 4 * 17 * 14 * {"values": 8, "ranks": 4, "words": 1, "levels": 1, "bytes": 4}[answer]
    assert found["interval_cycles"] == found["interval_cycles_predicted"]
    assert found["latency_cycles"] == found["latency_cycles_predicted"]


def test_images_are_cut_until_they_fit(images):
    network = settled(Style(), images)
    whole = compile_graph(body_graph(network, images), SMALL)

    def compiled(given):
        if given.shape[3] > 30:
            raise CapacityError("too large", 1)
        return whole

    program, cut = fitted(compiled, np.zeros((2, 1, 64, 48)))
    assert program is whole
    assert cut.shape == (2, 1, 24, 24)
    assert fitted(compiled, images)[1] is images
    with pytest.raises(CapacityError):
        fitted(compiled, np.zeros((2, 1, 16, 64)))


def test_signs_of_levels():
    assert signs_of(np.array([[-3, -1], [1, 3]]), 3).tolist() == [[0, 0, 0, 1, 0, 0], [1, 1, 0, 1, 1, 1]]
    assert signs_of(np.array([1, -1]), 1).tolist() == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("signs", [1, 3])
def test_distances(signs, monkeypatch):
    """Half of the differences of two descriptors' levels, on the array."""
    monkeypatch.setattr(module, "ARRAY", SMALL)
    rng = np.random.default_rng(signs)
    descriptors = 2 * rng.integers(0, signs + 1, (4, 40, 5, 6)) - signs
    points = np.argwhere(np.ones((2, 5, 6), dtype=bool))
    truth = Correspondences(points, points + np.array([2, 0, 0]))
    run = run_distances(descriptors, truth, signs)
    assert (run.values, run.mismatches) == (900, 0)
    here, there = (descriptors[image].reshape(40, -1).T for image in (0, 2))
    distances = np.abs(here[:, None] - there).sum(axis=2) // 2
    assert np.array_equal((signs_of(here, signs)[:, None] != signs_of(there, signs)).sum(axis=2), distances)


@pytest.mark.slow
def test_a_whole_task(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "ARRAY", SMALL)
    monkeypatch.setattr(module, "INT8_ARRAY", INT8_SMALL)
    task = Classification()
    task.recipe = replace(task.recipe, steps=4, batch=8, scores=1)
    compete(task, [0], tmp_path / "trained")
    for name in ("record_of", "trained_network"):
        found = getattr(contest, name)
        monkeypatch.setattr(module, name, lambda *given, found=found: found(*given, tmp_path / "trained"))
    report = run_task(task, tmp_path / "out", Console(quiet=True), images=9)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == json.loads(json.dumps(report))
    assert {"metric", "float", "int8", "binary_m1", "binary_m2", "rtl_mismatches", "train_seconds"} <= set(report)
    assert report["rtl_mismatches"] == 0
    assert report["rtl_other_cycles"] == 0
    assert report["rtl"]["binary_m1"]["values"] == 90
    assert set(report["rtl"]) == {"int8", "binary_m1", "binary_m2"}
    assert (tmp_path / "out" / "picture.png").stat().st_size > 5000


def test_refusals(capsys):
    assert main(["task", "--task", "counting"]) == 2
    assert capsys.readouterr().err == f"task must be one of {', '.join(TASKS)}, or a Python file, not counting\n"
