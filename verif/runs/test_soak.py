"""The soak run: random arrays pass, and a failure is reported with its seed."""

from concurrent.futures import Future

import pytest

from signum.verif.command_line import main
from signum.verif.runs import soak


@pytest.mark.parametrize(("arguments", "message"), [
    (["--n", "0"], "n must be at least 1, not 0"), (["--n", "many"], "n must be an integer, not 'many'"),
    (["--seed", "-1"], "seed must be at least 1, not -1")])
def test_numbers_must_be_positive(arguments, message, capsys):
    assert main(["soak", *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"


@pytest.mark.slow
def test_pairs_are_counted(capsys):
    assert main(["soak", "--n", "2", "--seed", "3"]) == 0
    assert "2 networks on 1 arrays, seed 3" in capsys.readouterr().out


def test_an_unknown_simulator(monkeypatch, capsys):
    monkeypatch.setenv("SIM", "nosuch")
    assert main(["soak", "--n", "2"]) == 2
    assert capsys.readouterr().err == "SIM must be one of verilator, icarus, not 'nosuch'\n"


def test_a_mismatch_is_told(monkeypatch, capsys):
    def disagree(*arguments):
        raise AssertionError("3 of 5 results differ")

    class Here:
        """Runs a job at once, in this process."""

        def __init__(self, workers):
            self.workers = workers

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def submit(self, function, *arguments):
            job: Future[None] = Future()
            try:
                job.set_result(function(*arguments))
            except AssertionError as error:
                job.set_exception(error)
            return job

    monkeypatch.setattr(soak, "check_array", disagree)
    monkeypatch.setattr(soak, "ProcessPoolExecutor", Here)
    assert main(["soak", "--n", "6"]) == 1
    told = capsys.readouterr().out
    assert "3 of 5 results differ" in told
    assert "mismatches of results or cycles on 2 arrays" in told
