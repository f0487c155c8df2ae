"""The fuzz run: processes that die or hang are counted, the report, and the command that repeats an input."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from signum.verif.command_line import main
from signum.verif.fuzz.target import ACCEPTED, Feed, Target
from signum.verif.fuzz.targets import NAMES
from signum.verif.runs import fuzz


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """The reports of these tests in a folder of their own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--n", "0"], "n must be at least 1, not 0"), (["--seed", "-1"], "seed must be at least 0, not -1"),
    (["--target", "x"], f"target must be one of {', '.join(NAMES)}, not x"),
    (["--number", "3"], f"target must be one where number is given, not {len(NAMES)}")])
def test_wrong_options(arguments, message, capsys):
    assert main(["fuzz", *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"


def test_the_report_of_a_target(capsys):
    assert main(["fuzz", "--n", "50", "--seed", "4", "--target", "responses"]) == 0
    (row,) = json.loads((fuzz.OUT / "report.json").read_text())["rows"]
    assert (row["target"], row["inputs"], row["tracebacks"], row["hangs"], row["seed"]) == ("responses", 50, 0, 0, 4)
    assert main(["fuzz", "--seed", "4", "--target", "responses", "--number", "7"]) == 0
    assert capsys.readouterr().out.split()[-1] in ("accepted", "refused")


def dies(folder: Path) -> Feed:
    """Input 3 ends the process, and nothing ends input 5."""
    numbers = {random.Random(f"1 config {number}").random(): number for number in range(9)}

    def feed(rng: random.Random) -> str:
        number = numbers[rng.random()]
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 5:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            time.sleep(1000)
        if number == 7:
            raise KeyError("x")
        return ACCEPTED

    return feed


def test_processes_that_die_and_hang(monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "target_named", lambda name: Target("config", dies))
    monkeypatch.setattr(fuzz, "SECONDS", 0.5)
    assert main(["fuzz", "--n", "9", "--target", "config"]) == 1
    (row,) = json.loads((fuzz.OUT / "report.json").read_text())["rows"]
    assert {name: row[name] for name in ("inputs", "accepted", "tracebacks", "hangs")} == {
        "inputs": 9, "accepted": 6, "tracebacks": 2, "hangs": 1}
    told = capsys.readouterr().out
    assert "--number 3: the process ended with -9" in told
    assert "--number 5: no exception could end it" in told
    assert "--number 7: KeyError: 'x' (at " in told
