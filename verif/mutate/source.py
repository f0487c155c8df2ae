"""Mutants of Python sources: small changes of the code inside functions, each found again by its number.

Neither mutmut nor cosmic-ray fits: the first copies a package's folder and expects it on the path by its own name, the
second changes the files of the working tree; both start pytest, and with it PyTorch, for each mutant.
"""

import ast
import copy
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

__all__ = ["Change", "changes_of", "install"]

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr, ast.Pow: ast.Mult, ast.MatMult: ast.Add}
NOT_CHANGED = "annotation", "returns", "decorator_list", "args"
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef

Edit = Callable[[], None]


@dataclass(frozen=True)
class Change:
    """A mutant of a source.

    Members
    -------
    number : int
        Among those of its source.
    line : int
    statement : range
        Lines of its statement, of which one runs whenever it does.
    function : str
        Outermost function, with its class.
    text : str
        What is changed, in words.
    """

    number: int
    line: int
    statement: range
    function: str
    text: str

    @property
    def name(self) -> str:
        """The same for the same change, wherever its lines are."""
        return f"{self.function}: {self.text} (line {self.line})"


def changes_of(source: str) -> list[Change]:
    """All mutants of a source: comparisons, arithmetic, constants, conditions, returns and statements.

    Only code inside of functions is changed, since modules stay imported; neither are texts, annotations, default
    values and decorators.
    """
    return [Change(number, line, statement, function, text)
            for number, (line, statement, function, text, _) in enumerate(_edits(ast.parse(source)))]


def changed_tree(source: str, number: int) -> ast.Module:
    """The source with a change."""
    tree = ast.parse(source)
    for at, (*_, edit) in enumerate(_edits(tree)):
        if at == number:
            edit()
            return ast.fix_missing_locations(tree)
    raise ValueError(f"number must be that of a change, not {number}")


def _edits(tree: ast.Module) -> Iterator[tuple[int, range, str, str, Edit]]:
    """Line, lines of the statement, function, description and effect of each change, in the order of the source."""
    for outer in tree.body:
        for function, name in _functions(outer, ""):
            for statement in function.body:
                for line, lines, text, edit in _within(statement, range(0)):
                    yield line, lines, name, text, edit


def _functions(node: ast.stmt, prefix: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    if isinstance(node, FUNCTIONS):
        yield node, prefix + node.name
    elif isinstance(node, ast.ClassDef):
        for inner in node.body:
            yield from _functions(inner, f"{prefix}{node.name}.")


def _setting(node: ast.AST, name: str, value: Any) -> Edit:
    return lambda: setattr(node, name, value)


def _replacing(node: ast.AST, new: ast.AST) -> Edit:
    """The effect of another node in the place of a node."""
    def edit() -> None:
        copied = copy.copy(new)
        node.__class__ = copied.__class__
        node.__dict__.clear()
        node.__dict__.update(copied.__dict__)

    return edit


def _negated(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.UnaryOp(op=ast.Not(), operand=node), node)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else text[:67] + "..."


def _within(node: ast.AST, statement: range) -> Iterator[tuple[int, range, str, Edit]]:
    """The changes of a node and of those in it."""
    if isinstance(node, ast.stmt):
        body, end = getattr(node, "body", []), (node.end_lineno or node.lineno) + 1
        statement = range(node.lineno, max(body[0].lineno, node.lineno + 1) if body else end)
    line = getattr(node, "lineno", statement.start)
    for text, edit in _of_node(node):
        yield line, statement, text, edit
    for name, value in ast.iter_fields(node):
        if name in NOT_CHANGED and not isinstance(node, ast.Call):
            continue
        if isinstance(node, ast.JoinedStr | ast.Raise):       # texts of errors
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST):
                yield from _within(each, statement)


def _of_node(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            if kind := COMPARISONS.get(type(operator)):
                ops = [*node.ops[:at], kind(), *node.ops[at + 1:]]
                yield f"{kind.__name__} for {type(operator).__name__} in {_short(node)}", _setting(node, "ops", ops)
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        text = isinstance(node, ast.BinOp) and any(
            isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
            for side in (node.left, node.right))
        if not text and (other := OPERATORS.get(type(node.op))):
            yield (f"{other.__name__} for {type(node.op).__name__} in {_short(node)}",
                   _setting(node, "op", other()))
    elif isinstance(node, ast.BoolOp):
        both: ast.boolop = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield f"{type(both).__name__} for {type(node.op).__name__} in {_short(node)}", _setting(node, "op", both)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield f"no {type(node.op).__name__} in {_short(node)}", _replacing(node, node.operand)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield f"{not node.value} for {node.value}", _setting(node, "value", not node.value)
        elif isinstance(node.value, int | float):
            for step in (1, -1):
                yield f"{node.value + step} for {node.value}", _setting(node, "value", node.value + step)
    elif isinstance(node, ast.If | ast.IfExp):
        yield f"condition {_short(node.test)} negated", _setting(node, "test", _negated(node.test))
    elif isinstance(node, ast.comprehension):
        if node.ifs:
            yield f"no condition {_short(node.ifs[0])}", _setting(node, "ifs", node.ifs[1:])
    elif isinstance(node, ast.Return) and node.value is not None and not (
            isinstance(node.value, ast.Constant) and node.value.value is None):
        yield f"None for {_short(node.value)}", _setting(node, "value", ast.Constant(None))
    removable = isinstance(node, ast.Assign | ast.AugAssign | ast.Raise | ast.Break | ast.Continue) or (
        isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom))
    if removable and "super()" not in _short(node):         # without it the function would have other cells
        yield f"without {_short(node)}", _replacing(node, ast.copy_location(ast.Pass(), node))


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def install(source: str, change: Change, file: str) -> int:
    """Give the functions of an imported module the code of a change; returns how many there are.

    Parameters
    ----------
    file : str
        Path of the module, as its functions have it.
    """
    changed = {code.co_qualname: code for code in _codes(compile(changed_tree(source, change.number), file, "exec"))
               if code.co_qualname == change.function}
    gc.unfreeze()           # what is frozen is not listed
    count = 0
    for found in gc.get_objects():
        if type(found) is FunctionType and found.__code__.co_filename == file and (
                found.__code__.co_qualname == change.function):
            new = changed[change.function]
            if new.co_freevars == found.__code__.co_freevars:
                found.__code__ = new
                count += 1
    return count
