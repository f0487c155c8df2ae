"""The command ``signum test``: the regression, by pytest."""

import os
import subprocess
import sys

import click

from signum.hdl.lib.command import Command, Integer
from signum.hdl.lib.folders import REPOSITORY

__all__ = ["command", "pytest_arguments"]

FOLDER = "verif"


def pytest_arguments(quick: bool, jobs: int, further: tuple[str, ...]) -> list[str]:
    """The arguments of pytest; paths among ``further`` replace verif/."""
    paths = any((REPOSITORY / text.split("::")[0]).exists() for text in further)
    chosen = ["-m", "not slow"] if quick else []
    return ["-n", str(jobs), "--dist", "worksteal", "-q", *chosen, *further, *([] if paths else [FOLDER])]


@click.command("test", cls=Command, failed=(OSError,), repository=True)
@click.option("--quick", is_flag=True, help="Leave the slow tests out.")
@click.option("--jobs", type=Integer(0), default=2, show_default=True, metavar="N",
              help="Processes; 0 for none beside pytest's own.")
@click.option("--seed", type=Integer(0), metavar="N", help="Draw other cases (SEED of the environment).")
@click.option("--waves", is_flag=True, help="Write waves (WAVES of the environment).")
@click.argument("further", nargs=-1, metavar="[PATH]... [-- OPTION...]", type=click.UNPROCESSED)
def command(quick: bool, jobs: int, seed: int | None, waves: bool, further: tuple[str, ...]) -> int:
    """Run the regression.

    Paths of tests stand in for all of verif/, and behind -- come options of pytest. SIM of the environment chooses the
    simulator, verilator or icarus.
    """
    chosen = {**({} if seed is None else {"SEED": str(seed)}), **({"WAVES": "1"} if waves else {})}
    return subprocess.run([sys.executable, "-m", "pytest", *pytest_arguments(quick, jobs, further)], cwd=REPOSITORY,
                          env={**os.environ, **chosen}).returncode
