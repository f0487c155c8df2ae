"""Tasks of a user: the page about them works as it stands, and files without a task are refused by name."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from signum.golden.training.contest import OWN, compete, contestant, home, record_of, trained_network
from signum.golden.training.tasks import TaskError, named
from signum.golden.training.trainer import Trainer, evaluate
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.command_line import main
from signum.verif.runs import task as runs
from signum.verif.runs.test_task import INT8_SMALL, SMALL

PAGE = (REPOSITORY / "docs" / "tasks.md").read_text()
(STRIPES,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def stripes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "stripes.py"
    path.write_text(STRIPES)
    return path


def test_the_page_trains(stripes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed table and the record have each network; the networks are kept outside of the repository's."""
    assert main(["train", "--task", "stripes.py", "--seeds", "1", "--seed", "3", "--steps", "120"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("float", "int8", "binary m1", "binary m2", "images/s"))
    assert home("stripes") == OWN
    record = record_of("stripes")
    assert record["steps"] == 120
    assert {run["seed"] for run in record["runs"]} == {3}
    task = named("stripes.py")
    images, truth = task.split("test")
    for run in record["runs"]:
        assert run["test"] > 80
        if run["network"] != "float":
            assert task.score(evaluate(trained_network(task, run["network"]), images), truth) == run["test"]
    assert Path("build/train/stripes/curves.png").stat().st_size > 5000


@pytest.mark.slow
def test_the_page_runs_on_the_array(stripes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "ARRAY", SMALL)
    monkeypatch.setattr(runs, "INT8_ARRAY", INT8_SMALL)
    assert main(["train", "--task", "stripes.py", "--seeds", "1", "--steps", "60"]) == 0
    assert main(["task", "--task", "stripes.py", "--images", "3"]) == 0
    report = json.loads(Path("build/task/stripes/report.json").read_text())
    assert (report["rtl_mismatches"], report["rtl_other_cycles"], report["host_layers"]) == (0, 0, [])
    assert report["bytes_in"] == 256
    assert Path("build/task/stripes/picture.png").stat().st_size > 2000


def test_patience_keeps_the_best(stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training whose score stays the same ends after the patience, and its network is that of the best score."""
    task = named(str(stripes))
    task.recipe = type(task.recipe)(steps=40, scores=20, batch=8, patience=3)
    rising = iter([1.0, 5.0, 2.0, 3.0, 4.0] + [99.0] * 20)
    monkeypatch.setattr(task, "score", lambda outputs, truth: next(rising) if len(outputs) == 400 else 0.0)
    images, truth = task.split("validation")
    monkeypatch.setattr(task, "split", lambda name: (images, truth))
    trainer = Trainer(task, contestant(task, "float", 0), task.recipe, checkpoint=tmp_path / "state.pt", device="cpu")
    history = trainer.run()
    assert [point.score for point in history] == [1, 5, 2, 3, 4]
    assert trainer.done == 10
    short = Trainer(task, contestant(task, "float", 0), task.recipe, device="cpu")
    rising = iter([1.0, 5.0])
    with pytest.raises(StopIteration):
        short.run()
    best = {name: value for name, value in short.best.items() if "num_batches" not in name}
    assert all((trainer.network.state_dict()[name] == value).all() for name, value in best.items())
    again = Trainer(task, contestant(task, "float", 1), task.recipe, checkpoint=tmp_path / "state.pt", device="cpu")
    assert again.run() == history
    assert np.array_equal(evaluate(again.network, images), evaluate(trainer.network, images))


@pytest.mark.parametrize(("change", "message"), [
    (("class Stripes(Task):", "class Stripes(Task:"), "stripes.py must be Python that runs, not raise Syntax"),
    (("SIZE = 16", "SIZE = 16 / 0"), "stripes.py must be Python that runs, not raise ZeroDivisionError in line 10: "),
    (("class Stripes(Task):", "class Stripes:"), "stripes.py must define one subclass of Task, not none"),
    (("    def loss", "    def losses"), "Stripes of .*stripes.py must define loss$"),
    (("    encoder =", "    encode ="), "Stripes of .*stripes.py must define encoder$"),
    (('name = "stripes"', 'name = "matching"'), "name of Stripes must be lower-case letters, .*, not 'matching'$"),
    (('name = "stripes"', 'name = "../x"'), "name of Stripes must be lower-case letters, .*, not '../x'$"),
])
def test_refusals(stripes: Path, change: tuple[str, str], message: str) -> None:
    stripes.write_text(STRIPES.replace(*change))
    with pytest.raises(TaskError, match=message):
        named("stripes.py")


def test_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--task", "nowhere.py"]) == 2
    assert capsys.readouterr().err == "task must be a file that exists, not nowhere.py\n"


def test_several_tasks(stripes: Path) -> None:
    stripes.write_text(STRIPES + "\n\nclass More(Stripes):\n    pass\n")
    with pytest.raises(TaskError, match=r"must define one subclass of Task, not Stripes, More$"):
        named("stripes.py")


def test_widths_of_an_own_task(stripes: Path, tmp_path: Path) -> None:
    task = named("stripes.py")
    task.recipe = type(task.recipe)(steps=2, batch=4, scores=1)
    assert len(compete(task, [0], tmp_path / "out", widths=True)["runs"]) == 11
