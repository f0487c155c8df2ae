"""The command ``signum coverage``: its report, its exit status, and what it refuses."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from signum.verif.command_line import main
from signum.verif.coverage.points import Coverage
from signum.verif.coverage.report import share
from signum.verif.coverage.statements import statements
from signum.verif.coverage.stimuli import STIMULI
from signum.verif.runs import coverage

POOL, LOOP = "hdl/output/pool.py", "hdl/control/loop.py"


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports of these tests in a folder of their own, and two files of statements."""
    monkeypatch.chdir(tmp_path)
    every = statements()
    monkeypatch.setattr(coverage, "statements", lambda: {name: every[name] for name in (POOL, LOOP)})


def drives(monkeypatch: pytest.MonkeyPatch, missed: int, failed: Sequence[str] = ()) -> list[str]:
    """Stimuli that reach all lines of the two files, but the last of `LOOP`; the names of those that were asked for."""
    asked: list[str] = []
    lines = sorted(statements()[LOOP])

    def outcomes(names: Sequence[str], jobs: int) -> Iterator[dict[str, Any]]:
        asked.extend(names)
        first, last = Coverage(), Coverage()
        first.lines = {(POOL, line): True for line in statements()[POOL]} | {
            (LOOP, line): False for line in lines[:len(lines) - missed]}
        first.toggles = {(POOL, "x:0->1"): True, (POOL, "x:1->0"): False}
        last.lines = {place: True for place in first.lines}
        for name, found in zip(names, [first, last], strict=False):
            yield {"name": name, "seconds": 1, "tests": 2, "failed": list(failed), "coverage": found}

    monkeypatch.setattr(coverage, "outcomes", outcomes)
    return asked


def loaded() -> dict[str, Any]:
    return json.loads((coverage.OUT / "report.json").read_text())


def test_all_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = drives(monkeypatch, 0)
    assert main(["coverage"]) == 0
    found = loaded()
    assert asked == list(STIMULI)
    assert (found["lines"], found["covered"], found["share"], found["missed"]) == (5, 5, 1, [])
    assert (found["toggles"], found["toggled"], found["toggled_share"]) == (2, 1, 0.5)
    assert [(row["unit"], row["lines"], row["covered"]) for row in found["rows"]] == [
        ("control/loop", 4, 4), ("output/pool", 1, 1)]
    assert [each["name"] for each in found["stimuli"]] == list(STIMULI)[:2]


def test_a_missed_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    drives(monkeypatch, 1)
    assert main(["coverage"]) == 1
    found = loaded()
    line = max(statements()[LOOP])
    assert (found["covered"], found["share"]) == (4, 0.8)
    (missed,) = found["missed"]
    assert (missed["file"], missed["line"], missed["emitted"]) == (LOOP, line, False)
    assert f"missed: {LOOP}:{line}: {missed['source']} (in no size that was built)" in capsys.readouterr().out
    assert main(["coverage", "--fail-under", "80"]) == 0
    assert main(["coverage", "--fail-under", "81"]) == 1


def test_one_stimulus_of_two_misses_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    first = next(iter(STIMULI))
    assert drives(monkeypatch, 0) == []
    assert main(["coverage", "--stimulus", first]) == 1
    assert (loaded()["covered"], [each["emitted"] for each in loaded()["missed"]]) == (1, [True] * 4)


def test_a_test_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    drives(monkeypatch, 0, ["test_x.py::test_y"])
    assert main(["coverage"]) == 1
    assert loaded()["failed"] == ["test_x.py::test_y"] * 2


def test_a_share_is_never_rounded_up() -> None:
    assert share(97_999, 100_000) == 0.9799
    assert share(98_000, 100_000) == 0.98
    assert share(0, 0) == 1


@pytest.mark.parametrize(("arguments", "message"), [
    (["--jobs", "0"], "jobs must be at least 1, not 0"),
    (["--fail-under", "-1"], "fail_under must be at least 0, not -1"),
    (["--stimulus", "x"], f"stimulus must be one of {', '.join(STIMULI)}, not x")])
def test_wrong_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage", *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"
