"""The command ``signum plan``: the test plan beside what the last whole run of the tests ran."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from signum.hdl.lib.command import Command
from signum.hdl.lib.emit import write_whole
from signum.verif.benchmarks.record import RECORDED
from signum.verif.plan.ran import FAILED, FOLDER, PASSED, SKIPPED, WHOLE, RanError, Run, load_run
from signum.verif.plan.rows import Plan, PlanError, Row, check_against_files, load_plan, matches

__all__ = ["OUT", "by_feature", "command", "judged", "report"]

OUT = Path("build/plan")
MISSING, WITHOUT, GAP = "missing", "without", "gap"
FAULTS = (FAILED, SKIPPED, MISSING)


def judged(plan: Plan, row: Row, run: Run) -> dict[str, Any]:
    """The row of the report: the outcome of each node id that ran, of a planned test without any that it is missing,
    and the faults.

    A skip by design has the outcome ``without``: what the test needs is not installed.
    """
    found: dict[str, str] = {}
    faults = []
    for test in row.tests:
        nodes = [node for node in run.outcomes if matches(test, node)]
        for node in nodes or [test]:
            outcome, reason = run.outcomes.get(node, MISSING), run.reasons.get(node, "")
            if outcome == SKIPPED and any(reason.startswith(begin) for begin in plan.skips):
                outcome = WITHOUT
            found[node] = outcome
            if outcome in FAULTS:
                faults.append(f"{node}: {outcome}" + f", {reason}" * bool(reason))
    result = GAP if not row.tests else FAILED if faults else PASSED if PASSED in found.values() else WITHOUT
    return {"feature": row.feature, "corner": row.corner, "stage": row.stage, "result": result, "gap": row.gap,
            "planned": list(row.tests), "tests": found, "faults": faults}


def report(plan: Plan, run: Run) -> dict[str, Any]:
    """The counts of the plan, its rows by their results, and all rows."""
    rows = [judged(plan, row, run) for row in plan.rows]
    results = Counter(row["result"] for row in rows)
    return {**plan.counts(), "results": {name: results[name] for name in (PASSED, FAILED, WITHOUT, GAP)}, "names": rows}


def by_feature(rows: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    """The lines of the table: corners, gaps and stages of each feature, and its node ids, each once, by outcome."""
    for feature in dict.fromkeys(row["feature"] for row in rows):
        own = [row for row in rows if row["feature"] == feature]
        outcomes = Counter({node: outcome for row in own for node, outcome in row["tests"].items()}.values())
        numbers = (len({row["corner"] for row in own}), sum(row["result"] == GAP for row in own))
        ran = outcomes.total() - outcomes[MISSING]
        yield [feature, *map(str, numbers), ", ".join(dict.fromkeys(row["stage"] for row in own)), str(ran),
               str(outcomes[PASSED]), str(outcomes[WITHOUT] or ""), str(sum(outcomes[name] for name in FAULTS) or "")]


@click.command("plan", cls=Command, refused=(PlanError,), failed=(RanError, OSError), repository=True)
@click.option("--gaps", is_flag=True, help="Also list the corners without a test, each with the reason.")
@click.option("--record", is_flag=True, help="Keep the counts of the plan for the pages, in docs/performance.")
def command(gaps: bool, record: bool) -> int:
    """Compare the test plan with the last whole run of the tests.

    The plan is verif/plan, the run is that of build/tests/report.json. The exit status is 1 where a planned test did
    not run, was skipped or failed, but for skips by design where a program is not installed. The report is
    build/plan/report.json.
    """
    console = Console()
    plan = load_plan()
    check_against_files(plan)
    if record:
        write_whole(RECORDED / "plan.json", json.dumps(plan.counts(), indent=1) + "\n")
    found = report(plan, load_run(FOLDER / WHOLE))
    OUT.mkdir(parents=True, exist_ok=True)
    write_whole(OUT / "report.json", json.dumps(found, indent=1) + "\n")
    table = Table("feature", "corners", "gaps", "stages", "ran", "passed", "without", "faults", box=None)
    for line in by_feature(found["names"]):
        table.add_row(*line)
    console.print(table)
    for planned, row in zip(plan.rows, found["names"], strict=True):
        if gaps and planned.gap:
            console.print(f"{planned.name}: no test, {planned.gap}", soft_wrap=True, markup=False, highlight=False)
        for fault in row["faults"]:
            console.print(f"{planned.name}: {fault}", soft_wrap=True, markup=False, highlight=False, style="red")
    results = found["results"]
    console.print(f"{found['features']} features, {found['rows']} rows: {results[PASSED]} passed, {results[FAILED]} "
                  f"have faults, {results[WITHOUT]} need what is not installed, {results[GAP]} have no test: "
                  f"{OUT / 'report.json'}", soft_wrap=True, highlight=False)
    return 1 if results[FAILED] else 0
