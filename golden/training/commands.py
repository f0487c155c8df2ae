"""The commands ``signum train``, ``ablation`` and ``train-digits``: trainings, each with a progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from signum.hdl.lib.command import FILE, Command, Folder, Integer, OneOf
from signum.hdl.lib.folders import IN_REPOSITORY

from .ablation import ABLATIONS, ablate, record_path
from .contest import TRAINED, compete, mean_scores
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
@click.option("--task", "task", type=OneOf(TASKS), required=True, help="A vision task.")
@click.option("--seeds", type=Integer(1), default=SEEDS, show_default=True, help="How many trainings of each network.")
@click.option("--widths", is_flag=True, help="Also train the widths of the tradeoff between accuracy and cycles.")
@click.option("--out", type=Folder(), default=KEPT,
              help="Folder for records and networks; by default the kept ones of the repository.")
@click.option("--checkpoints", type=Folder(), default=BUILD, show_default=True,
              help="Folder for the state to resume from, and the learning curves.")
def train(task: str, seeds: int, widths: bool, out: Path, checkpoints: Path) -> None:
    """Train the float, 8-bit and binary networks of a task.

    A training that was stopped goes on where it was; one that the record has is not repeated.
    """
    console = Console()
    with _progress(console) as tell:
        record = compete(named(task), range(seeds), out, checkpoints, tell, widths=widths)
    picture = checkpoints / task / "curves.png"
    picture_curves(picture, record)
    for name, score in (mean_scores(record) | record["baselines"]).items():
        console.print(f"{name:28} {score:7.2f} {record['metric']}", highlight=False)
    console.print(f"see {out / task} and {picture}")


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
