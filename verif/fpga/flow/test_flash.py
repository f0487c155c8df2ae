"""Writing a bitstream: the call of the board's program, and the error without one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from signum.fpga.flow.boards import BOARDS
from signum.fpga.flow.tools import TOOLS, tool
from signum.verif.command_line import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is the whole ``PATH``; cached locations of tools are cleared before and after."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)     # where a program asked for its version writes
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for name in ("iceprog", "openFPGALoader"):
        for remembered in ("path", "version"):
            tool(name).__dict__.pop(remembered, None)


def program(path: Path, status: int) -> None:
    path.write_text(f"#!{sys.executable}\nimport sys\nopen('given', 'w').write(' '.join(sys.argv[1:]))\n"
                    f"print('no device found')\nsys.exit({status})\n")
    path.chmod(0o755)


def test_what_the_program_is_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "signum.bit").write_text("")
    program(folder / "openFPGALoader", 0)
    assert main(["flash", "--board", "ulx3s-85f", "--out", str(folder)]) == 0
    assert (folder / "given").read_text() == "-b ulx3s signum.bit"
    assert capsys.readouterr().out == "ulx3s-85f has been written\n"


def test_a_program_that_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "signum.bin").write_text("")
    program(folder / "iceprog", 3)
    assert main(["flash", "--out", str(folder)]) == 1
    assert capsys.readouterr().err == "iceprog: no device found\n"


def test_what_cannot_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flash", "--out", str(folder)]) == 1
    assert capsys.readouterr().err == \
        f"{folder}/signum.bin must be built first: signum build --board icebreaker\n"
    (folder / "signum.bin").write_text("")
    assert main(["flash", "--out", str(folder)]) == 1
    assert capsys.readouterr().err == \
        "iceprog is missing (bitstreams into iCE40 boards): apt-get install fpga-icestorm\n"
    assert main(["flash", "--board", "icesugar", "--out", str(folder)]) == 2
    assert "must be given signum.bin on its drive" in capsys.readouterr().err


def test_every_program_is_a_tool() -> None:
    assert {board.flash[0] for board in BOARDS.values() if board.flash} <= {each.name for each in TOOLS}
