"""The statements under conditions in the sources of `hdl`, found in their syntax: what coverage must tell of.

Coverage data only knows what was emitted. A unit that nothing drives, and a branch of a description that no size in use
takes, are in the sources alone.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from signum.hdl.lib.folders import REPOSITORY

from .emission import SOURCES

__all__ = ["statements", "statements_of"]

CONDITIONS = frozenset({"If", "Elif", "Else", "Case", "Default", "State"})


def statements_of(source: str) -> set[int]:
    """Lines of the assignments under ``m.If`` and the like: of each ``x.eq(...)`` and ``m.next = ...``."""
    found: set[int] = set()

    def conditional(node: ast.AST) -> bool:
        return isinstance(node, ast.With) and any(
            isinstance(item.context_expr, ast.Call) and isinstance(item.context_expr.func, ast.Attribute)
            and item.context_expr.func.attr in CONDITIONS for item in node.items)

    def assignments(node: ast.AST) -> Iterator[int]:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Attribute) and target.attr == "next"
                                                for target in node.targets):
            yield node.lineno
        if isinstance(node, ast.AugAssign):
            for call in ast.walk(node.value):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "eq":
                    yield call.func.end_lineno or call.lineno

    def walk(node: ast.AST, inside: bool) -> None:
        if inside:
            found.update(assignments(node))
        for child in ast.iter_child_nodes(node):
            nested = isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda)
            walk(child, not nested and (inside or conditional(child)))

    walk(ast.parse(source), False)
    return found


def statements(folder: Path = SOURCES) -> Mapping[str, set[int]]:
    """Lines of `statements_of` by file, of all files that have some."""
    found = {path.relative_to(REPOSITORY).as_posix(): statements_of(path.read_text())
             for path in sorted(folder.rglob("*.py"))}
    return {name: lines for name, lines in found.items() if lines}
