"""The command ``signum coverage``: which lines of the hardware, and which bits of its signals, the tests reach."""

import json
import multiprocessing
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from signum.fpga.host.model import ModelError
from signum.fpga.host.verilate import digest
from signum.hdl.lib.command import Command, Integer, OneOf
from signum.hdl.lib.emit import EmitError, write_whole
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.benchmarks.record import keep
from signum.verif.coverage import emission, points, recording
from signum.verif.coverage.points import Coverage
from signum.verif.coverage.report import report
from signum.verif.coverage.statements import statements
from signum.verif.coverage.stimuli import STIMULI, drive

__all__ = ["LEAST", "OUT", "command"]

OUT = Path("build/coverage")
LEAST = 98                  # percent of the lines


def depends_on(name: str) -> str:
    """A digest of a stimulus and the sources that its coverage depends on."""
    folders = ("hdl", "golden", "fpga", "verif/bench", "verif/mutate", "verif/hdl", "verif/fpga/host")
    files = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.[pc]*"))
             if path.suffix in (".py", ".cpp")]
    files += [Path(module.__file__ or "") for module in (emission, points, recording)]
    return digest(repr(STIMULI[name]), *(f"{path.name} {path.read_text()}" for path in files))


def _work(name: str, folder: Path) -> dict[str, Any]:
    """Drive a stimulus, in a process of its own, always with the same seed and on Verilator; one that passed with the
    same sources is not driven again."""
    os.environ["SIM"] = "verilator"
    os.environ.pop("SEED", None)
    own = folder / re.sub(r"\W", "-", name)
    path, sources = own / "outcome.json", depends_on(name)
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["sources"] == sources and not kept["failed"]:
            return {**kept, "coverage": Coverage.from_plain(kept["coverage"])}
    shutil.rmtree(own, ignore_errors=True)
    began = time.monotonic()
    found = {"name": name, "sources": sources, **drive(STIMULI[name], own)}
    found["seconds"] = round(time.monotonic() - began)
    write_whole(path, json.dumps({**found, "coverage": found["coverage"].plain()}) + "\n")
    return found


def outcomes(names: Sequence[str], jobs: int) -> Iterator[dict[str, Any]]:
    """What the stimuli give, as they end."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, max_tasks_per_child=1) as pool:
        waiting = [pool.submit(_work, name, OUT.resolve()) for name in names]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def table_of(found: dict[str, Any]) -> Table:
    """The table of a report."""
    table = Table("unit", "lines", "covered", "share", "toggles", "toggled", "share")
    for row in (*found["rows"], {**found, "unit": "all"}):
        cells = [(str(row[whole]), str(row[part]), f"{row[share]:.1%}") if row[whole] else ("", "", "")
                 for whole, part, share in (("lines", "covered", "share"), ("toggles", "toggled", "toggled_share"))]
        table.add_row(row["unit"], *cells[0], *cells[1])
    return table


@click.command("coverage", cls=Command, failed=(EmitError, ModelError, OSError, RuntimeError), repository=True)
@click.option("--stimulus", "names", type=OneOf(tuple(STIMULI)), multiple=True, metavar="NAME",
              help="Only this one; may be repeated. Lines that only others reach are missed then.")
@click.option("--fail-under", type=Integer(0), default=LEAST, show_default=True, metavar="PERCENT",
              help="The least share of covered lines.")
@click.option("--jobs", type=Integer(1), default=2, show_default=True, metavar="N", help="Processes.")
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(names: tuple[str, ...], fail_under: int, jobs: int, record: bool) -> int:
    """Measure which lines and toggles of the hardware Verilator sees in the tests.

    Tests of the regression and networks of the soak run drive the units; the points that Verilator counts are told as
    lines of the sources in hdl. The report is build/coverage/report.json. The exit status is 1 below the least share of
    lines, and where a test fails. A run that was stopped goes on where it was.
    """
    console = Console()
    OUT.mkdir(parents=True, exist_ok=True)
    coverage, stimuli, failed = Coverage(), list[dict[str, Any]](), list[str]()
    columns = (TextColumn("stimuli"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    chosen = [name for name in STIMULI if not names or name in names]
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("coverage", total=len(chosen))
        for found in outcomes(chosen, jobs):
            coverage |= found["coverage"]
            failed += found["failed"]
            stimuli.append({name: found[name] for name in ("name", "tests", "seconds")})
            bar.advance(task)
            console.print(f"{found['name']}: {found['tests']} tests, {found['seconds']} s", highlight=False)
            for test in found["failed"]:
                console.print(f"fails with coverage: {test}", style="red", markup=False, soft_wrap=True)
    whole = {**report(coverage, statements()), "required": fail_under / 100, "failed": failed,
             "stimuli": sorted(stimuli, key=lambda each: chosen.index(each["name"]))}
    write_whole(OUT / "report.json", json.dumps(whole, indent=1) + "\n")
    console.print(table_of(whole))
    for each in whole["missed"]:
        console.print(f"missed: {each['file']}:{each['line']}: {each['source']}"
                      + ("" if each["emitted"] else " (in no size that was built)"), markup=False, highlight=False,
                      soft_wrap=True)
    console.print(f"{whole['covered']} of {whole['lines']} lines, {whole['toggled']} of {whole['toggles']} toggles: "
                  f"{OUT / 'report.json'}", highlight=False)
    if failed or whole["share"] < whole["required"]:
        return 1
    if record:
        keep("coverage", OUT / "report.json")
    return 0
