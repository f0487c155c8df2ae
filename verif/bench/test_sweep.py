"""Which cases of a sweep run in `make test`."""

import subprocess
import sys
from pathlib import Path

import pytest

from signum.verif.bench.sweep import evenly

TESTS = '''
"""Sweeps of quick and of slow cases."""

import pytest

slow = pytest.mark.slow


@pytest.mark.sweep(3)
@pytest.mark.parametrize("n", range(5))
def test_quick(n):
    pass


@pytest.mark.sweep(3)
@pytest.mark.parametrize("n", [pytest.param(n, marks=slow if n > 1 else ()) for n in range(6)])
def test_both(n):
    pass


@slow
@pytest.mark.sweep(0)
@pytest.mark.parametrize("n", range(2))
def test_none(n):
    pass


@pytest.mark.long
def test_long():
    pass


def test_plain():
    pass
'''
CONFTEST = '''
"""The hook alone."""

from signum.verif.bench.sweep import thin


def pytest_collection_modifyitems(items):
    thin(items, {"test_a.py::test_both[4]", "test_a.py::test_both"})
'''
QUICK = {"test_quick[0]", "test_quick[2]", "test_quick[4]", "test_both[0]", "test_both[1]", "test_plain"}
REGRESSION = QUICK | {"test_both[2]", "test_both[4]"}      # which is planned
ALL = REGRESSION | {f"test_quick[{n}]" for n in range(5)} | {f"test_both[{n}]" for n in range(6)} | {
    "test_none[0]", "test_none[1]", "test_long"}


@pytest.mark.parametrize(("count", "among", "places"), [
    (0, 3, []), (1, 4, [0]), (2, 5, [0, 4]), (3, 5, [0, 2, 4]), (3, 8, [0, 3, 7]), (4, 4, [0, 1, 2, 3]), (9, 2, [0, 1]),
    (2, 0, []),
])
def test_places(count: int, among: int, places: list[int]) -> None:
    assert evenly(count, among) == places


@pytest.mark.parametrize(("marks", "expected"), [("not slow", QUICK), ("not long", REGRESSION), ("", ALL)])
def test_cases(marks: str, expected: set[str], tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    slow\n    long\n    sweep\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_a.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", marks]
    run = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=True)
    assert {line.split("::")[1] for line in run.stdout.splitlines() if "::" in line} == expected
