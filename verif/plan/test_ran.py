"""The report of a run: outcomes of all processes, what counts as a whole run, and parts that claim no more."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from signum.verif.plan.ran import PART, WHOLE, RanError, Recorder, Run, is_whole, load_run

TESTS = '''
"""Tests of each outcome."""

import pytest


@pytest.fixture
def broken():
    yield
    raise RuntimeError


@pytest.mark.parametrize("value", [1, 2])
def test_passes(value):
    pass


def test_fails():
    assert False


def test_is_skipped():
    pytest.skip("iverilog is missing: apt-get install iverilog")


@pytest.mark.skip(reason="never")
def test_never():
    pass


def test_ends_badly(broken):
    pass
'''
CONFTEST = '''
"""The recorder alone."""

import os
from pathlib import Path

from signum.verif.plan.ran import Recorder, is_whole


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(Path("tests"), is_whole(config, {})))
'''
OUTCOMES = {"verif/test_a.py::test_ends_badly": "failed", "verif/test_a.py::test_fails": "failed",
            "verif/test_a.py::test_is_skipped": "skipped", "verif/test_a.py::test_never": "skipped",
            "verif/test_a.py::test_passes[1]": "passed", "verif/test_a.py::test_passes[2]": "passed"}
REASONS = {"verif/test_a.py::test_is_skipped": "iverilog is missing: apt-get install iverilog",
           "verif/test_a.py::test_never": "never"}


def run_pytest(folder: Path, *arguments: str) -> int:
    """Run the tests of a folder by pytest, in a process of its own."""
    (folder / "verif").mkdir(exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = verif\n")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "verif" / "test_a.py").write_text(TESTS)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments], cwd=folder, env=clean,
                          stdout=subprocess.DEVNULL).returncode


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_of_pytest(processes: str, tmp_path: Path) -> None:
    assert run_pytest(tmp_path, "-n", processes, "verif") == 1
    content = json.loads((tmp_path / "tests" / WHOLE).read_text())
    assert content == {"whole": True, "tests": OUTCOMES, "skipped": REASONS}
    assert load_run(tmp_path / "tests" / WHOLE) == Run(OUTCOMES, REASONS)
    assert not (tmp_path / "tests" / PART).exists()


def test_a_part_leaves_the_whole(tmp_path: Path) -> None:
    run_pytest(tmp_path)
    before = (tmp_path / "tests" / WHOLE).read_text()
    assert run_pytest(tmp_path, "-k", "test_passes") == 0
    assert (tmp_path / "tests" / WHOLE).read_text() == before
    content = json.loads((tmp_path / "tests" / PART).read_text())
    assert not content["whole"]
    assert set(content["tests"]) == {"verif/test_a.py::test_passes[1]", "verif/test_a.py::test_passes[2]"}
    with pytest.raises(RanError, match=r"must be the report of a whole run of pytest: make test$"):
        load_run(tmp_path / "tests" / PART)
    assert run_pytest(tmp_path, "-x") == 1
    assert not json.loads((tmp_path / "tests" / PART).read_text())["whole"]
    assert run_pytest(tmp_path, "-k", "none") == 5
    assert (tmp_path / "tests" / WHOLE).read_text() == before


def config_of(root: Path, folder: str, arguments: list[str], **options: Any) -> Any:
    """What `is_whole` reads of a configuration of pytest that is called in a folder."""
    return SimpleNamespace(rootpath=root, args=arguments, option=SimpleNamespace(**options),
                           invocation_params=SimpleNamespace(dir=root / folder))


class Session:
    """What the recorder asks of a session."""

    shouldstop: object = False
    shouldfail: object = False


@pytest.mark.parametrize(("status", "changes", "whole"), [
    (0, {}, True), (1, {}, True), (2, {}, False), (3, {}, False), (1, {"shouldstop": "stop"}, False),
    (1, {"shouldfail": "fail"}, False)])
def test_a_run_that_ended_early_is_a_part(status: int, changes: dict[str, Any], whole: bool, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, whole=True)
    recorder.run.add("a", "passed")
    session: Any = Session()
    vars(session).update(changes)
    recorder.pytest_sessionfinish(session, status)
    assert [path.name for path in tmp_path.iterdir()] == [WHOLE if whole else PART]


@pytest.mark.parametrize(("arguments", "options", "environment", "whole"), [
    (["verif"], {}, {}, True), (["verif", "verif"], {"maxfail": 0, "keyword": "", "deselect": None}, {}, True),
    (["verif/hdl"], {}, {}, False), (["verif/test_a.py::test_x"], {}, {}, False), (["."], {}, {}, False),
    ([], {}, {}, False), (["verif"], {"markexpr": "not slow"}, {}, False),
    (["verif"], {"markexpr": "not long"}, {}, True), (["verif"], {"keyword": "pool"}, {}, False),
    (["verif"], {"maxfail": 1}, {}, False), (["verif"], {"lf": True}, {}, False),
    (["verif"], {"deselect": ["x"]}, {}, False), (["verif"], {}, {"SIM": "verilator"}, False)])
def test_what_is_whole(arguments: list[str], options: dict[str, Any], environment: dict[str, str], whole: bool,
                       tmp_path: Path) -> None:
    assert is_whole(config_of(tmp_path, "", arguments, **options), environment) == whole


def test_the_folder_of_the_call_counts(tmp_path: Path) -> None:
    assert is_whole(config_of(tmp_path, "verif", ["."]), {})
    assert not is_whole(config_of(tmp_path, "verif", ["verif"]), {})


def test_the_worst_outcome_counts() -> None:
    run = Run()
    for outcome in ("passed", "failed", "passed"):
        run.add("a", outcome)
    run.add("b", "skipped", "none")
    assert run.content(whole=True) == {"whole": True, "tests": {"a": "failed", "b": "skipped"},
                                       "skipped": {"b": "none"}}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"whole": true, "tests": {"a": "green"}, "skipped": {}}',
                                  '{"whole": true, "tests": {"a": []}, "skipped": {}}',
                                  '{"whole": true, "tests": {}, "skipped": {"a": "x"}}',
                                  '{"whole": true, "tests": [], "skipped": {}}'])
def test_files_that_are_no_report(text: str, tmp_path: Path) -> None:
    path = tmp_path / WHOLE
    with pytest.raises(RanError, match=r"report\.json must be there: make test$"):
        load_run(path)
    path.write_text(text)
    with pytest.raises(RanError, match=r"report\.json must be the report of a whole run of pytest: make test$"):
        load_run(path)
