"""Mutants of sources: what is changed, what is not, and functions of a running module that change."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .source import changed_tree, changes_of, install

SOURCE = '''\
"""Text."""

LIMIT = 3


def clamp(value: int, most: int = 5 + 1) -> int:
    """Text."""
    if value < 0 or not value:
        return 0
    total = value + 1
    return min(total, most)


class Box:
    size = 2

    def inner(self, values: list[int]) -> list[int]:
        def twice(value: int) -> int:
            return value * 2

        if not values:
            raise ValueError(f"values must be some, not {len(values) + 0}")
        return [twice(value) for value in values if value > 1]
'''


def texts(source: str) -> list[str]:
    return [f"{change.function}, {change.line}: {change.text}" for change in changes_of(source)]


def test_what_is_changed() -> None:
    assert texts(SOURCE) == [
        "clamp, 8: condition value < 0 or not value negated",
        "clamp, 8: And for Or in value < 0 or not value",
        "clamp, 8: LtE for Lt in value < 0",
        "clamp, 8: 1 for 0", "clamp, 8: -1 for 0",
        "clamp, 8: no Not in not value",
        "clamp, 9: None for 0", "clamp, 9: 1 for 0", "clamp, 9: -1 for 0",
        "clamp, 10: without total = value + 1",
        "clamp, 10: Sub for Add in value + 1", "clamp, 10: 2 for 1", "clamp, 10: 0 for 1",
        "clamp, 11: None for min(total, most)",
        "Box.inner, 19: None for value * 2",
        "Box.inner, 19: FloorDiv for Mult in value * 2", "Box.inner, 19: 3 for 2", "Box.inner, 19: 1 for 2",
        "Box.inner, 21: condition not values negated", "Box.inner, 21: no Not in not values",
        "Box.inner, 22: without raise ValueError(f'values must be some, not {len(values) + 0}')",
        "Box.inner, 23: None for [twice(value) for value in values if value > 1]",
        "Box.inner, 23: no condition value > 1",
        "Box.inner, 23: GtE for Gt in value > 1", "Box.inner, 23: 2 for 1", "Box.inner, 23: 0 for 1",
    ]


def test_each_change_changes_the_code() -> None:
    plain = ast.dump(ast.parse(SOURCE))
    dumps = [ast.dump(changed_tree(SOURCE, change.number)) for change in changes_of(SOURCE)]
    assert plain not in dumps
    assert len(set(dumps)) == len(dumps)
    with pytest.raises(ValueError, match=r"^number must be that of a change, not 1000$"):
        changed_tree(SOURCE, 1000)


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("changed", path)
    assert spec
    assert spec.loader
    module = ModuleType("changed")
    sys.modules["changed"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("text", "clamped", "boxed"), [
    ("Sub for Add in value + 1", 1, [4]), ("FloorDiv for Mult in value * 2", 3, [1]),
    ("no condition value > 1", 3, [2, 4])])
def test_functions_that_are_imported_change(text: str, clamped: int, boxed: list[int], tmp_path: Path) -> None:
    path = tmp_path / "changed.py"
    path.write_text(SOURCE)
    module = loaded(path)
    clamp, box = module.clamp, module.Box()
    assert (clamp(2), box.inner([1, 2])) == (3, [4])
    (change,) = (change for change in changes_of(SOURCE) if change.text == text)
    assert install(SOURCE, change, str(path)) == 1
    assert (clamp(2), box.inner([1, 2])) == (clamped, boxed)
