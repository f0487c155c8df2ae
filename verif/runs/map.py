"""docs/map.md: each folder and file with its first line, and the imports between folders as pictures."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import grimp

from signum.hdl.lib.folders import REPOSITORY

__all__ = ["FLOORS", "PAGE", "first_line", "map_page", "room_imports"]

PAGE = REPOSITORY / "docs" / "map.md"
FLOORS = ("hdl", "golden", "fpga", "verif")
SUFFIXES = {".py", ".v", ".cpp", ".md", ".toml"}


def first_line(path: Path) -> str:
    """The line of a file: the first paragraph of its docstring, its title, or its first comment up to a full stop at
    the end of a line."""
    text = path.read_text()
    if path.suffix == ".py":
        return " ".join((ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].split())
    if path.suffix in (".md", ".toml"):
        found = re.search(r"^# (.+)$", text, re.MULTILINE)
        return found[1].strip() if found else ""
    lines: list[str] = []
    for line in re.findall(r"^(?:// ?|/\* ?)(.+?)(?: ?\*/)?$", text, re.MULTILINE):
        lines.append(line.strip())
        if lines[-1].endswith("."):
            break
    return " ".join(lines)


def room_of(module: str) -> str:
    """The folder of a module below its floor, or the floor itself: "hdl.array" of signum.hdl.array.pe."""
    names = module.split(".")[1:]
    path = REPOSITORY.joinpath(*names[:2])
    return ".".join(names[:2]) if len(names) > 1 and path.is_dir() else names[0]


def room_imports() -> dict[str, set[str]]:
    """The other folders that the modules of each folder import."""
    graph = grimp.build_graph(*(f"signum.{floor}" for floor in FLOORS), cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        room = found.setdefault(room_of(module), set())
        room |= {room_of(other) for other in graph.find_modules_directly_imported_by(module)}
    return {room: others - {room} for room, others in sorted(found.items())}


def _folders(root: Path) -> Iterator[Path]:
    yield root
    for path in sorted(root.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and any(path.rglob("*.py")):
            yield from _folders(path)


def _floors_picture() -> Iterator[str]:
    yield "```mermaid"
    yield "graph BT"
    yield from (f"  {above} --> {below}" for below, above in pairwise(FLOORS))
    yield "```"


def _rooms_picture(floor: str, imports: dict[str, set[str]]) -> Iterator[str]:
    rooms = {room: sorted(other for other in others if other.split(".")[0] == floor and other != floor)
             for room, others in imports.items() if room.startswith(f"{floor}.")}
    yield "```mermaid"
    yield "graph BT"
    for room, others in rooms.items():
        yield from ([f"  {room} --> {other}" for other in others] or [f"  {room}"])
    yield "```"


def map_page() -> str:
    """The text of docs/map.md."""
    imports = room_imports()
    lines = ["# Map", "",
             "Each folder and file with its one line. `make pages` writes this page from the docstrings and the "
             "imports; a test compares the two.", "",
             "A folder imports from the floors below it alone, and `make lint` checks it (`lint-imports`):", "",
             *_floors_picture(), ""]
    for floor in FLOORS:
        for folder in _folders(REPOSITORY / floor):
            name = str(folder.relative_to(REPOSITORY))
            lines += [f"## {name}/" if name == floor else f"### {name}/", ""]
            lines += [line for line in [first_line(folder / "__init__.py")] if line] + [""]
            if name == floor:
                lines += ["Imports between its folders:", "", *_rooms_picture(floor, imports), ""]
            files = [path for path in sorted(folder.iterdir())
                     if path.suffix in SUFFIXES and path.name != "__init__.py"]
            if files:
                lines += ["| file | |", "| --- | --- |",
                          *(f"| [{path.name}](../{path.relative_to(REPOSITORY)}) | "
                            f"{first_line(path).replace('|', chr(92) + '|')} |" for path in files), ""]
    lines += ["## docs/", "", "| page | |", "| --- | --- |",
              *(f"| [{path.name}]({path.name}) | {first_line(path)} |"
                for path in sorted((REPOSITORY / "docs").glob("*.md")) if path != PAGE), ""]
    return "\n".join(lines)
