"""The command ``signum mutate``: its report, rows of other units that stay, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from signum.verif.command_line import main
from signum.verif.mutate.outcome import Outcome, counts
from signum.verif.mutate.reasons import NONE
from signum.verif.runs import mutate
from signum.verif.runs.mutate import NAMES, report, save_rows


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports of these tests in a folder of their own."""
    monkeypatch.chdir(tmp_path)


def row(unit: str, level: str, killed: int, equivalent: int = 0, survived: int = 0) -> dict[str, Any]:
    outcomes = [Outcome.KILLED] * killed + [Outcome.EQUIVALENT] * equivalent + [Outcome.SURVIVED] * survived
    return {"unit": unit, "netlists": 1, "level": level, "seed": 1, **counts(outcomes),
            "survivors": [{"unit": unit, "place": "x", "change": str(number), "line": ""}
                          for number in range(survived)]}


@pytest.mark.parametrize(("arguments", "message"), [
    (["--n", "0"], "n must be at least 1, not 0"), (["--seed", "-1"], "seed must be at least 0, not -1"),
    (["--jobs", "0"], "jobs must be at least 1, not 0"),
    (["--unit", "x"], f"unit must be one of {', '.join(NAMES)}, not x")])
def test_wrong_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutate", *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"


def test_the_score_leaves_equivalent_mutants_out() -> None:
    assert counts([Outcome.KILLED, Outcome.TIMEOUT, Outcome.EQUIVALENT, Outcome.SURVIVED]) == {
        "mutants": 4, "equivalent": 1, "killed": 2, "timeouts": 1, "survived": 1, "score": 0.6667}
    assert counts([])["score"] == 1


def test_sums_by_level() -> None:
    found = report([row("driver", "source", 3, 0, 1), row("pool", "hardware", 8, 1, 1), row("pe", "array", 9, 1)])
    assert {name: found[name] for name in ("mutants", "equivalent", "killed", "score")} == {
        "mutants": 24, "equivalent": 2, "killed": 20, "score": 0.9091}
    assert [found[level]["mutants"] for level in ("array", "hardware", "source")] == [10, 20, 4]
    assert [each["unit"] for each in found["rows"]] == ["pe", "pool", "driver"]
    assert set(found["missing"]) == set(NAMES) - {"pe", "pool", "driver"}
    assert [(each["unit"], each["reason"]) for each in found["survivors"]] == [("pool", NONE), ("driver", NONE)]


def test_rows_of_other_units_stay() -> None:
    save_rows([row("pool", "hardware", 8, 1, 1), row("pe", "array", 9)])
    found = save_rows([row("pool", "hardware", 10)])
    assert json.loads((mutate.OUT / "report.json").read_text()) == found
    assert [(each["unit"], each["killed"]) for each in found["rows"]] == [("pe", 9), ("pool", 10)]
    assert found["survivors"] == []


@pytest.mark.slow
def test_a_part_of_the_run() -> None:
    assert main(["mutate", "--unit", "address_generator", "--n", "4", "--jobs", "1"]) == 0
    found = json.loads((mutate.OUT / "report.json").read_text())
    assert (found["mutants"], found["rows"][0]["unit"]) == (4, "address_generator")
