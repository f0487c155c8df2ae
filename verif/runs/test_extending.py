"""The walks of docs/extending.md: each diff applies to the current tree, and passes the contract tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from signum.hdl.lib.folders import REPOSITORY

PAGE = REPOSITORY / "docs" / "extending.md"
FLOORS = "hdl", "golden", "fpga", "verif"

TESTS = {
    "popcount structure": (2, ["-k", "compressor", "verif/hdl/array/popcount/test_registry.py"], "compressor"),
    "combine": (4, ["-k", "max or combine or gates", "verif/hdl/control/test_combine.py",
                    "verif/hdl/output/test_threshold.py", "verif/golden/layers/test_paths.py"], "max"),
    "FPGA family": (3, ["-k", "nexus", "verif/fpga/flow/families/test_family.py"], "nexus"),
}
"""By the end of the section's title: the most files that the walk may touch, its tests, and a word of their names."""


def walks() -> dict[str, str]:
    """The diff of each section, by the section's title."""
    sections = re.findall(r"^## An? ([^\n:]+)[^\n]*\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {title: "".join(re.findall(r"^```diff\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
            for title, text in sections}


def applied(diff: str, folder: Path) -> Path:
    """A copy of the repository's code in ``folder / "signum"`` with the diff."""
    copy = folder / "signum"
    for floor in FLOORS:
        shutil.copytree(REPOSITORY / floor, copy / floor, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    subprocess.run(["git", "apply", "-"], input=diff, text=True, cwd=copy, check=True,
                   env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder)})
    return copy


def contract(copy: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run([sys.executable, "-m", "pytest", "-v", "-n", "0", "-p", "no:cacheprovider", *arguments],
                          cwd=copy, env={**environment, "PYTHONPATH": str(copy.parent)}, text=True, capture_output=True)


def test_each_walk_has_a_test() -> None:
    assert set(walks()) == set(TESTS)


@pytest.mark.parametrize("walk", TESTS)
def test_a_walk_touches_few_files(walk: str) -> None:
    files = re.findall(r"^\+\+\+ b/(.+)$", walks()[walk], re.MULTILINE)
    assert 0 < len(files) <= TESTS[walk][0]
    assert not any(name.startswith("verif/") for name in files)


@pytest.mark.parametrize("walk", TESTS)
def test_a_walk_applies(walk: str, tmp_path: Path) -> None:
    applied(walks()[walk], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("walk", TESTS)
def test_a_walk_passes_the_contract(walk: str, tmp_path: Path) -> None:
    """The tests run on the copy, and cover the new name."""
    _, tests, word = TESTS[walk]
    done = contract(applied(walks()[walk], tmp_path), tests)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(rf"\[[^\]]*{word}[^\]]*\] PASSED", done.stdout, re.IGNORECASE), done.stdout[-3000:]


@pytest.mark.slow
def test_a_wrong_walk_fails(tmp_path: Path) -> None:
    diff = walks()["combine"].replace("Mux(total > operand", "Mux(total < operand")
    done = contract(applied(diff, tmp_path), ["-x", "verif/hdl/output/test_threshold.py"])
    assert done.returncode == 1
    assert "FAILED" in done.stdout
