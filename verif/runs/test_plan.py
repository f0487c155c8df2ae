"""The command ``signum plan``: what it counts, its exit status, and skips by design."""

import json
from pathlib import Path
from typing import Any

import pytest

from signum.verif.benchmarks.record import load
from signum.verif.command_line import main
from signum.verif.plan.ran import FOLDER, WHOLE, Run
from signum.verif.plan.rows import load_plan, matches, plan_of
from signum.verif.runs import plan as command
from signum.verif.runs.plan import by_feature, judged, report

PLAN = plan_of({"a.toml": {
    "row": [
        {"feature": "pool", "corner": "one row", "stage": "unit", "tests": ["a.py::test_x", "a.py::test_y[1]"]},
        {"feature": "pool", "corner": "both simulators", "stage": "unit", "tests": ["a.py::test_sim"]},
        {"feature": "pool", "corner": "all inputs", "stage": "formal", "tests": [], "gap": "too many"}],
    "skip": [{"reason": "iverilog is missing", "without": "Icarus"}]}})
OUTCOMES = {"a.py::test_x": "passed", "a.py::test_y[1]": "passed", "a.py::test_y[2]": "failed",
            "a.py::test_sim[verilator]": "passed", "a.py::test_sim[icarus]": "passed"}


def counted(changes: dict[str, str], reasons: dict[str, str] | None = None) -> dict[str, Any]:
    outcomes = {node: outcome for node, outcome in (OUTCOMES | changes).items() if outcome}
    return report(PLAN, Run(outcomes, reasons or {}))


def test_all_passed() -> None:
    found = counted({})
    assert (found["features"], found["corners"], found["gaps"], found["tests"]) == (1, 3, 1, 3)
    assert found["results"] == {"passed": 2, "failed": 0, "without": 0, "gap": 1}
    assert [list(row["tests"].values()) for row in found["names"]] == [["passed"] * 2, ["passed"] * 2, []]


def test_a_line_of_the_table_has_each_test_once() -> None:
    rows = counted({"a.py::test_sim[icarus]": "skipped", "a.py::test_x": ""}, {
        "a.py::test_sim[icarus]": "iverilog is missing"})["names"]
    assert list(by_feature([*rows, rows[1]])) == [["pool", "3", "1", "unit, formal", "3", "2", "1", "1"]]


@pytest.mark.parametrize(("changes", "faults"), [
    ({"a.py::test_x": "failed"}, ["a.py::test_x: failed"]), ({"a.py::test_x": "skipped"}, ["a.py::test_x: skipped, x"]),
    ({"a.py::test_x": ""}, ["a.py::test_x: missing"]), ({"a.py::test_y[1]": ""}, ["a.py::test_y[1]: missing"]),
    ({"a.py::test_x": "", "a.py::test_y[1]": "failed"}, ["a.py::test_x: missing", "a.py::test_y[1]: failed"])])
def test_a_fault_fails(changes: dict[str, str], faults: list[str]) -> None:
    found = counted(changes, {"a.py::test_x": "x"} if "skipped" in changes.values() else {})
    assert found["results"]["failed"] == 1
    assert found["names"][0]["faults"] == faults


def test_a_skip_by_design() -> None:
    missing = "iverilog is missing (simulation): apt-get install iverilog"
    found = counted({"a.py::test_sim[icarus]": "skipped"}, {"a.py::test_sim[icarus]": missing})
    assert found["results"] == {"passed": 2, "failed": 0, "without": 0, "gap": 1}
    assert sorted(found["names"][1]["tests"].values()) == ["passed", "without"]
    both = {"a.py::test_sim[icarus]": "skipped", "a.py::test_sim[verilator]": "skipped"}
    assert counted(both, dict.fromkeys(both, missing))["results"] == {"passed": 1, "failed": 0, "without": 1, "gap": 1}
    assert counted(both, {"a.py::test_sim[icarus]": missing})["results"]["failed"] == 1
    assert counted(both, dict.fromkeys(both, "not now"))["results"]["failed"] == 1


def run_of_the_plan() -> dict[str, str]:
    """A run in which every planned test passed."""
    return {test.replace("*", "]") if "[" in test else test: "passed" for test in load_plan().tests}


@pytest.mark.parametrize(("outcome", "status"), [("passed", 0), ("failed", 1), ("skipped", 1), ("", 1)])
def test_the_exit_status(outcome: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                         capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    outcomes = run_of_the_plan()
    node = next(test for test in outcomes if "[" not in test)
    outcomes |= {node: outcome}
    FOLDER.mkdir(parents=True)
    (FOLDER / WHOLE).write_text(json.dumps({
        "whole": True, "tests": {name: value for name, value in outcomes.items() if value}, "skipped": {}}))
    assert main(["plan", "--gaps"]) == status
    found = json.loads((command.OUT / "report.json").read_text())
    rows = [row for row in load_plan().rows if any(matches(test, node) for test in row.tests)]
    assert found["results"]["failed"] == (0 if not status else len(rows))
    assert found["results"]["gap"] == load_plan().counts()["gaps"]
    told = capsys.readouterr().out
    assert (f": {node}: {outcome or 'missing'}" in told) == bool(status)
    assert all(row.gap in told for row in load_plan().rows)


def test_nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan"]) == 1
    assert capsys.readouterr().err == "build/tests/report.json must be there: make test\n"


def test_a_wrong_plan_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "load_plan", lambda: PLAN)
    assert main(["plan"]) == 2
    assert capsys.readouterr().err == "tests of pool, one row (unit) must be in a file of verif, not 'a.py::test_x'\n"


def test_a_gap_has_no_fault() -> None:
    assert judged(PLAN, PLAN.rows[2], Run())["result"] == "gap"


def test_the_record_is_that_of_the_plan() -> None:
    assert load("plan") == load_plan().counts(), "docs/performance/plan.json is old: make plan RECORD=1"
