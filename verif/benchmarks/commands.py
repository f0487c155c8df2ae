"""The commands ``signum bench`` and ``signum clock``: measurements into build/bench/NAME.json."""

import importlib
import json
import shutil
from pathlib import Path

import click
from rich.console import Console

from signum.fpga.flow.boards import BOARDS, board_named
from signum.fpga.flow.commands import FAILED, REFUSED
from signum.hdl.lib.command import Command, Folder, Integer, Number, OneOf, Refusal
from signum.hdl.lib.folders import IN_REPOSITORY
from signum.verif.benchmarks import clock
from signum.verif.benchmarks.page import write
from signum.verif.benchmarks.record import BUILD, RECORDED

__all__ = ["BENCHMARKS", "bench", "clock_command"]

BENCHMARKS = ("generator", "area", "clock", "networks", "streaming", "simulation")
"""Modules of this package; each has ``measure(console) -> Path`` of the JSON file that it wrote."""


@click.command("bench", cls=Command, refused=REFUSED, failed=FAILED)
@click.argument("name", type=OneOf(BENCHMARKS), nargs=-1)
@click.option("--record", is_flag=True, help="Copy the results to docs/performance and write its page.")
def bench(name: tuple[str, ...], record: bool) -> None:
    """Measure areas, clocks, cycles, the generator and the simulation.

    NAME is generator, area, clock, networks, streaming or simulation; without names, everything is measured.
    """
    if record and not IN_REPOSITORY:
        raise Refusal("record must be left out where there is no repository to keep the results in")
    console = Console()
    for each in name or BENCHMARKS:
        console.rule(each)
        path = importlib.import_module(f"{__package__}.{each}").measure(console)
        if record:
            RECORDED.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, RECORDED / path.name)
        console.print(f"see {path}")
    console.print(f"see {write()}" if record else f"all results are in {BUILD}")


@click.command("clock", cls=Command, refused=REFUSED, failed=FAILED, repository=True)
@click.option("--built", type=Folder(), metavar="FOLDER", help="Take the row from the report of a build.")
@click.option("--board", type=OneOf(sorted(BOARDS)), metavar="NAME", help="Place this board's array.")
@click.option("--preset", metavar="NAME", help="Its configuration; by default the board's.")
@click.option("--frequency", type=Number(), metavar="MHZ", help="Clock to place it for; by default the board's.")
@click.option("--seeds", type=Integer(1), default=clock.SEEDS, show_default=True, metavar="N",
              help="How many placements.")
def clock_command(built: Path | None, board: str | None, preset: str | None, frequency: float | None,
                  seeds: int) -> None:
    """Measure the clock of one array on one board.

    The row is added to build/bench/clock.json.
    """
    if bool(built) == bool(board):
        raise Refusal("either board or built must be given")
    console = Console()
    if built:
        console.print(f"see {clock.built(json.loads((built / 'report.json').read_text()))}")
        return
    assert board
    console.print("see " + str(clock.case(board, preset or board_named(board).preset, range(1, seeds + 1), console,
                                          frequency=None if frequency is None else frequency * 1e6)))
