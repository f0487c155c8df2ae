"""The gain of each part of the over-parameterised training scheme: a table of small trainings."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from signum.golden.layers.blocks import Network, Style
from signum.golden.training.tasks import Task

from .contest import TRAINED, Tell
from .trainer import Trainer, evaluate, initial

__all__ = ["ABLATION", "MULTIPLIERS", "VARIANTS", "ablate", "table"]

ABLATION = TRAINED / "ablation.json"
"""The recorded table; `make ablation` makes it again."""

VARIANTS: dict[str, dict[str, Any]] = {
    "plain sign": {"residual": "none", "activation_gains": False},
    "+ weight gains": {"residual": "none", "activation_gains": False, "weight_gains": "input"},
    "+ weight + activation gains": {"residual": "none", "weight_gains": "input"},
    "+ gains + residual concat": {"residual": "concat", "weight_gains": "input"},
    "+ gains + residual int4": {"residual": "int4", "weight_gains": "input"},
    "residual int4, no weight gains": {"residual": "int4"},
}
"""Changes to a `Style`, by the name of the variant."""

MULTIPLIERS = (1.0, 1.5, 2.0)


def _network(task: Task, style: Style) -> Network:
    return task.network(style.blocks(task.encoder, task.maximum))


def ablate(task: Task, seeds: Sequence[int], steps: int, path: Path = ABLATION, tell: Tell | None = None,
           ) -> dict[str, Any]:
    """Train every variant at every width for every seed, all with the same recipe, and write the record.

    Parameters
    ----------
    task : Task
    seeds : sequence of int
    steps : int
        Steps of each training; all else follows the recipe of the task.
    path : Path
        The record, written after every training; recorded trainings are not repeated.
    tell : callable, optional
    """
    record: dict[str, Any] = {"task": task.name, "metric": task.metric, "steps": steps, "seeds": list(seeds),
                              "runs": []}
    if path.exists():
        before = json.loads(path.read_text())
        record["runs"] = before["runs"] if {**before, "runs": []} == record else []
    done = {(run["variant"], run["multiplier"], run["seed"]) for run in record["runs"]}
    recipe = replace(task.recipe, steps=steps)
    images, truth = task.split("test")
    for seed in seeds:
        for multiplier in MULTIPLIERS:
            for variant, changes in VARIANTS.items():
                if (variant, multiplier, seed) in done:
                    continue
                style = Style(multiplier=multiplier, **changes)
                network = initial(partial(_network, task, style), seed)
                trainer = Trainer(task, network, recipe, seed=seed, device="cpu")
                trainer.run(partial(tell, f"{variant}, m={multiplier:g}, seed {seed}") if tell else None)
                record["runs"].append({
                    "variant": variant, "multiplier": multiplier, "seed": seed,
                    "validation": trainer.history[-1].score, "test": task.score(evaluate(network, images), truth)})
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(record, indent=1) + "\n")
    return record


def table(record: dict[str, Any]) -> list[tuple[str, list[tuple[float, float]]]]:
    """Mean and standard deviation of the test scores, for each variant at each width."""
    def scores(variant: str, multiplier: float) -> list[float]:
        return [run["test"] for run in record["runs"] if (run["variant"], run["multiplier"]) == (variant, multiplier)]

    def of(function: Callable[[list[float]], float], values: list[float]) -> float:
        return function(values) if len(values) > 1 else 0.0

    return [(variant, [(mean(found), of(stdev, found)) for found in (scores(variant, m) for m in MULTIPLIERS)])
            for variant in VARIANTS]
