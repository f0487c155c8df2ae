"""The command ``signum fuzz``: everything that Signum reads, damaged and made up, in processes that may die."""

import json
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from signum.fpga.flow.tools import GET_IMPORT
from signum.hdl.lib.command import Command, Integer, OneOf, Refusal
from signum.hdl.lib.emit import write_whole
from signum.verif.benchmarks.record import keep
from signum.verif.fuzz.target import SECONDS, Tally, Target, row, run_inputs
from signum.verif.fuzz.targets import NAMES, target_named

__all__ = ["OUT", "command", "fuzz"]

OUT = Path("build/fuzz")
ALL = 100_000           # inputs of a cheap target; the others take their share of them
START_SECONDS = 300.0   # for the valid inputs of a target
PIECE = 10_000          # inputs of a process, which starts with fresh memory


def _work(name: str, seed: int, first: int, count: int, at: "Synchronized[int]", out: "Queue[Tally]") -> None:
    """Feed inputs in a process of their own, and tell the number of each before it."""
    def progress(number: int) -> None:
        at.value = number

    out.put(run_inputs(target_named(name), seed, first, count, seconds=SECONDS, progress=progress))


def _piece(name: str, seed: int, first: int, count: int, told: Callable[[int], None]) -> tuple[Tally, int]:
    """The outcomes of inputs from ``first`` on in one process, and the number of inputs; fewer where it died."""
    context = multiprocessing.get_context("fork")
    at: Synchronized[int] = context.Value("q", -1)
    out: Queue[Tally] = context.Queue()
    process = context.Process(target=_work, args=(name, seed, first, count, at, out), daemon=True)
    process.start()
    number, since = -1, time.monotonic()
    while True:
        if not out.empty():
            tally = out.get()
            process.join()
            return tally, count
        if at.value != number:
            number, since = at.value, time.monotonic()
            told(number)
        late = time.monotonic() - since > (2 * SECONDS if number >= 0 else START_SECONDS)
        if late or not process.is_alive():
            break
        time.sleep(0.2)
    if not late and not out.empty():
        return out.get(), count
    process.kill()
    process.join()
    if number < 0:
        raise RuntimeError(f"target {name} must make its valid inputs, not end with {process.exitcode}")
    # what the process counted before is lost with it: the inputs are fed again, up to the one that ended it
    tally, _ = _piece(name, seed, first, number - first, told) if number > first else (Tally(), 0)
    if late:
        tally.failed("hangs", number, "no exception could end it")
    else:
        tally.failed("tracebacks", number, f"the process ended with {process.exitcode}")
    return tally, number - first + 1


def fuzz(target: Target, seed: int, count: int, told: Callable[[int], None] = lambda number: None) -> Tally:
    """Feed ``count`` inputs of a seed to a target."""
    whole, first = Tally(), 0
    while first < count:
        tally, done = _piece(target.name, seed, first, min(PIECE, count - first), told)
        whole.add(tally)
        first += done
    return whole


def save_rows(rows: list[dict[str, Any]]) -> None:
    """Write the rows of a run; those of other targets stay."""
    path = OUT / "report.json"
    found = {each["target"]: each for each in json.loads(path.read_text())["rows"]} if path.exists() else {}
    found |= {each["target"]: each for each in rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"rows": [found[name] for name in NAMES if name in found]}, indent=1) + "\n")


def failing(rows: list[dict[str, Any]]) -> int:
    return sum(each["tracebacks"] + each["hangs"] + each["broken"] for each in rows)


@click.command("fuzz", cls=Command, failed=(OSError, RuntimeError))
@click.option("--n", "-n", type=Integer(1), default=ALL, show_default=True,
              help="Inputs of each cheap target; the others take a share of them.")
@click.option("--seed", type=Integer(0), default=1, show_default=True, help="Which inputs are made.")
@click.option("--target", "names", type=OneOf(NAMES), multiple=True, metavar="NAME",
              help=f"Only this one, of {', '.join(NAMES)}; may be repeated. The report keeps the rows of the others.")
@click.option("--number", type=Integer(0), metavar="N", help="Only this input of one target, with its traceback.")
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(n: int, seed: int, names: tuple[str, ...], number: int | None, record: bool) -> int:
    """Feed damaged and made-up inputs to everything that reads.

    An input is accepted, or refused by one line, in bounded time and memory, and leaves no half of a file. The exit
    status is 1 where one did not keep this rule.
    """
    console = Console()
    try:
        targets = [target_named(name) for name in names or NAMES]
    except ImportError as error:
        raise Refusal(f"{GET_IMPORT} ({error.name} is missing)") from None
    if number is not None:
        if len(targets) != 1:
            raise Refusal(f"target must be one where number is given, not {len(targets)}")
        tally = run_inputs(targets[0], seed, number, 1)
        console.print(tally.failures[0][1] if tally.failures else next(iter(tally.counts)), markup=False,
                      soft_wrap=True)
        return int(bool(tally.failures))
    rows = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        for target in targets:
            count = max(1, n * target.inputs // ALL)
            task = bar.add_task(target.name, total=count)

            def told(at: int, task: TaskID = task) -> None:
                bar.update(task, completed=at)

            tally = fuzz(target, seed, count, told)
            bar.update(task, completed=count)
            rows.append(row(target, seed, tally) | ({"reason": target.reason} if target.reason else {}))
            save_rows(rows)             # so far
            for at, text in tally.failures:
                console.print(f"signum fuzz --target {target.name} --seed {seed} --number {at}: {text}", style="red",
                              markup=False, soft_wrap=True)
    table = Table("target", "inputs", "accepted", "refused", "tracebacks", "hangs", "other", "seconds")
    for each in rows:
        table.add_row(*(str(each[name]) for name in ("target", "inputs", "accepted", "refused", "tracebacks", "hangs",
                                                     "broken", "seconds")))
    console.print(table)
    if failing(rows):
        return 1
    if record:
        keep("fuzz", OUT / "report.json")
    return 0
