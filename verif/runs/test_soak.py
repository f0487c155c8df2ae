"""The soak run: random arrays pass, and a failure is reported with its seed."""

from concurrent.futures import Future

import pytest

from signum.verif.runs import soak


@pytest.mark.parametrize("arguments", [["--n", "0"], ["--n", "many"], ["--seed", "-1"]])
def test_numbers_must_be_positive(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["soak", *arguments])
    with pytest.raises(SystemExit) as end:
        soak.main()
    assert end.value.code == 2
    assert f"must be a positive integer, not '{arguments[1]}'" in capsys.readouterr().err


@pytest.mark.slow
def test_pairs_are_counted(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["soak", "--n", "2", "--seed", "3"])
    assert soak.main() == 0
    assert "2 networks on 1 arrays, seed 3" in capsys.readouterr().out


def test_an_unknown_simulator(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["soak", "--n", "2"])
    monkeypatch.setenv("SIM", "nosuch")
    assert soak.main() == 2
    assert capsys.readouterr().out == "SIM must be one of verilator, icarus, not 'nosuch'\n"


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

    monkeypatch.setattr("sys.argv", ["soak", "--n", "6"])
    monkeypatch.setattr(soak, "check_array", disagree)
    monkeypatch.setattr(soak, "ProcessPoolExecutor", Here)
    assert soak.main() == 1
    told = capsys.readouterr().out
    assert "3 of 5 results differ" in told
    assert "mismatches of results or cycles on 2 arrays" in told
