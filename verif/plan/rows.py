"""The rows of the test plan, read from the TOML files of this folder, and the rules that they obey."""

import ast
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from signum.hdl.lib.folders import REPOSITORY
from signum.hdl.told import line_of, told

__all__ = ["FOLDER", "STAGES", "Plan", "PlanError", "Row", "check_against_files", "files_of_tests",
           "functions_of", "load_plan", "matches", "plan_of"]

FOLDER = REPOSITORY / "verif" / "plan"

STAGES: Mapping[str, str] = {
    "unit": "one unit of the hardware beside its golden twin, in simulation",
    "formal": "a proof, with a mutant that it refutes",
    "array": "programs on the whole array, loaded by a host over the bus",
    "system": "the array with what surrounds it: streams, wrappers, bridge, boot loader, camera",
    "board": "a board's top at its pins, or a virtual board behind its line",
    "netlist": "the emitted Verilog and the netlists of the families",
    "host": "software: golden model, compiler, importers, driver, commands",
}
"""The stages of the plan, from the smallest to the host."""

ROW_KEYS = {"feature", "corner", "stage", "tests", "gap"}
TABLES = {"row": ROW_KEYS, "skip": {"reason", "without"}, "excused": {"file", "reason"}}


class PlanError(ValueError):
    """A plan that breaks a rule; in one line."""


@dataclass(frozen=True)
class Row:
    """A corner of a feature, at one stage.

    Parameters
    ----------
    feature, corner : str
        What is verified, and which case of it.
    stage : str
        One of `STAGES`.
    tests : tuple of str
        Node ids of pytest. Without parameters an id stands for all of them, and one that ends with ``*`` for all ids
        that begin like it.
    gap : str
        Why there is no test; empty where there are some.
    """

    feature: str
    corner: str
    stage: str
    tests: tuple[str, ...]
    gap: str = ""

    @property
    def name(self) -> str:
        return f"{self.feature}, {self.corner} ({self.stage})"


@dataclass(frozen=True)
class Plan:
    """The whole plan.

    Parameters
    ----------
    rows : tuple of Row
        In the order of the files.
    skips : mapping
        How the reason of a skip by design begins, and what is missing then.
    excused : mapping
        Files of tests that no row names, and why.
    """

    rows: tuple[Row, ...]
    skips: Mapping[str, str]
    excused: Mapping[str, str]

    @property
    def tests(self) -> tuple[str, ...]:
        """All planned node ids, each once."""
        return tuple(dict.fromkeys(test for row in self.rows for test in row.tests))

    def counts(self) -> dict[str, Any]:
        """Features, corners, rows by stage, gaps, planned node ids, and files of tests."""
        stages = Counter(row.stage for row in self.rows)
        return {"features": len({row.feature for row in self.rows}),
                "corners": len({(row.feature, row.corner) for row in self.rows}), "rows": len(self.rows),
                "gaps": sum(not row.tests for row in self.rows), "tests": len(self.tests),
                "files": len({test.split("::")[0] for test in self.tests}), "excused": len(self.excused),
                "stages": {stage: stages[stage] for stage in STAGES}}


def matches(planned: str, node: str) -> bool:
    """Whether a planned node id stands for a node id that ran."""
    if planned.endswith("*"):
        return node.startswith(planned[:-1])
    return node == planned or node.startswith(f"{planned}[")


def text_of(place: str, entry: Mapping[str, Any], key: str) -> str:
    """A text of an entry, which must not be empty."""
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise PlanError(f"{key} of {place} must be a text, not {told(value)}")
    return value


def row_of(place: str, entry: Mapping[str, Any]) -> Row:
    """A row of the plan, whose entry obeys the rules that need no other file."""
    feature, corner = (text_of(place, entry, key) for key in ("feature", "corner"))
    place = f"{feature}, {corner}"
    stage, tests = text_of(place, entry, "stage"), entry.get("tests")
    if stage not in STAGES:
        raise PlanError(f"stage of {place} must be one of {', '.join(STAGES)}, not {told(stage)}")
    if not isinstance(tests, list) or not all(isinstance(test, str) for test in tests):
        raise PlanError(f"tests of {place} must be a list of node ids, not {told(tests)}")
    if repeated := [test for test, count in Counter(tests).items() if count > 1]:
        raise PlanError(f"tests of {place} must be named once, not {repeated[0]!r} twice")
    gap = text_of(place, entry, "gap") if not tests else ""
    if tests and "gap" in entry:
        raise PlanError(f"gap of {place} must be left out where there are tests, not {told(entry['gap'])}")
    return Row(feature, corner, stage, tuple(tests), gap)


def plan_of(contents: Mapping[str, Mapping[str, Any]]) -> Plan:
    """The plan of the parsed files, by their names.

    Raises
    ------
    PlanError
        If an entry has a wrong field, a row or a file is there twice, or a test is named twice in a row.
    """
    rows: dict[tuple[str, str, str], Row] = {}
    skips: dict[str, str] = {}
    excused: dict[str, str] = {}
    for name, content in contents.items():
        for table, entries in content.items():
            if table not in TABLES or not isinstance(entries, list):
                raise PlanError(f"tables of {name} must be lists of {', '.join(TABLES)}, not {told(table)}")
            for number, entry in enumerate(entries):
                place = f"{table} {number} of {name}"
                if wrong := sorted(set(entry) - TABLES[table]):
                    raise PlanError(f"keys of {place} must be some of {', '.join(sorted(TABLES[table]))}, "
                                    f"not {told(wrong[0])}")
                if table == "row":
                    row = row_of(place, entry)
                    if rows.setdefault((row.feature, row.corner, row.stage), row) is not row:
                        raise PlanError(f"a row must be in the plan once, not {row.name} twice")
                    continue
                first, second = ("reason", "without") if table == "skip" else ("file", "reason")
                found = skips if table == "skip" else excused
                key, value = text_of(place, entry, first), text_of(place, entry, second)
                if key in found:
                    raise PlanError(f"{first} of {table} must be there once, not {told(key)} twice")
                found[key] = value
    return Plan(tuple(rows.values()), skips, excused)


def load_plan(folder: Path = FOLDER) -> Plan:
    """Read the plan.

    Raises
    ------
    PlanError
        If a file cannot be read, or `plan_of` refuses what it has.
    """
    contents = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            contents[path.name] = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise PlanError(f"{path.name} must be TOML ({line_of(error)})") from None
    return plan_of(contents)


def files_of_tests(root: Path = REPOSITORY) -> list[str]:
    """The files of tests below verif, relative to the repository."""
    return sorted(str(path.relative_to(root)) for path in (root / "verif").rglob("test_*.py"))


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The test functions of a file, from its text alone; none where there is no file."""
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in tree.body
                     if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def _wrong(plan: Plan, files: Collection[str], root: Path) -> Iterator[str]:
    for row in plan.rows:
        for test in row.tests:
            file, _, rest = test.partition("::")
            if file not in files:
                yield f"tests of {row.name} must be in a file of verif, not {test!r}"
            elif rest.split("[")[0] not in functions_of(root / file):
                yield f"tests of {row.name} must be functions of {file}, not {rest!r}"
    planned = {test.split("::")[0] for test in plan.tests}
    for file in files:
        if file not in planned and file not in plan.excused:
            yield f"each file of tests must be in the plan or excused, not {file!r} in neither"
    for file in plan.excused:
        if file not in files:
            yield f"an excused file must be one of verif's tests, not {file!r}"
        elif file in planned:
            yield f"an excused file must not be in the plan, not {file!r} in both"


def check_against_files(plan: Plan, files: Sequence[str] | None = None, root: Path = REPOSITORY) -> None:
    """Compare the plan with the files of the tests.

    Raises
    ------
    PlanError
        If a planned function is in no file, or a file is neither planned nor excused; tells the first of all faults.
    """
    if fault := next(_wrong(plan, files_of_tests(root) if files is None else files, root), ""):
        raise PlanError(fault)
