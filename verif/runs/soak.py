"""The soak run: any number of random arrays and random networks on the simulated accelerator.

Every pair of an array and a network of one to three layers must agree with the golden model in every bit and in the
number of cycles. Every third array takes pixels and gives answers. The first failure is shrunk, and kept in a file
that replays it. The run counts the points that its layers reach of the cross of `verif.bench.crosses`, and with
``--cross`` draws the networks that reach more of them.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from signum.hdl.lib.command import FILE, Command, Integer, Refusal
from signum.hdl.lib.emit import write_whole
from signum.verif.bench.crosses import Point, coverage, exclusions, holes, points, reachable
from signum.verif.bench.shrink import shrink, size_of
from signum.verif.bench.simulate import SIMULATORS, simulator_missing
from signum.verif.bench.trials import (
    Failure,
    Trial,
    TrialError,
    draw_filling,
    draw_trials,
    failure_of,
    failures,
    load_trial,
    save_trial,
)
from signum.verif.benchmarks.record import keep

__all__ = ["OUT", "check_array", "command", "run_trials"]

OUT = Path("build/soak")
NETWORKS = 5        # for each array
MOST_TRIALS, SHRINK_SECONDS = 400, 1800.0
GRAPHS = 400        # drawn for each array that is to reach points of the cross
PATIENCE = 50       # arrays in a row that reach none, after which the others are holes
Outcome = tuple[Counter[str], Counter[Point], list[Failure]]


def check_array(seed: int, index: int, pairs: int, simulator: str | None = None) -> None:
    """Draw an array and ``pairs`` networks for it, and check them in one simulation.

    Raises
    ------
    AssertionError
        See `verif.bench.programs.check_cases`.
    """
    found = failures(draw_trials(seed, index, pairs), simulator)
    assert not found, found[0].message


def run_trials(trials: list[Trial], simulator: str) -> Outcome:
    """Check networks of one array: their kinds, the points of their layers, and the failures."""
    kinds: Counter[str] = Counter()
    reached: Counter[Point] = Counter()
    for trial in trials:
        kinds["of_pixels" if trial.answers else "of_8_bits" if trial.config.signed else "of_bits"] += 1
        kinds["layers"] += len(trial.graph.layers)
        kinds["cycles_checked"] += not (trial.answers and trial.stall)
        reached.update(points(trial.graph, trial.config, trial.split))
    return kinds, reached, failures(trials, simulator)


def run_drawn(seed: int, index: int, count: int, simulator: str) -> Outcome:
    """Draw and check the networks of an array."""
    return run_trials(draw_trials(seed, index, count), simulator)


def cross_trials(seed: int, most: int, console: Console) -> list[list[Trial]]:
    """Networks that reach the points of the cross, by their array: until none is left, none is found any more, or
    there are ``most``."""
    left, groups, index, last = set(reachable()), list[list[Trial]](), 0, 0
    with Progress(TextColumn("points of the cross"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                  console=console) as bar:
        task = bar.add_task("cross", total=len(left))
        while left and index - last < PATIENCE and most > 0:
            if found := draw_filling(seed, index, left, GRAPHS)[:most]:
                groups.append(found)
                last, most = index, most - len(found)
            index += 1
            bar.update(task, completed=len(reachable()) - len(left))
    return groups


def cross_report(reached: Counter[Point]) -> dict[str, Any]:
    """The cross of `verif.bench.crosses`, its holes, and the crosses of fewer axes."""
    missing = holes(reached)
    return {"reached": len(reachable()) - len(missing), "reachable": len(reachable()), "excluded": exclusions(),
            "crosses": {f"of {size} axes": {name: list(counts) for name, counts in coverage(reached, size).items()}
                        for size in (2, 3)},
            "holes": [" ".join(point) for point in missing]}


def shrunk(failure: Failure, simulators: list[str], console: Console) -> Failure:
    """The smallest failure of the same kind, on the simulator that builds fastest of those where it fails."""
    chosen = next((name for name in reversed(simulators) if failure_of(failure.trial, name)), None)
    if chosen is None:
        return failure
    last = failure

    def fails(trial: Trial) -> bool:
        nonlocal last
        found = failure_of(trial, chosen)
        if found is None or found.kind != failure.kind:
            return False
        last = found
        return True

    shrink(failure.trial, fails, most=MOST_TRIALS, seconds=SHRINK_SECONDS, progress=lambda trial, tried: console.print(
        f"{tried} tried, layers, segments, weights, inputs, parameters: {size_of(trial)}", highlight=False))
    return last


def replayed(path: Path, simulators: list[str], console: Console) -> int:
    """Run the trial of a file again."""
    trial, _ = load_trial(path)
    console.print(str(trial), soft_wrap=True, markup=False, highlight=False)
    for simulator in simulators:
        failure = failure_of(trial, simulator)
        console.print(f"{simulator}: " + (failure.message if failure else "equal to the golden model in every bit and "
                                          "cycle"), soft_wrap=True, markup=False, highlight=False)
        if failure:
            return 1
    return 0


def keep_failure(failure: Failure, simulators: list[str], console: Console) -> None:
    """Write a failure, shrink it, and tell the command that repeats it."""
    path = OUT / "failure.json"
    save_trial(path, failure.trial, kind=failure.kind, message=failure.message)
    console.print("shrinking the first failure", highlight=False)
    least = shrunk(failure, simulators, console)
    save_trial(path, least.trial, kind=least.kind, message=least.message)
    console.print(f"the smallest failure found: {least.message}", soft_wrap=True, markup=False, style="red")
    console.print(f"repeat it by: signum soak --replay {path}", soft_wrap=True, markup=False)


def run_groups(groups: Sequence[tuple[int, Callable[[str], Outcome]]], seed: int, simulators: list[str], jobs: int,
               console: Console) -> tuple[dict[str, Any], list[tuple[int, Failure]]]:
    """Run groups of networks, each of one array, on the simulators in turn: the report, and the failures by group."""
    found: list[tuple[int, Failure]] = []
    kinds: Counter[str] = Counter()
    reached: Counter[Point] = Counter()
    done, arrays, report = 0, 0, dict[str, Any]()
    OUT.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("arrays and networks"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar, ProcessPoolExecutor(jobs) as pool:
        task = bar.add_task("soak", total=sum(size for size, _ in groups))
        submitted: dict[Future[Outcome], int] = {
            pool.submit(run, simulators[i % len(simulators)]): i for i, (_, run) in enumerate(groups)}
        for job in as_completed(submitted):
            counted, there, failed = job.result()
            kinds += counted
            reached += there
            for failure in failed:
                found.append((submitted[job], failure))
                console.print(f"array {submitted[job]}: {failure.message}", style="red", markup=False)
            size = groups[submitted[job]][0]
            bar.advance(task, size)
            done, arrays = done + size, arrays + 1
            report = {"cases": done, "arrays": arrays,
                      "mismatches": sum(not failure.cycles for _, failure in found),
                      "cycle_mismatches": sum(failure.cycles for _, failure in found), "seed": seed,
                      **dict(sorted(kinds.items())), "simulators": simulators}
            write_whole(OUT / "report.json", json.dumps(report, indent=2) + "\n")     # so far
    report["cross"] = cross_report(reached)
    write_whole(OUT / "report.json", json.dumps(report, indent=2) + "\n")
    return report, found


@click.command("soak", cls=Command, refused=(TrialError,), failed=(OSError,))
@click.option("--n", "-n", type=Integer(1), default=200, show_default=True,
              help="Pairs of an array and a network; with --cross, at most.")
@click.option("--seed", type=Integer(1), default=1, show_default=True, help="Which arrays and networks are drawn.")
@click.option("--cross", is_flag=True, help="Of many random networks those that reach other points of the cross of "
              "kernel, stride, padding, pooling, mode, precision and divisibility.")
@click.option("--jobs", type=Integer(1), default=os.cpu_count() or 1, metavar="N", help="Processes; by default all "
              "cores.")
@click.option("--replay", type=FILE, help=f"Run the network of {OUT}/failure.json again, in place of random ones.")
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(n: int, seed: int, cross: bool, jobs: int, replay: Path | None, record: bool) -> int:
    """Check random arrays and random networks, as many as asked for.

    SIM of the environment chooses the simulator. The report has the cross of functional coverage and its holes. The
    exit status is 1 if a result or a cycle count differs; the first such network is then shrunk to the smallest that
    still differs, in build/soak/failure.json.
    """
    console = Console()
    chosen = os.environ.get("SIM")
    if chosen and (reason := simulator_missing(chosen)):
        raise Refusal(reason)
    simulators = [chosen] if chosen else [name for name in SIMULATORS if not simulator_missing(name)]
    if replay:
        return replayed(replay, simulators, console)
    groups: list[tuple[int, Callable[[str], Outcome]]]
    if cross:
        groups = [(len(group), partial(run_trials, group)) for group in cross_trials(seed, n, console)]
    else:
        sizes = [min(NETWORKS, n - first) for first in range(0, n, NETWORKS)]
        groups = [(size, partial(run_drawn, seed, i, size)) for i, size in enumerate(sizes)]
    report, found = run_groups(groups, seed, simulators, jobs, console)
    console.print(f"{report['cases']} networks on {report['arrays']} arrays, seed {seed}, on "
                  f"{' and '.join(simulators)}: {report['mismatches']} mismatches of results, "
                  f"{report['cycle_mismatches']} of cycles; {report['cross']['reached']} of "
                  f"{report['cross']['reachable']} points of the cross", soft_wrap=True)
    if found:
        keep_failure(min(found, key=lambda each: each[0])[1], simulators, console)
        return 1
    if record:
        keep("cross" if cross else "soak", OUT / "report.json")
    return 0
