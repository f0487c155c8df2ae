"""``python -m signum.golden``: trainings from the command line."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from signum.golden.training.ablation import ABLATION, ablate
from signum.golden.training.contest import TRAINED, compete, mean_scores
from signum.golden.training.curves import picture_ablation, picture_curves
from signum.golden.training.fit import save_digits_network, train_digits
from signum.golden.training.tasks import TASKS, TaskError, named
from signum.golden.training.trainer import TrainingError

BUILD = Path("build/train")
SEEDS = 3
ABLATION_STEPS = 600


def _digits(options: argparse.Namespace, console: Console, tell: Callable[[str, int, int, str], None]) -> None:
    trained = train_digits(options.seed, lambda done, total, text: tell("digits", done, total, text))
    save_digits_network(trained, options.out)
    console.print(f"seed {trained.seed}: binary {100 * trained.accuracy:.2f} %, "
                  f"float {100 * trained.accuracy_float:.2f} %; saved as {options.out}")


def _contest(options: argparse.Namespace, console: Console, tell: Callable[[str, int, int, str], None]) -> None:
    record = compete(named(options.task), range(options.seeds), options.out, options.checkpoints, tell)
    picture = options.checkpoints / options.task / "curves.png"
    picture_curves(picture, record)
    for name, score in (mean_scores(record) | record["baselines"]).items():
        console.print(f"{name:28} {score:7.2f} {record['metric']}", highlight=False)
    console.print(f"see {options.out / options.task} and {picture}")


def _ablation(options: argparse.Namespace, console: Console, tell: Callable[[str, int, int, str], None]) -> None:
    record = ablate(named("classification"), range(options.seeds), options.steps, options.out, tell)
    picture = BUILD / "ablation.png"
    BUILD.mkdir(parents=True, exist_ok=True)
    picture_ablation(picture, record)
    console.print(f"see {options.out} and {picture}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m signum.golden", description="Train networks.")
    commands = parser.add_subparsers(required=True, metavar="command")
    digits = commands.add_parser("digits", help="the digits network of the smallest board, and its float twin")
    digits.add_argument("--seed", type=int, default=0, help="of the weights and of the order of the images")
    digits.add_argument("--out", type=Path, default=Path("build/digits.pt"), help="the file to write")
    digits.set_defaults(run=_digits)
    contest = commands.add_parser("contest", help="float, 8-bit and binary networks for a task")
    contest.add_argument("--task", required=True, help=", ".join(TASKS))
    contest.add_argument("--seeds", type=int, default=SEEDS, help="how many")
    contest.add_argument("--out", type=Path, default=TRAINED, help="folder for records and networks")
    contest.add_argument("--checkpoints", type=Path, default=BUILD,
                         help="folder for the state to resume from, and the learning curves")
    contest.set_defaults(run=_contest)
    ablation = commands.add_parser("ablation", help="what each part of the training scheme brings")
    ablation.add_argument("--seeds", type=int, default=SEEDS, help="how many")
    ablation.add_argument("--steps", type=int, default=ABLATION_STEPS, help="of each training")
    ablation.add_argument("--out", type=Path, default=ABLATION, help="the file to write")
    ablation.set_defaults(run=_ablation)
    return parser


def main(arguments: list[str]) -> int:
    """Train, save, and say how good it is; returns 1 where something given is wrong."""
    options = _parser().parse_args(arguments)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("training", total=None)
            options.run(options, console, lambda what, done, total, text: bar.update(
                task, completed=done, total=total, description=f"{what}: {text}"))
    except (TaskError, TrainingError) as error:
        console.print(str(error), style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
