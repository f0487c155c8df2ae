"""The contest: every network and seed in the record, and kept networks of the first seed."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from signum.golden.layers.binary import BinaryWeights
from signum.golden.layers.blocks import Style
from signum.golden.training.checkpoint import StoreError
from signum.golden.training.contest import (
    CONTESTANTS,
    compete,
    contestant,
    further_scores,
    mean_scores,
    record_of,
    trained_network,
)
from signum.golden.training.curves import picture_curves
from signum.golden.training.tasks import TASKS, Task, TaskError, named
from signum.golden.training.tasks.classification import Classification
from signum.golden.training.trainer import evaluate
from signum.verif.command_line import main


@pytest.fixture(scope="module")
def task() -> Task:
    made = Classification()
    made.recipe = replace(made.recipe, steps=6, batch=8, scores=2)
    return made


@pytest.fixture(scope="module")
def folder(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    told = []
    compete(task, [4, 5], folder, folder / "checkpoints", lambda *line: told.append(line))
    assert {line[0] for line in told} == {f"{name} seed {seed}" for name in CONTESTANTS for seed in (4, 5)}
    return folder


def test_record(task, folder):
    record = record_of("classification", folder)
    assert [(run["network"], run["seed"]) for run in record["runs"]] == [
        (name, seed) for seed in (4, 5) for name in ("float", "int8", "binary_m1", "binary_m2")]
    assert record["recipe"]["steps"] == 6
    assert record["baselines"] == task.baselines()
    scores = mean_scores(record)
    runs = [run["test"] for run in record["runs"] if run["network"] == "binary_m2"]
    assert scores["binary_m2"] == np.mean(runs)
    assert all(len(run["curve"]) == 2 and run["seconds"] > 0 for run in record["runs"] if run["network"] != "int8")


def test_kept_networks_are_the_first_seed(task, folder):
    record = record_of("classification", folder)
    images, truth = task.split("test")
    for name in ("int8", "binary_m1", "binary_m2"):
        network = trained_network(task, name, folder)
        (first,) = [run for run in record["runs"] if run["network"] == name and run["seed"] == 4]
        assert task.score(evaluate(network, images), truth) == first["test"]
    with pytest.raises(StoreError):
        trained_network(task, "binary_m2", folder / "nowhere")


def test_a_contest_goes_on_from_its_checkpoints(task, folder, tmp_path):
    again = compete(task, [4], tmp_path, folder / "checkpoints")
    before = [run for run in record_of("classification", folder)["runs"] if run["seed"] == 4]
    for run, other in zip(again["runs"], before, strict=True):
        assert run["test"] == other["test"]


def test_recorded_trainings_are_not_repeated(task, folder, tmp_path):
    copied = tmp_path / "classification"
    shutil.copytree(folder / "classification", copied)
    before = record_of("classification", tmp_path)
    told = []
    after = compete(task, [4, 5, 6], tmp_path, None, lambda *line: told.append(line[0]), widths=False)
    assert set(told) == {f"{name} seed 6" for name in CONTESTANTS}
    assert after["runs"][:8] == before["runs"]
    assert after["seeds"] == [4, 5, 6]


def test_another_recipe_begins_again(folder, tmp_path):
    shutil.copytree(folder / "classification", tmp_path / "classification")
    other = Classification()
    other.recipe = replace(other.recipe, steps=3, batch=8, scores=1)
    assert compete(other, [4], tmp_path)["seeds"] == [4]


def test_another_style_keeps_the_float_networks(folder, tmp_path):
    """Float and 8-bit networks have no style: their trainings stand, those of binary networks are repeated."""
    shutil.copytree(folder / "classification", tmp_path / "classification")
    other = Classification()
    other.recipe = replace(other.recipe, steps=6, batch=8, scores=2)
    other.style = Style(residual="int4")
    told: list[str] = []
    after = compete(other, [4, 5], tmp_path, None, lambda *line: told.append(line[0]))
    assert set(told) == {f"{name} seed {seed}" for name in ("binary_m1", "binary_m2") for seed in (4, 5)}
    assert after["style"]["residual"] == "int4"
    assert after["seeds"] == [4, 5]
    before = record_of("classification", folder)["runs"]
    for kept in ("float", "int8"):
        assert [run for run in after["runs"] if run["network"] == kept] == [
            run for run in before if run["network"] == kept]
    assert len(after["runs"]) == len(before)


def test_widths_and_their_teacher(folder, tmp_path):
    """Every width is in the record, and a binary network learns from the float network of its seed."""
    made = Classification()
    made.recipe = replace(made.recipe, steps=2, batch=4, scores=1, distillation=0.5)
    made.style = Style(residual="concat", levels=3)
    record = compete(made, [0], tmp_path, tmp_path / "checkpoints", widths=True)
    assert [run["network"] for run in record["runs"]] == [
        "float", "int8", "binary_m1", "binary_m2", "float_m0.25", "int8_m0.25", "float_m0.5", "int8_m0.5",
        "binary_m0.5", "binary_m1.5", "binary_m3"]
    sizes = {run["network"]: run["parameters"] for run in record["runs"]}
    assert sizes["float_m0.25"] < sizes["float_m0.5"] < sizes["float"]
    assert sizes["binary_m0.5"] < sizes["binary_m1"] < sizes["binary_m1.5"] < sizes["binary_m2"] < sizes["binary_m3"]
    assert record["style"]["levels"] == 3
    assert sorted(path.name for path in (tmp_path / "classification").iterdir()) == [
        "binary_m1.npz", "binary_m2.npz", "int8.npz", "record.json"]


def test_contestants_begin_alike(task):
    first, second = contestant(task, "binary_m1", 3), contestant(task, "binary_m1", 3)
    weights = [[m.weight for m in net.modules() if isinstance(m, BinaryWeights)] for net in (first, second)]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_curves(folder, tmp_path):
    picture_curves(tmp_path / "curves.png", record_of("classification", folder))
    assert (tmp_path / "curves.png").stat().st_size > 5000


class WithStereo(Classification):
    """Scored on its validation images as well."""

    def further(self):
        return {"other writers": (*self.split("validation"), {"guessing": 10.0})}


def test_further_images(folder, tmp_path):
    made = WithStereo()
    made.recipe = replace(made.recipe, steps=6, batch=8, scores=2)
    record = compete(made, [4], tmp_path, folder / "checkpoints")
    found = further_scores(record)["other writers"]
    assert found["guessing"] == 10.0
    runs = {run["network"]: run["validation"] for run in record["runs"]}
    assert {name: found[name] for name in runs} == runs
    assert further_scores(record_of("classification", folder)) == {}


def test_command(capsys):
    assert main(["train", "--task", "counting"]) == 2
    assert capsys.readouterr().err == f"task must be one of {', '.join(TASKS)}, or a Python file, not counting\n"


def test_all_tasks_have_names():
    for name in TASKS:
        assert named(name).name == name
    with pytest.raises(TaskError, match=r"^task must be one of classification, .*, or a Python file, not counting$"):
        named("counting")


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_kept_networks_score_as_recorded(name):
    """The files of the repository are the networks of its records."""
    made = named(name)
    images, truth = made.split("test")
    recorded = {run["network"]: run["test"] for run in record_of(name)["runs"] if run["seed"] == 0}
    for kept in ("int8", "binary_m1", "binary_m2"):
        found = made.score(evaluate(trained_network(made, kept), images), truth)
        assert found == pytest.approx(recorded[kept], rel=1e-6), kept
