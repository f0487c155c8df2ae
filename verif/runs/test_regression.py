"""The command `signum test`: the arguments of pytest."""

from types import SimpleNamespace

import pytest

from signum.hdl.lib.folders import REPOSITORY
from signum.verif.command_line import main
from signum.verif.runs import regression
from signum.verif.runs.regression import pytest_arguments


@pytest.mark.parametrize(("chosen", "further", "arguments"), [
    ("all", (), ["-n", "3", "--dist", "worksteal", "-q", "verif"]),
    ("regression", (), ["-n", "3", "--dist", "worksteal", "-q", "-m", "not long", "verif"]),
    ("quick", (), ["-n", "3", "--dist", "worksteal", "-q", "-m", "not slow", "verif"]),
    ("all", ("verif/hdl/test_config.py::test_x",),
     ["-n", "3", "--dist", "worksteal", "-q", "verif/hdl/test_config.py::test_x"]),
    ("all", ("-k", "popcount"), ["-n", "3", "--dist", "worksteal", "-q", "-k", "popcount", "verif"]),
])
def test_arguments(chosen, further, arguments):
    assert pytest_arguments(chosen, 3, further) == arguments


def test_the_command(monkeypatch, capsys):
    calls = []

    def run(command, **options):
        calls.append((command, options))
        return SimpleNamespace(returncode=5)

    monkeypatch.setenv("SEED", "1")
    monkeypatch.setattr(regression.subprocess, "run", run)
    assert main(["test", "--quick", "--jobs", "4", "--seed", "7", "--waves", "verif/runs", "--", "-k", "popcount"]) == 5
    [(command, options)] = calls
    assert command[1:] == ["-m", "pytest", "-n", "4", "--dist", "worksteal", "-q", "-m", "not slow", "verif/runs", "-k",
                           "popcount"]
    assert options["cwd"] == REPOSITORY
    assert (options["env"]["SEED"], options["env"]["WAVES"]) == ("7", "1")
    for flags, marks in (([], ["-m", "not long"]), (["--all"], [])):
        calls.clear()
        assert main(["test", *flags]) == 5
        [(command, _)] = calls
        assert command[1:] == ["-m", "pytest", "-n", "2", "--dist", "worksteal", "-q", *marks, "verif"]
    assert main(["test", "-k", "popcount"]) == 2
    assert capsys.readouterr().err == "option must be one that `signum test --help` lists, not -k\n"
