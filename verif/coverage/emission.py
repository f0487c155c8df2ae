"""Verilog for coverage: the branches of the sources stay as statements, each with its place in the source.

The ordinary output has multiplexers in the place of branches, and no places (`hdl.lib.emit`). Here Amaranth's processes
go to Verilog as they are, as ``always`` blocks with ``if`` and ``casez``, and each assignment ends with a comment such
as ``// hdl/host/uart.py:72``. Statements without a condition have no place: they cannot be missed. Neither have the
assignments that Amaranth adds to every register for its reset.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amaranth import tracer
from amaranth.back import rtlil
from amaranth.hdl._dsl import FSMNextStatement
from amaranth.hdl._nir import Net
from amaranth.lib import data, wiring

from signum.hdl.lib import emit
from signum.hdl.lib.emit import Converted, run_yosys, to_rtlil
from signum.hdl.lib.family import cells_of
from signum.hdl.lib.folders import REPOSITORY

__all__ = ["PLACE", "SOURCES", "convert", "emitted_for_coverage"]

MARK = "signum_place"
ALWAYS = Net.from_const(1)
SOURCES = REPOSITORY / "hdl"
SCRIPT = """\
{library}
read_rtlil design.il
hierarchy -check -purge_lib -top {name}
write_verilog design.v
"""
SIGNED = re.compile(r"^( *wire .*?)signed ", re.MULTILINE)
PLACE = re.compile(r"// (hdl/\S+\.py):(\d+)$")
MARKED = re.compile(rf"\n *{MARK} = 32'd(\w+);$", re.MULTILINE)
DECLARED = re.compile(rf"^ *(?:reg|wire) \[31:0\] {MARK}(?: = .*)?;\n", re.MULTILINE)
LOCATED = re.compile(r'^\(\* src = "([^"]*):(\d+)" \*\)\n((?:\(\*.*\*\)\n)*)(?=module )', re.MULTILINE)
LINES_OF_ATTRIBUTES = re.compile(r"^ *\(\*.*\*\)\n", re.MULTILINE)
ATTRIBUTE = re.compile(r" ?\(\* [^\n]*? \*\)")


def place_of(file: str, line: int | str) -> str:
    """``hdl/...py:LINE`` of a place in `hdl`, else nothing."""
    path = Path(file)
    return f"{path.relative_to(REPOSITORY).as_posix()}:{line}" if path.is_relative_to(SOURCES) else ""


class _Marked(rtlil.Assignment):
    """An assignment, and behind it one of a number to the wire of the marks."""

    def __init__(self, assignment: rtlil.Assignment, number: int) -> None:
        super().__init__(assignment.lhs, assignment.rhs)
        self.number = number

    def emit(self, line: Any) -> None:
        super().emit(line)
        line(f"assign \\{MARK} 32'{self.number:032b}")


@contextmanager
def _marking() -> Iterator[list[str]]:
    """Mark the assignments of the processes that Amaranth writes; the places by number."""
    places: list[str] = []
    numbers: dict[str, int] = {}
    written, made = rtlil.ModuleEmitter.emit_assignment_list, rtlil.Design.module
    resolve, assign = FSMNextStatement.resolve, data.View.eq

    def number_of(place: str) -> int:
        if place not in numbers:
            numbers[place] = len(places)
            places.append(place)
        return numbers[place]

    def marked(self: Any, index: int, cell: Any) -> None:
        before = set(self.builder.contents)
        written(self, index, cell)
        (process,) = (item for name, item in self.builder.contents.items()
                      if name not in before and isinstance(item, rtlil.Process))
        queue = iter(cell.assignments)

        def walk(contents: list[Any]) -> None:
            for at, item in enumerate(contents):
                if isinstance(item, rtlil.Switch):
                    for case in item.cases:
                        walk(case.contents)
                    if item.cases and not any(item.cases[0].patterns):
                        # of a value without bits, which is always matched, Yosys writes no pattern
                        item.cases[:] = item.cases[:1]
                        item.cases[0].patterns = ()
                else:
                    assignment = next(queue)
                    # the same place as the signal's or the expression's: a reset, or a choice within an expression
                    place = "" if assignment.cond == ALWAYS or assignment.src_loc in (None, cell.src_loc) else place_of(
                        *assignment.src_loc)
                    if place:
                        contents[at] = _Marked(item, number_of(place))

        _default, *others = process.contents
        walk(others)
        process.contents[1:] = others
        assert next(queue, None) is None, "each assignment must be met once"

    def located(self: Any, name: str, **options: Any) -> Any:
        module = made(self, name, **options)
        module.wire(32, name=MARK)
        if options.get("src_loc"):
            file, line = options["src_loc"]
            module.attributes["src"] = f"{file}:{line}"
        return module

    def assigned(self: Any, other: Any) -> Any:
        statement = assign(self, other)
        statement.src_loc = tracer.get_src_loc()
        return statement

    def resolved(self: Any) -> Any:
        statement = resolve(self)
        statement.src_loc = self.src_loc            # of ``m.next = ...``, not of the file in Amaranth
        return statement

    rtlil.ModuleEmitter.emit_assignment_list, rtlil.Design.module = marked, located
    FSMNextStatement.resolve, data.View.eq = resolved, assigned
    try:
        yield places
    finally:
        rtlil.ModuleEmitter.emit_assignment_list, rtlil.Design.module = written, made
        FSMNextStatement.resolve, data.View.eq = resolve, assign


def convert(component: wiring.Component, name: str, platform: object = None) -> Converted:
    """Verilog of a component as `hdl.lib.emit.convert`, for Verilator with coverage alone.

    A line of an assignment that was written in `hdl` under a condition ends with its place, ``// hdl/...py:LINE``; a
    module whose hardware was described there stands behind such a line with the place of its description,
    ``// in hdl/...py:LINE``.

    Raises
    ------
    EmitError
        If Yosys refuses the design.
    """
    with _marking() as places:
        text, units = to_rtlil(component, name, platform)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        # cells have their own signs; Verilog's would change the expressions that Yosys writes
        (directory / "design.il").write_text(SIGNED.sub(r"\1", text))
        run_yosys(SCRIPT.format(name=name, library=cells_of(platform).library), directory)
        verilog = (directory / "design.v").read_text()
    return Converted(with_places(verilog, places), len(re.findall(r"^module ", verilog, re.MULTILINE)),
                     tuple(units.modules), {}, [])


def with_places(verilog: str, places: list[str]) -> str:
    """Verilog of Yosys with comments in the place of marks and attributes."""
    def module(found: re.Match[str]) -> str:
        place = place_of(found[1], found[2])
        return f"// in {place}\n" if place else ""

    body = verilog.split("\n", 1)[1] if verilog.startswith("/*") else verilog
    body = re.sub(r"^(?:\(\*.*\*\)\n)+", lambda found: "".join(
        sorted(found[0].splitlines(True), key=lambda line: "src =" in line)), body, flags=re.MULTILINE)
    body = LOCATED.sub(module, body)
    body = ATTRIBUTE.sub("", LINES_OF_ATTRIBUTES.sub("", body))
    body = MARKED.sub(lambda found: f"  // {places[int(found[1])]}", body)
    return DECLARED.sub("", body)


@contextmanager
def emitted_for_coverage() -> Iterator[None]:
    """Context in which `hdl.lib.emit` gives Verilog for coverage."""
    before = emit.convert
    emit.convert = convert
    try:
        yield
    finally:
        emit.convert = before
