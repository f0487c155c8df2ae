"""The commands ``signum bench`` and ``signum clock``: measurements into build/bench/NAME.json."""

import importlib
import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from signum.fpga.flow.boards import BOARDS, board_named
from signum.fpga.flow.commands import FAILED, REFUSED
from signum.hdl.lib.command import Command, Folder, Integer, Number, OneOf, Refusal
from signum.hdl.lib.folders import IN_REPOSITORY
from signum.verif.benchmarks import clock
from signum.verif.benchmarks.record import BENCHMARKS, BUILD, RECORDED, keep, load, value_text

__all__ = ["bench", "clock_command", "recorded_table"]


def recorded_table(name: str) -> Table:
    """All recorded rows of a benchmark."""
    content = load(name)
    columns = list(dict.fromkeys(column for row in content["rows"] for column in row))
    versions = ", ".join(f"{tool} {version}" for tool, version in content["tools"].items())
    table = Table(*(column.replace("_", " ") for column in columns), title=name, caption=versions)
    for row in content["rows"]:
        table.add_row(*(value_text(row.get(column)) for column in columns))
    return table


@click.command("bench", cls=Command, refused=REFUSED, failed=FAILED)
@click.argument("name", type=OneOf(BENCHMARKS), nargs=-1)
@click.option("--record", is_flag=True, help="Copy the results to docs/performance.")
@click.option("--table", is_flag=True, help="Print the recorded rows instead of measuring.")
def bench(name: tuple[str, ...], record: bool, table: bool) -> None:
    """Measure areas, clocks, cycles, the generator and the simulation.

    NAME is generator, area, elements, clock, loader, networks, precision, pixels, pins, streaming, exploration, session
    or simulation; without names, everything is measured.
    """
    if record and table:
        raise Refusal("record must not be given together with table")
    if (record or table) and not IN_REPOSITORY:
        raise Refusal(f"{'record' if record else 'table'} must be left out where there is no repository with results")
    console = Console()
    for each in name or BENCHMARKS:
        if table:
            console.print(recorded_table(each))
            continue
        console.rule(each)
        path = importlib.import_module(f"{__package__}.{each}").measure(console)
        if record:
            keep(each, path)
        console.print(f"see {path}")
    if not table:
        console.print(f"all records are in {RECORDED}" if record else f"all results are in {BUILD}")


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
