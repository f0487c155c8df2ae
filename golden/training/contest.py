"""The contest of a task: float, 8-bit and binary networks, trained alike over several seeds, and their record.

`TRAINED` has the record of a task and the first seed's networks; `make train TASK=...` makes both again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from signum.golden.layers.binary import BinaryWeights
from signum.golden.layers.blocks import FLOAT, Network, Style
from signum.golden.layers.int8 import prepare, quantize
from signum.golden.training.tasks import Task

from .checkpoint import load_network, save_network
from .trainer import Trainer, evaluate, initial

__all__ = ["CONTESTANTS", "RECORD", "TRAINED", "compete", "contestant", "further_scores", "mean_scores", "record_of",
           "trained_network"]

TRAINED = Path(__file__).parent / "trained"
"""Folder of the kept networks and records."""

RECORD = "record.json"

CONTESTANTS = {"float": FLOAT, "binary_m1": Style(multiplier=1), "binary_m2": Style(multiplier=2)}
"""Trained networks; "int8" derives from the float network. Binary blocks have the paper's INT4 residual."""

CALIBRATION = 64
"""Training images for the scales of 8-bit layers."""

Tell = Callable[[str, int, int, str], None]
"""Called with the name of the network, the finished steps, all steps, and the state of the training."""


def contestant(task: Task, name: str, seed: int) -> Network:
    """An untrained network; "int8" is the float network."""
    style = CONTESTANTS["float" if name == "int8" else name]
    return initial(lambda: task.network(style.blocks(task.encoder, task.maximum)), seed)


def trained_network(task: Task, name: str, folder: Path = TRAINED) -> Network:
    """The kept "int8", "binary_m1" or "binary_m2" of the first seed; StoreError without it."""
    return load_network(prepare(contestant(task, name, 0)), folder / task.name / f"{name}.npz")


def record_of(task_name: str, folder: Path = TRAINED) -> dict[str, Any]:
    """The record of a task."""
    return json.loads((folder / task_name / RECORD).read_text())


def mean_scores(record: dict[str, Any]) -> dict[str, float]:
    """Mean test score of each contestant over the seeds."""
    return {name: mean(run["test"] for run in record["runs"] if run["network"] == name)
            for name in ("float", "int8", "binary_m1", "binary_m2")}


def further_scores(record: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Mean scores on the images of `Task.further`, by their name, with the scores of the simple methods."""
    return {title: {name: mean(run["further"][title] for run in record["runs"] if run["network"] == name)
                    for name in ("float", "int8", "binary_m1", "binary_m2")} | simple
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


def compete(task: Task, seeds: Sequence[int], folder: Path = TRAINED, checkpoints: Path | None = None,
            tell: Tell | None = None) -> dict[str, Any]:
    """Train all contestants of a task for all seeds; writes the record after each seed, and the first seed's networks.

    Parameters
    ----------
    task : Task
    seeds : sequence of int
    folder : Path
        Gets the task's folder.
    checkpoints : Path, optional
        A folder for checkpoints; a stopped contest resumes from them.
    tell : callable, optional

    Returns
    -------
    The record: ``metric``, ``recipe``, ``seeds``, ``baselines``, and for each network and seed in ``runs`` its test
    and validation score, scores on `Task.further` images, learning ``curve`` and ``seconds`` of processor time.
    """
    record: dict[str, Any] = {"task": task.name, "metric": task.metric, "recipe": asdict(task.recipe), "seeds": [],
                              "baselines": task.baselines(), "runs": [],
                              "further": {name: simple for name, (_, _, simple) in task.further().items()}}
    runs = record["runs"]
    for seed in seeds:
        for name in CONTESTANTS:
            network = contestant(task, name, seed)
            checkpoint = checkpoints / task.name / f"{name}_{seed}.pt" if checkpoints else None
            trainer = Trainer(task, network, task.recipe, seed=seed, checkpoint=checkpoint, device="cpu")
            trainer.run(partial(tell, f"{name} seed {seed}") if tell else None)
            run = _run(task, name, network, seed)
            run |= {"seconds": round(trainer.seconds, 3), "curve": [asdict(point) for point in trainer.history]}
            kept = {name: quantize(network, _calibration(task, network))}
            if name == "float":
                runs.append(run)
                kept = {"int8": kept["float"]}
                runs.append(_run(task, "int8", kept["int8"], seed))
            else:
                runs.append(run | _run(task, name, kept[name], seed))
            if seed == seeds[0]:
                for kept_name, kept_network in kept.items():
                    save_network(kept_network, folder / task.name / f"{kept_name}.npz")
        record["seeds"].append(seed)
        (folder / task.name / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    return record
