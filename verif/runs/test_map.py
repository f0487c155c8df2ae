"""The map: the page matches the files, each file has its line, and no folder imports upward."""

from pathlib import Path

import pytest

from signum.hdl.lib.folders import REPOSITORY
from signum.verif.runs.map import FLOORS, PAGE, first_line, map_page, room_imports


def test_the_page_is_that_of_the_files() -> None:
    assert PAGE.read_text() == map_page(), "docs/map.md is old: make pages"


def test_each_file_has_its_line() -> None:
    files = [path for floor in FLOORS for path in (REPOSITORY / floor).rglob("*.py")]
    assert len(files) > 250
    assert [path for path in files if not first_line(path)] == []


def test_no_folder_imports_upward() -> None:
    imports = room_imports()
    assert "hdl.lib" in imports["hdl.array"]
    level = {floor: i for i, floor in enumerate(FLOORS)}
    assert [(room, other) for room, others in imports.items() for other in others
            if level[other.split(".")[0]] > level[room.split(".")[0]]] == []


@pytest.mark.parametrize(("name", "text", "line"), [
    ("a.py", '"""One line,\nin two.\n\nMore.\n"""\n', "One line, in two."),
    ("a.py", "x = 1\n", ""),
    ("a.v", "// Cells.\nmodule m;\n", "Cells."),
    ("a.cpp", "#include <x>\n/* The loop. */\n", "The loop."),
    ("a.md", "text\n# Title\n", "Title"),
    ("a.toml", "# Rows.\n\n[[row]]\n", "Rows."),
])
def test_the_line_of_a_file(tmp_path: Path, name: str, text: str, line: str) -> None:
    (tmp_path / name).write_text(text)
    assert first_line(tmp_path / name) == line
