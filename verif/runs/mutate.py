"""The command ``signum mutate``: which small changes of the hardware and of the sources the tests find."""

import json
import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from signum.fpga.host.model import ModelError
from signum.hdl.lib.command import Command, Integer, OneOf
from signum.hdl.lib.emit import EmitError, write_whole
from signum.verif.benchmarks.record import keep
from signum.verif.mutate.hardware import judge_unit
from signum.verif.mutate.outcome import Outcome, counts
from signum.verif.mutate.reasons import reason_of
from signum.verif.mutate.sources import GROUPS, judge_sources
from signum.verif.mutate.units import ARRAY, UNITS

__all__ = ["NAMES", "OUT", "command", "report", "row_of"]

OUT = Path("build/mutate")
MUTANTS = {name: unit.mutants for name, unit in UNITS.items()} | {name: group.mutants for name, group in GROUPS.items()}
NAMES = tuple(MUTANTS)
COLUMNS = ("mutants", "equivalent", "killed", "timeouts", "survived")

_told: "SimpleQueue[tuple[str, int, int]] | None" = None


def _begin(queue: "SimpleQueue[tuple[str, int, int]]") -> None:
    global _told
    _told = queue


def _work(name: str, n: int | None, seed: int, folder: Path) -> dict[str, Any]:
    """The row of a unit, in a process of its own."""
    def told(done: int, of: int) -> None:
        if _told:
            _told.put((name, done, of))

    return row_of(name, n, seed, folder, told)


def row_of(name: str, n: int | None, seed: int, folder: Path, told: Any = lambda done, of: None) -> dict[str, Any]:
    """Judge the mutants of a unit or of a group of sources; the row of the report, with its survivors."""
    if name in UNITS:
        state = judge_unit(UNITS[name], n or UNITS[name].mutants, seed, folder / "hardware", told)
        mutants = [{**mutant, "parameters": netlist["parameters"]}
                   for netlist in state["netlists"] for mutant in netlist["mutants"]]
        where = {"netlists": len(state["netlists"]), "level": "array" if name in ARRAY else "hardware"}
    else:
        mutants = judge_sources(GROUPS[name], n or GROUPS[name].mutants, seed, folder / "source", told)["mutants"]
        where = {"netlists": 0, "level": "source"}
    survivors = []
    for mutant in mutants:
        if mutant["outcome"] == Outcome.SURVIVED:
            place = mutant.get("file") or mutant["parameters"]
            survivors.append({"unit": name, "place": place, "change": mutant["change"], "line": mutant.get("line", "")})
    return {"unit": name, **where, "seed": seed, **counts(each["outcome"] for each in mutants), "survivors": survivors}


def total(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of some rows together."""
    found = {name: sum(row[name] for row in rows) for name in COLUMNS}
    different = found["mutants"] - found["equivalent"]
    return {**found, "score": round(found["killed"] / different, 4) if different else 1.0}


def report(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The report of some rows: all of them, those of the array, of all hardware and of the sources; the units that were
    not judged, and the survivors."""
    rows = sorted(rows, key=lambda row: NAMES.index(row["unit"]))
    hardware = [row for row in rows if row["level"] != "source"]
    return {**total(rows), "array": total([row for row in rows if row["level"] == "array"]),
            "hardware": total(hardware), "source": total([row for row in rows if row["level"] == "source"]),
            "missing": [name for name in NAMES if name not in {row["unit"] for row in rows}],
            "rows": [{name: value for name, value in row.items() if name != "survivors"} for row in rows],
            "survivors": [{**survivor, "reason": reason_of(survivor)}
                          for row in rows for survivor in row["survivors"]]}


def save_rows(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write the report with rows of a run; rows of other units stay."""
    path = OUT / "report.json"
    found: dict[str, dict[str, Any]] = {}
    if path.exists():
        before = json.loads(path.read_text())
        for row in before["rows"]:
            if row["unit"] in NAMES:
                survivors = [each for each in before["survivors"] if each["unit"] == row["unit"]]
                found[row["unit"]] = {**row, "survivors": survivors}
    whole = report([*(found | {row["unit"]: row for row in rows}).values()])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(whole, indent=1) + "\n")
    return whole


@click.command("mutate", cls=Command, failed=(EmitError, ModelError, OSError, RuntimeError), repository=True)
@click.option("--n", "-n", type=Integer(1), metavar="N",
              help="Mutants of each unit; by default each has a number of its own.")
@click.option("--seed", type=Integer(0), default=1, show_default=True, help="Which mutants are drawn.")
@click.option("--unit", "names", type=OneOf(NAMES), multiple=True, metavar="NAME",
              help="Only this unit, or these sources; may be repeated. The report keeps the rows of the others.")
@click.option("--jobs", type=Integer(1), default=2, show_default=True, metavar="N", help="Processes.")
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(n: int | None, seed: int, names: tuple[str, ...], jobs: int, record: bool) -> int:
    """Count which small changes of the hardware and the sources the tests find.

    Mutants of a unit's netlist run the unit's own tests; equivalent mutants are removed by a proof. Mutants of the
    compiler, the importers and the driver run the tests of their lines. A run that was stopped goes on where it was.
    The report is build/mutate/report.json.
    """
    console = Console()
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    whole = report([])
    context = multiprocessing.get_context("spawn")
    queue: SimpleQueue[tuple[str, int, int]] = context.SimpleQueue()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    chosen = [name for name in NAMES if not names or name in names]
    with Progress(*columns, console=console) as bar:
        tasks = {name: bar.add_task(name, total=n or MUTANTS[name], visible=False) for name in chosen}

        def follow() -> None:
            while (told := queue.get())[0]:
                bar.update(tasks[told[0]], completed=told[1], total=told[2], visible=True)

        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        with ProcessPoolExecutor(jobs, context, _begin, (queue,), max_tasks_per_child=1) as pool:
            waiting = {pool.submit(_work, name, n, seed, OUT.resolve()): name for name in chosen}
            try:
                for done in as_completed(waiting):
                    try:
                        row = done.result()
                    except RuntimeError as error:       # its own tests fail, or its model could not be built
                        failed.append(f"{waiting[done]}: {error}")
                        console.print(failed[-1], style="red", markup=False, soft_wrap=True)
                        continue
                    rows.append(row)
                    bar.update(tasks[row["unit"]], visible=False)
                    console.print(f"{row['unit']}: {row['killed']} of {row['mutants']} killed, "
                                  f"{row['equivalent']} equivalent, {row['survived']} survived", highlight=False)
                    whole = save_rows(rows)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                queue.put(("", 0, 0))
        watcher.join()
    table = Table("unit", *COLUMNS, "score")
    for row in whole["rows"]:
        table.add_row(row["unit"], *(str(row[name]) for name in COLUMNS), f"{row['score']:.1%}")
    console.print(table)
    console.print(f"{whole['killed']} of {whole['mutants'] - whole['equivalent']} mutants killed, "
                  f"{whole['equivalent']} equivalent: {OUT / 'report.json'}", highlight=False)
    if failed:
        return 1
    if record:
        keep("mutate", OUT / "report.json")
    return 0
