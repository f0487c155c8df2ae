"""The command ``signum test``: the regression, by pytest."""

import os
import subprocess
import sys

import click

from signum.hdl.lib.command import Command, Integer
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.bench.sweep import REGRESSION

__all__ = ["command", "pytest_arguments"]

FOLDER = "verif"


CHOICES = {"quick": "not slow", "regression": REGRESSION, "all": ""}
"""The tests that run, as marks of pytest."""


def pytest_arguments(chosen: str, jobs: int, further: tuple[str, ...]) -> list[str]:
    """The arguments of pytest for one of `CHOICES`; paths among ``further`` replace verif/."""
    paths = any((REPOSITORY / text.split("::")[0]).exists() for text in further)
    marks = ["-m", CHOICES[chosen]] if CHOICES[chosen] else []
    return ["-n", str(jobs), "--dist", "worksteal", "-q", *marks, *further, *([] if paths else [FOLDER])]


@click.command("test", cls=Command, failed=(OSError,), repository=True)
@click.option("--quick", "chosen", flag_value="quick", help="Leave the slow tests out.")
@click.option("--all", "chosen", flag_value="all", help="Run all cases of the tests that have many.")
@click.option("--jobs", type=Integer(0), default=2, show_default=True, metavar="N",
              help="Processes; 0 for none beside pytest's own.")
@click.option("--seed", type=Integer(0), metavar="N", help="Draw other cases (SEED of the environment).")
@click.option("--waves", is_flag=True, help="Write waves (WAVES of the environment).")
@click.argument("further", nargs=-1, metavar="[PATH]... [-- OPTION...]", type=click.UNPROCESSED)
def command(chosen: str | None, jobs: int, seed: int | None, waves: bool, further: tuple[str, ...]) -> int:
    """Run the regression.

    Paths of tests stand in for all of verif/, and behind -- come options of pytest. SIM of the environment chooses the
    simulator, verilator or icarus.
    """
    variables = {**({} if seed is None else {"SEED": str(seed)}), **({"WAVES": "1"} if waves else {})}
    arguments = pytest_arguments(chosen or "regression", jobs, further)
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=REPOSITORY,
                          env={**os.environ, **variables}).returncode
