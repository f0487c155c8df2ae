"""The soak run: random arrays pass, and a failure is shrunk and kept in a file that repeats it."""

import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from signum.verif.bench import trials
from signum.verif.bench.test_shrink import compile_with_wrong_padding
from signum.verif.bench.trials import Failure, load_trial
from signum.verif.command_line import main
from signum.verif.runs import soak


@pytest.mark.parametrize(("arguments", "message"), [
    (["--n", "0"], "n must be at least 1, not 0"), (["--n", "many"], "n must be an integer, not 'many'"),
    (["--seed", "-1"], "seed must be at least 1, not -1")])
def test_numbers_must_be_positive(arguments, message, capsys):
    assert main(["soak", *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"


class Here:
    """Runs a job at once, in this process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        job: Future[Any] = Future()
        job.set_result(function(*arguments))
        return job


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """The reports of these tests in a folder of their own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_pairs_are_counted(capsys):
    assert main(["soak", "--n", "2", "--seed", "3"]) == 0
    assert "2 networks on 1 arrays, seed 3" in capsys.readouterr().out
    report = json.loads((soak.OUT / "report.json").read_text())
    assert (report["cases"], report["mismatches"], report["cycle_mismatches"], report["seed"]) == (2, 0, 0, 3)


def test_an_unknown_simulator(monkeypatch, capsys):
    monkeypatch.setenv("SIM", "nosuch")
    assert main(["soak", "--n", "2"]) == 2
    assert capsys.readouterr().err == "SIM must be one of verilator, icarus, not 'nosuch'\n"


def test_a_file_that_replays_nothing(tmp_path, capsys):
    (tmp_path / "other.json").write_text("{}")
    assert main(["soak", "--replay", "other.json"]) == 2
    assert capsys.readouterr().err == (
        "replay must be a file that `signum soak` wrote, not other.json: 'arrays'\n")


def test_failures_are_told_and_the_first_is_shrunk(monkeypatch, capsys):
    """Of two layers, every trial fails; the command that it names repeats the failure as long as there is one."""
    def disagree(trial, simulator=None):
        return Failure(trial, "3 of 5 results differ", cycles=False) if len(trial.graph.layers) > 1 else None

    monkeypatch.setattr(soak, "failures", lambda trials, simulator: [
        found for trial in trials if (found := disagree(trial))])
    monkeypatch.setattr(soak, "failure_of", disagree)
    monkeypatch.setattr(soak, "ProcessPoolExecutor", Here)
    assert main(["soak", "--n", "12"]) == 1
    told = capsys.readouterr().out
    report = json.loads((soak.OUT / "report.json").read_text())
    assert report["mismatches"] == told.count("array ") > 0
    assert report["cycle_mismatches"] == 0
    *_, command = told.split("repeat it by: signum ")
    trial, content = load_trial(soak.OUT / "failure.json")
    assert content["message"] == "3 of 5 results differ"
    assert (len(trial.graph.layers), trial.config.rows, trial.config.cols) == (2, 1, 1)
    assert main(command.split()) == 1
    monkeypatch.setattr(soak, "failure_of", lambda trial, simulator: None)
    assert main(command.split()) == 0


@pytest.mark.slow
def test_a_broken_compiler_in_rtl(monkeypatch, capsys):
    """Found, shrunk in RTL, and repeated; the compiler without its fault passes the same file."""
    monkeypatch.setattr(soak, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(soak, "MOST_TRIALS", 8)
    with monkeypatch.context() as broken:
        broken.setattr(trials, "compile_graph", compile_with_wrong_padding)
        assert main(["soak", "--n", "3", "--seed", "4"]) == 1
        assert main(["soak", "--replay", str(soak.OUT / "failure.json")]) == 1
    assert len(load_trial(soak.OUT / "failure.json")[0].graph.layers) == 1
    assert main(["soak", "--replay", str(soak.OUT / "failure.json")]) == 0
    assert "equal to the golden model in every bit and cycle" in capsys.readouterr().out
