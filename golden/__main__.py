"""``python -m golden``: train the digits network from the command line."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .train import save_digits_network, train_digits


def main(arguments: list[str]) -> None:
    """Train, save, and say how good it is."""
    parser = argparse.ArgumentParser(prog="python -m golden", description="Train the digits network and its "
                                     "float twin; accuracies are on the 360 held-out digits.")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the order of the images")
    parser.add_argument("--out", type=Path, default=Path("build/digits.pt"), help="the file to write")
    options = parser.parse_args(arguments)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=None)
        trained = train_digits(options.seed, lambda done, total, text: bar.update(
            task, completed=done, total=total, description=text))
    save_digits_network(trained, options.out)
    console.print(f"seed {trained.seed}: binary {100 * trained.accuracy:.2f} %, "
                  f"float {100 * trained.accuracy_float:.2f} %; saved as {options.out}")


if __name__ == "__main__":
    main(sys.argv[1:])
