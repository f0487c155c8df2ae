"""The command ``signum formal``: the proofs of `verif.formal`, each with the mutant that it must refute."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from signum.hdl.lib.command import Command, OneOf
from signum.hdl.lib.emit import EmitError
from signum.verif.benchmarks.record import keep
from signum.verif.formal.prove import Outcome, Proof
from signum.verif.formal.subjects import SUBJECTS

__all__ = ["command", "report", "row_of"]

OUT = Path("build/formal")


def row_of(proof: Proof) -> dict[str, Any]:
    """Run a proof and its mutant; the row of the report."""
    began = time.perf_counter()
    result = proof.run()
    seconds = time.perf_counter() - began
    return {"unit": proof.unit, "property": proof.claim, "method": proof.method, "result": str(result),
            "mutant": str(proof.run_mutant()), "seconds": round(seconds, 1)}


def right(row: dict[str, Any]) -> bool:
    """The property is proved, and the mutant is refuted."""
    return row["result"] == Outcome.PROVED and row["mutant"] == Outcome.REFUTED


def report(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The report of some rows."""
    rows = list(rows)
    proved = sum(map(right, rows))
    return {"proved": proved, "failed": len(rows) - proved, "names": rows}


@click.command("formal", cls=Command, failed=(EmitError, OSError))
@click.option("--subject", type=OneOf(SUBJECTS), multiple=True, help="Only these subjects.")
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(subject: tuple[str, ...], record: bool) -> int:
    """Prove the properties of the units, by SAT and by decision diagrams.

    Each property has a mutant of its unit that must be refuted. The report is build/formal/report.json. The exit status
    is 1 where a property is not proved, or a mutant not refuted.
    """
    console = Console()
    OUT.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in subject or SUBJECTS:
        for proof in SUBJECTS[name]:
            row = row_of(proof)
            rows.append(row)
            console.print(f"{row['result']}, mutant {row['mutant']}: {proof.name}", highlight=False, soft_wrap=True)
            (OUT / "report.json").write_text(json.dumps(report(rows), indent=1) + "\n")
    found = report(rows)
    console.print(f"{found['proved']} proved, {found['failed']} failed: {OUT / 'report.json'}", highlight=False)
    if found["failed"]:
        return 1
    if record:
        keep("formal", OUT / "report.json")
    return 0
