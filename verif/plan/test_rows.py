"""The test plan: its tests exist, no file of tests is forgotten, and a wrong plan is refused by one line."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from signum.hdl.lib.folders import REPOSITORY
from signum.verif.plan.rows import (
    STAGES,
    Plan,
    PlanError,
    check_against_files,
    files_of_tests,
    functions_of,
    load_plan,
    matches,
    plan_of,
)

ROW = {"feature": "pool", "corner": "one row", "stage": "unit", "tests": ["verif/test_a.py::test_x"]}
FUNCTIONS = "def test_x():\n    pass\n\n\ndef test_y():\n    pass\n\n\ndef helper():\n    pass\n"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan()


def test_the_plan_is_that_of_the_tests(plan: Plan) -> None:
    check_against_files(plan)
    counts = plan.counts()
    assert counts["rows"] - counts["gaps"] >= 120
    assert all(counts["stages"].values())
    assert set(counts["stages"]) == set(STAGES)


@pytest.mark.slow
def test_planned_parameters_are_collected(plan: Plan) -> None:
    """Functions are found without a collection, their parameters are not."""
    planned = [test for test in plan.tests if "[" in test]
    functions = {test.split("[")[0] for test in planned}
    assert functions
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *functions]
    done = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=True)
    nodes = done.stdout.splitlines()
    assert [test for test in planned if not any(matches(test, node) for node in nodes)] == []


@pytest.mark.parametrize(("planned", "node", "found"), [
    ("a.py::test_x", "a.py::test_x", True), ("a.py::test_x", "a.py::test_x[1-b]", True),
    ("a.py::test_x", "a.py::test_xy", False), ("a.py::test_x", "b/a.py::test_x", False),
    ("a.py::test_x[1]", "a.py::test_x[1]", True), ("a.py::test_x[1]", "a.py::test_x[11]", False),
    ("a.py::test_x[1", "a.py::test_x[1]", False), ("a.py::test_x[pe-*", "a.py::test_x[pe-3]", True),
    ("a.py::test_x[pe-*", "a.py::test_x[popcount-3]", False)])
def test_a_name_stands_for_its_parameters(planned: str, node: str, found: bool) -> None:
    assert matches(planned, node) == found


@pytest.mark.parametrize(("changes", "message"), [
    ({"stage": "chip"}, "stage of pool, one row must be one of unit, formal, array, system, board, netlist, host, "
                        "not 'chip'"),
    ({"stage": 3}, "stage of pool, one row must be a text, not 3"),
    ({"corner": " "}, "corner of row 0 of a.toml must be a text, not ' '"),
    ({"feature": None}, "feature of row 0 of a.toml must be a text, not None"),
    ({"tests": "a.py"}, "tests of pool, one row must be a list of node ids, not 'a.py'"),
    ({"tests": [1]}, "tests of pool, one row must be a list of node ids, not [1]"),
    ({"tests": ["a", "b", "a"]}, "tests of pool, one row must be named once, not 'a' twice"),
    ({"tests": []}, "gap of pool, one row must be a text, not None"),
    ({"gap": "none"}, "gap of pool, one row must be left out where there are tests, not 'none'"),
    ({"test": []}, "keys of row 0 of a.toml must be some of corner, feature, gap, stage, tests, not 'test'"),
])
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError) as refusal:
        plan_of({"a.toml": {"row": [ROW | changes]}})
    assert str(refusal.value) == message


@pytest.mark.parametrize(("contents", "message"), [
    ({"a.toml": {"row": [ROW]}, "b.toml": {"row": [ROW]}}, "a row must be in the plan once, not pool, one row (unit) "
                                                          "twice"),
    ({"a.toml": {"rows": [ROW]}}, "tables of a.toml must be lists of row, skip, excused, not 'rows'"),
    ({"a.toml": {"row": ROW}}, "tables of a.toml must be lists of row, skip, excused, not 'row'"),
    ({"a.toml": {"skip": [{"reason": "x", "without": "y"}] * 2}}, "reason of skip must be there once, not 'x' twice"),
    ({"a.toml": {"excused": [{"file": "x"}]}}, "reason of excused 0 of a.toml must be a text, not None"),
    ({"a.toml": {"excused": [{"file": "x", "reason": "y"}] * 2}}, "file of excused must be there once, not 'x' twice"),
])
def test_what_the_plan_refuses(contents: dict[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(PlanError) as refusal:
        plan_of(contents)
    assert str(refusal.value) == message


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    for content in (b"[[row]\n", b"\xff"):
        (tmp_path / "a.toml").write_bytes(content)
        with pytest.raises(PlanError, match=r"^a\.toml must be TOML \(.+\)$"):
            load_plan(tmp_path)


@pytest.mark.parametrize(("tests", "excused", "message"), [
    (["verif/test_a.py::test_x[1]"], ["verif/test_b.py"], ""),
    (["verif/test_a.py::test_y", "verif/test_b.py::test_x"], [], ""),
    (["verif/test_a.py::test_z"], ["verif/test_b.py"],
     "tests of pool, one row (unit) must be functions of verif/test_a.py, not 'test_z'"),
    (["verif/test_a.py"], ["verif/test_b.py"],
     "tests of pool, one row (unit) must be functions of verif/test_a.py, not ''"),
    (["verif/test_a.py::helper"], ["verif/test_b.py"],
     "tests of pool, one row (unit) must be functions of verif/test_a.py, not 'helper'"),
    (["verif/test_c.py::test_x"], [],
     "tests of pool, one row (unit) must be in a file of verif, not 'verif/test_c.py::test_x'"),
    (["verif/test_a.py::test_x"], [],
     "each file of tests must be in the plan or excused, not 'verif/test_b.py' in neither"),
    (["verif/test_a.py::test_x"], ["verif/test_a.py", "verif/test_b.py"],
     "an excused file must not be in the plan, not 'verif/test_a.py' in both"),
    (["verif/test_a.py::test_x"], ["verif/test_b.py", "verif/test_c.py"],
     "an excused file must be one of verif's tests, not 'verif/test_c.py'"),
])
def test_what_the_files_refuse(tests: list[str], excused: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "verif").mkdir()
    for name in ("test_a.py", "test_b.py"):
        (tmp_path / "verif" / name).write_text(FUNCTIONS)
    made = plan_of({"a.toml": {"row": [ROW | {"tests": tests}],
                               "excused": [{"file": file, "reason": "none"} for file in excused]}})
    files = files_of_tests(tmp_path)
    assert files == ["verif/test_a.py", "verif/test_b.py"]
    if not message:
        check_against_files(made, files, tmp_path)
        return
    with pytest.raises(PlanError, match=f"^{re.escape(message)}$"):
        check_against_files(made, files, tmp_path)


def test_functions_are_those_of_the_module_alone(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(FUNCTIONS + "\n\nclass Tests:\n    def test_z(self):\n        pass\n")
    assert functions_of(tmp_path / "test_a.py") == {"test_x", "test_y"}
    assert functions_of(tmp_path / "test_b.py") == set()
