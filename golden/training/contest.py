"""The contest of a task: float, 8-bit and binary networks, trained alike over several seeds, and their record.

`TRAINED` has the record of a task and the first seed's networks; `make train TASK=...` makes both again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from signum.golden.layers.binary import BinaryWeights
from signum.golden.layers.blocks import FLOAT, Network, Style
from signum.golden.layers.int8 import prepare, quantize
from signum.golden.training.tasks import TASKS, Task

from .checkpoint import load_network, save_network
from .trainer import Trainer, evaluate, initial

__all__ = ["CONTESTANTS", "KEPT", "OWN", "RECORD", "TRAINED", "WIDTHS", "compete", "contestant", "further_scores",
           "home", "kept_as", "mean_scores", "record_of", "trained_network"]

TRAINED = Path(__file__).parent / "trained"
"""Folder of the kept networks and records."""

OWN = Path("build/train/trained")
"""The same for tasks of a user."""

RECORD = "record.json"

CONTESTANTS = {"float": FLOAT, "binary_m1": Style(multiplier=1), "binary_m2": Style(multiplier=2)}
"""The trained networks of each seed; "int8" derives from the float network. A task may have binary blocks of another
style (`Task.style`)."""

WIDTHS = {style.name: style for style in (replace(FLOAT, multiplier=0.25), replace(FLOAT, multiplier=0.5),
                                          Style(multiplier=0.5), Style(multiplier=1.5), Style(multiplier=3))}
"""The further networks of the tradeoff between accuracy and cycles."""

KEPT = ("int8", "binary_m1", "binary_m2")
"""Networks of the first seed in files beside the record."""

CALIBRATION = 64
"""Training images for the scales of 8-bit layers."""

Tell = Callable[[str, int, int, str], None]
"""Called with the name of the network, the finished steps, all steps, and the state of the training."""


def trained_as(name: str) -> str:
    """The name of the trained network; "int8..." derives from the float network."""
    return name.replace("int8", "float")


def kept_as(name: str) -> str:
    """The name of a trained network as it runs on an array: the 8-bit twin of a float network."""
    return name.replace("float", "int8")


def contestant(task: Task, name: str, seed: int) -> Network:
    """An untrained network; "int8..." is the float network."""
    style = (CONTESTANTS | WIDTHS)[trained_as(name)]
    if style.binary:
        style = replace(task.style, multiplier=style.multiplier)
    return initial(lambda: task.network(style.blocks(task.encoder, task.maximum)), seed)


def home(task_name: str) -> Path:
    """The folder of the trainings of a task: `TRAINED`, or `OWN` for a task of a user."""
    return TRAINED if task_name in TASKS else OWN


def trained_network(task: Task, name: str, folder: Path | None = None) -> Network:
    """The kept "int8", "binary_m1" or "binary_m2" of the first seed; StoreError without it."""
    return load_network(prepare(contestant(task, name, 0)), (folder or home(task.name)) / task.name / f"{name}.npz")


def record_of(task_name: str, folder: Path | None = None) -> dict[str, Any]:
    """The record of a task."""
    return json.loads(((folder or home(task_name)) / task_name / RECORD).read_text())


def mean_scores(record: dict[str, Any]) -> dict[str, float]:
    """Mean test score of each main contestant over the seeds."""
    return {name: mean(run["test"] for run in record["runs"] if run["network"] == name) for name in ("float", *KEPT)}


def further_scores(record: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Mean scores on the images of `Task.further`, by their name, with the scores of the simple methods."""
    return {title: {name: mean(run["further"][title] for run in record["runs"] if run["network"] == name)
                    for name in ("float", *KEPT)} | simple
            for title, simple in record["further"].items()}


def _calibration(task: Task, network: Network) -> torch.Tensor:
    images, _ = task.batch(np.random.default_rng(0), CALIBRATION)
    return network.encode(images)


def _run(task: Task, name: str, network: Network, seed: int) -> dict[str, Any]:
    """The record of one network."""
    scores = {}
    for split in ("validation", "test"):
        images, truth = task.split(split)
        scores[split] = task.score(evaluate(network, images), truth)
    further = {title: task.score(evaluate(network, images), truth)
               for title, (images, truth, _) in task.further().items()}
    return {"network": name, "seed": seed, **scores, "further": further,
            "binary_weights": sum(m.weight.numel() for m in network.modules() if isinstance(m, BinaryWeights)),
            "parameters": sum(p.numel() for p in network.parameters())}


def _converged(trainer: Trainer) -> float:
    """The gain of the validation score in the last quarter of a training."""
    before = [point.score for point in trainer.history if point.step <= 0.75 * trainer.recipe.steps]
    return trainer.history[-1].score - before[-1] if before else float("nan")


def _begun(task: Task, folder: Path) -> dict[str, Any]:
    """The record so far of the same recipe; of another style, its float and 8-bit networks, which have none."""
    head = {"task": task.name, "metric": task.metric, "recipe": asdict(task.recipe), "style": asdict(task.style)}
    path = folder / task.name / RECORD
    found = json.loads(path.read_text()) if path.exists() else {}
    differ = [name for name, value in head.items() if found.get(name) != value]
    if not differ:
        return found
    runs = [run for run in found["runs"] if not (CONTESTANTS | WIDTHS)[trained_as(run["network"])].binary
            ] if differ == ["style"] else []
    return {**head, "seeds": [], "baselines": task.baselines(), "runs": runs,
            "further": {name: simple for name, (_, _, simple) in task.further().items()}}


def compete(task: Task, seeds: Sequence[int], folder: Path = TRAINED, checkpoints: Path | None = None,
            tell: Tell | None = None, *, widths: bool = False) -> dict[str, Any]:
    """Train the contestants of a task for all seeds; writes the record after each, and the first seed's networks.

    Trainings that a record of the same recipe has are not repeated; those of binary networks are, if its style is
    another. The float network of a seed is the teacher of its binary networks, if the recipe has a share of
    distillation.

    Parameters
    ----------
    task : Task
    seeds : sequence of int
    folder : Path
        Gets the task's folder.
    checkpoints : Path, optional
        A folder for checkpoints; a stopped training resumes from them.
    tell : callable, optional
    widths : bool
        Train the networks of `WIDTHS`, too.

    Returns
    -------
    The record: ``metric``, ``recipe``, ``style``, ``steps``, ``seeds``, ``baselines``, and for each network and seed in
    ``runs`` its test and validation score, scores on `Task.further` images, and, where it was trained, the learning
    ``curve``, ``converged`` (the validation gain of the last quarter) and ``seconds`` of processor time.
    """
    record = _begun(task, folder)
    record["steps"] = task.recipe.steps
    order = {name: i for i, name in enumerate((*CONTESTANTS, *WIDTHS))}
    contest = _Contest(task, record, folder / task.name, checkpoints, tell)
    for names in (CONTESTANTS, WIDTHS if widths else {}):
        for seed in seeds:
            for name in names:
                contest.run(name, seed, keep=seed == seeds[0])
    record["runs"].sort(key=lambda run: (run["seed"], order[trained_as(run["network"])]))
    contest.write()
    return record


@dataclass
class _Contest:
    task: Task
    record: dict[str, Any]
    folder: Path
    checkpoints: Path | None
    tell: Tell | None

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        runs = self.record["runs"]
        done = {(run["network"], run["seed"]) for run in runs}
        self.record["seeds"] = sorted({seed for _, seed in done
                                       if all((name, seed) in done for name in CONTESTANTS)})
        (self.folder / RECORD).write_text(json.dumps(self.record, indent=1) + "\n")

    def run(self, name: str, seed: int, *, keep: bool) -> None:
        """Train a network, unless the record has it; ``keep`` the files of a first seed."""
        if any((run["network"], run["seed"]) == (name, seed) for run in self.record["runs"]):
            return
        task = self.task
        trainer = self._trained(name, seed)
        network = trainer.network
        trained = {"seconds": round(trainer.seconds, 3), "converged": round(_converged(trainer), 3),
                   "curve": [asdict(point) for point in trainer.history]}
        whole = quantize(network, _calibration(task, network))
        twin = kept_as(name)
        runs = self.record["runs"]
        if twin != name:
            runs.append(_run(task, name, network, seed) | trained)
            runs.append(_run(task, twin, whole, seed))
        else:       # a binary network is whole already: its sums stay the same
            runs.append(_run(task, name, whole, seed) | trained)
        if keep and twin in KEPT:
            save_network(whole, self.folder / f"{twin}.npz")
        self.write()

    def _trained(self, name: str, seed: int) -> Trainer:
        task = self.task
        taught = task.recipe.distillation > 0 and not name.startswith("float")
        teacher = self._trained("float", seed).network if taught else None
        checkpoint = self.checkpoints / task.name / f"{name}_{seed}.pt" if self.checkpoints else None
        trainer = Trainer(task, contestant(task, name, seed), task.recipe, seed=seed, checkpoint=checkpoint,
                          teacher=teacher, device="cpu")
        trainer.run(partial(self.tell, f"{name} seed {seed}") if self.tell else None)
        return trainer
