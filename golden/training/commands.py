"""The commands ``signum train``, ``ablation`` and ``train-digits``: trainings, each with a progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from signum.hdl.lib.command import FILE, Command, Folder, Integer, OneOf
from signum.hdl.lib.folders import IN_REPOSITORY

from .ablation import ABLATIONS, ablate, record_path
from .contest import OWN, TRAINED, compete
from .curves import picture_ablation, picture_curves
from .fit import save_digits_network, train_digits
from .tasks import TASKS, TaskError, named
from .trainer import TrainingError

__all__ = ["ablation", "train", "train_digits_network"]

BUILD = Path("build/train")
KEPT = TRAINED if IN_REPOSITORY else BUILD / "trained"
"""Folder of networks and records: the repository's, never an installed package's."""

SEEDS = 3

Tell = Callable[[str, int, int, str], None]


@contextmanager
def _progress(console: Console) -> Iterator[Tell]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=None)
        yield lambda what, done, total, text: bar.update(
            task, completed=done, total=total, description=f"{what}: {text}")


@click.command("train-digits", cls=Command, failed=(TrainingError, OSError))
@click.option("--seed", type=Integer(0), default=0, show_default=True,
              help="Of the weights and of the order of the images.")
@click.option("--out", type=FILE, default=Path("build/digits.pt"), show_default=True, help="File to write.")
def train_digits_network(seed: int, out: Path) -> None:
    """Train the digits network of the smallest board, and its float twin."""
    console = Console()
    with _progress(console) as tell:
        trained = train_digits(seed, lambda done, total, text: tell("digits", done, total, text))
    save_digits_network(trained, out)
    console.print(f"seed {trained.seed}: binary {100 * trained.accuracy:.2f} %, "
                  f"float {100 * trained.accuracy_float:.2f} %; saved as {out}")


@click.command(cls=Command, refused=(TaskError,), failed=(TrainingError, OSError))
@click.option("--task", "task", required=True, help="A vision task, or a Python file of your own one.")
@click.option("--seeds", type=Integer(1), default=SEEDS, show_default=True, help="How many trainings of each network.")
@click.option("--seed", type=Integer(0), default=0, show_default=True, help="The first seed.")
@click.option("--steps", type=Integer(1), help="Steps of a training, in place of the recipe's.")
@click.option("--patience", type=Integer(0), help="Scores without a gain after which a training stops early.")
@click.option("--widths", is_flag=True, help="Also train the widths of the tradeoff between accuracy and cycles.")
@click.option("--out", type=Folder(),
              help="Folder for records and networks; by default the kept ones of the repository, and for a task of "
                   "your own build/train/trained.")
@click.option("--checkpoints", type=Folder(), default=BUILD, show_default=True,
              help="Folder for the state to resume from, and the learning curves.")
def train(task: str, seeds: int, seed: int, steps: int | None, patience: int | None, widths: bool, out: Path | None,
          checkpoints: Path) -> None:
    """Train the float, 8-bit and binary networks of a task.

    A training that was stopped goes on where it was; one that the record has is not repeated.
    """
    console = Console()
    made = named(task)
    made.recipe = replace(made.recipe, steps=made.recipe.steps if steps is None else steps,
                          patience=made.recipe.patience if patience is None else patience)
    folder = out or (KEPT if made.name in TASKS else OWN)
    with _progress(console) as tell:
        record = compete(made, range(seed, seed + seeds), folder, checkpoints, tell, widths=widths)
    picture = checkpoints / made.name / "curves.png"
    picture_curves(picture, record)
    console.print(_costs(record))
    for name, score in record["baselines"].items():
        console.print(f"{name:28} {score:7.2f} {record['metric']}", highlight=False)
    console.print(f"see {folder / made.name} and {picture}")


def _costs(record: dict[str, Any]) -> Table:
    """The scores of each network, and what its training cost: means of the seeds."""
    table = Table("network", "seeds", "test", "valid.", "gain", "weights", "steps", "CPU s", "images/s",
                  box=SIMPLE, padding=(0, 1, 0, 0), title=(
                      f"{record['task'].replace('_', ' ')}: {record['metric']}; gain of the validation score in the "
                      "last quarter of the steps"))
    for name in dict.fromkeys(run["network"] for run in record["runs"]):
        runs = [run for run in record["runs"] if run["network"] == name]
        scores = [f"{mean(run[split] for run in runs):.2f}" for split in ("test", "validation")]
        costs = ["", "", "", "", ""]
        if "curve" in runs[0]:
            steps, seconds = (mean(values) for values in (
                [run["curve"][-1]["step"] for run in runs], [run["seconds"] for run in runs]))
            costs = [f"{mean(run['converged'] for run in runs):+.2f}", f"{mean(run['parameters'] for run in runs):.0f}",
                     f"{steps:.0f}", f"{seconds:.0f}", f"{steps * record['recipe']['batch'] / seconds:.0f}"]
        table.add_row(name.replace("_", " "), str(len(runs)), *scores, *costs)
    return table


@click.command(cls=Command, failed=(TrainingError, OSError))
@click.option("--task", "task", type=OneOf(ABLATIONS), default=next(iter(ABLATIONS)), show_default=True,
              help="The task to train for.")
@click.option("--seeds", type=Integer(1), default=SEEDS, show_default=True, help="How many trainings of each variant.")
@click.option("--out", type=Folder(), default=KEPT,
              help="Folder for the record; by default that of the kept records of the repository.")
def ablation(task: str, seeds: int, out: Path) -> None:
    """Measure what each part of a training brings.

    Recorded trainings are not repeated.
    """
    console = Console()
    path = record_path(task, out)
    with _progress(console) as tell:
        record = ablate(named(task), range(seeds), path, tell)
    picture = BUILD / f"{task}_ablation.png"
    BUILD.mkdir(parents=True, exist_ok=True)
    picture_ablation(picture, record)
    console.print(f"see {path} and {picture}")
