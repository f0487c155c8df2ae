"""The gain of each part of a training: tables of small trainings, in which one thing changes at a time.

`SCHEME` takes the paper's over-parameterised training scheme apart, `RECIPES` the recipes of others.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from signum.golden.layers.blocks import FLOAT, Network, Style
from signum.golden.training.tasks import Task

from .contest import TRAINED, Tell
from .trainer import Progress, Recipe, Trainer, evaluate, initial

__all__ = ["ABLATIONS", "RECIPES", "SCHEME", "Ablation", "Variant", "ablate", "record_path", "table"]


@dataclass(frozen=True)
class Variant:
    """Changes to the `Style` and to the `Recipe` of an ablation."""

    style: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


SCHEME = {
    "plain sign": Variant({"residual": "none", "activation_gains": False}),
    "+ weight gains": Variant({"residual": "none", "activation_gains": False, "weight_gains": "input"}),
    "+ weight + activation gains": Variant({"residual": "none", "weight_gains": "input"}),
    "+ gains + residual concat": Variant({"residual": "concat", "weight_gains": "input"}),
    "+ gains + residual int4": Variant({"residual": "int4", "weight_gains": "input"}),
    "residual int4, no weight gains": Variant({"residual": "int4"}),
}
"""The parts of the paper's scheme."""

EVEN = {"rectified": False, "activation_gains": False}
SHIFTED = {"rectified": False, "activation_gains": True}
SIGNS = {"first_levels": 1, "levels": 1, "last_levels": 1, "code_levels": 1}

RECIPES = {
    "as it is": Variant(),
    "signs": Variant(SIGNS | EVEN),
    "signs, learned shifts": Variant(SIGNS | SHIFTED),
    "levels of a ReLU": Variant({"rectified": True}),
    "even levels": Variant(EVEN),
    "levels, learned shifts": Variant(SHIFTED),
    "ends of 8-bit weights": Variant({"first_bits": 8, "last_bits": 8}),
    "weight gains": Variant({"weight_gains": "input"}),
    "centred weights": Variant({"centred_weights": True}),
    "error decay gradient": Variant({}, {"gradient": "decay"}),
    "real weights first": Variant({}, {"real_share": 0.3}),
    "distillation": Variant({}, {"distillation": 0.5}),
}
"""One change each to the style and the recipe of a task, whose own levels are those of one variant: fewer bits;
ReActNet's learned shifts (Liu et al., 2020); the gradient and the balanced weights of IR-Net (Qin et al., 2020);
two-stage training; distillation (Hinton et al., 2015)."""


@dataclass(frozen=True)
class Ablation:
    """The variants of a task, and the widths and steps of their trainings; ``style`` is what variants change."""

    variants: Mapping[str, Variant]
    multipliers: tuple[float, ...]
    steps: int
    style: Style | None = None


ABLATIONS = {
    "classification": Ablation(SCHEME, (1.0, 1.5, 2.0), 600, Style()),
    "segmentation": Ablation(RECIPES, (1.0,), 2500, Style(
        residual="concat", rectified=True, activation_gains=False, first_levels=3, levels=3, last_levels=3,
        first_bits=4, last_bits=2)),
    "matching": Ablation(RECIPES, (1.0,), 800),
}
"""By the name of the task; without a style, the task's own is changed."""


def record_path(task: str, folder: Path = TRAINED) -> Path:
    """File of the recorded table of a task; `make ablation TASK=...` makes it again."""
    return folder / task / "ablation.json"


def _network(task: Task, style: Style) -> Network:
    return task.network(style.blocks(task.encoder, task.maximum))


def ablate(task: Task, seeds: Sequence[int], path: Path, tell: Tell | None = None, *,
           ablation: Ablation | None = None) -> dict[str, Any]:
    """Train every variant at every width for every seed, and write the record.

    Parameters
    ----------
    task : Task
    seeds : sequence of int
    path : Path
        The record, written after every training; recorded trainings are not repeated.
    tell : callable, optional
    ablation : Ablation, optional
        By default the task's of `ABLATIONS`.
    """
    ablation = ablation or ABLATIONS[task.name]
    style = ablation.style or task.style
    base = replace(task.recipe, steps=ablation.steps)
    record: dict[str, Any] = {
        "task": task.name, "metric": task.metric, "steps": ablation.steps, "recipe": asdict(base),
        "style": asdict(style), "seeds": list(seeds), "runs": []}
    if path.exists():
        before = json.loads(path.read_text())
        same = {**before, "runs": [], "seeds": []} == {**record, "seeds": []}
        record["runs"] = before["runs"] if same else []
    done = {(run["variant"], run["multiplier"], run["seed"]) for run in record["runs"]}
    images, truth = task.split("test")
    for seed in seeds:
        teacher: Network | None = None
        for multiplier in ablation.multipliers:
            seen = set()
            for name, variant in ablation.variants.items():
                recipe, changed = replace(base, **variant.recipe), replace(style, **variant.style)
                known = (name, multiplier, seed) in done or (recipe, changed) in seen    # the task's own form
                seen.add((recipe, changed))
                if known:
                    continue
                if recipe.distillation and teacher is None:
                    teacher = _trained(task, FLOAT, replace(base, distillation=0.0), seed).network
                told = partial(tell, f"{name}, m={multiplier:g}, seed {seed}") if tell else None
                trainer = _trained(task, replace(changed, multiplier=multiplier), recipe, seed, teacher, told)
                record["runs"].append({
                    "variant": name, "multiplier": multiplier, "seed": seed, "validation": trainer.history[-1].score,
                    "test": task.score(evaluate(trainer.network, images), truth)})
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(record, indent=1) + "\n")
    return record


def _trained(task: Task, style: Style, recipe: Recipe, seed: int, teacher: Network | None = None,
             tell: Progress | None = None) -> Trainer:
    trainer = Trainer(task, initial(partial(_network, task, style), seed), recipe, seed=seed, teacher=teacher,
                      device="cpu")
    trainer.run(tell)
    return trainer


def table(record: dict[str, Any]) -> list[tuple[str, list[tuple[float, float]]]]:
    """Mean and standard deviation of the test scores, for each variant at each of the rising widths."""
    def scores(variant: str, multiplier: float) -> list[float]:
        return [run["test"] for run in record["runs"] if (run["variant"], run["multiplier"]) == (variant, multiplier)]

    def of(function: Callable[[list[float]], float], values: list[float]) -> float:
        return function(values) if len(values) > 1 else 0.0

    variants = list(dict.fromkeys(run["variant"] for run in record["runs"]))
    multipliers = sorted({run["multiplier"] for run in record["runs"]})
    return [(variant, [(mean(found), of(stdev, found)) for found in (scores(variant, m) for m in multipliers)])
            for variant in variants]
