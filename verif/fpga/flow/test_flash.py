"""Writing a bitstream: the arguments of the board's program, and the errors."""

import sys
from pathlib import Path

import pytest

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.boards import BOARDS
from signum.fpga.flow.flash import flash
from signum.fpga.flow.tools import ToolError
from signum.verif.command_line import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole ``PATH``, and the current folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def program(path: Path, status: int) -> None:
    path.write_text(f"#!{sys.executable}\nimport sys\n*options, path = sys.argv[1:]\n"
                    f"open('given', 'w').write(' '.join([*options, open(path).read()]))\nsys.exit({status})\n")
    path.chmod(0o755)


def test_the_program_takes_the_bitstream(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "signum.bit").write_text("bits")
    program(folder / "openFPGALoader", 0)
    assert main(["flash", "--board", "ulx3s-85f", "--out", str(folder)]) == 0
    assert (folder / "given").read_text() == "-b ulx3s -m bits"
    assert capsys.readouterr().out == "ulx3s-85f has been written\n"


def test_a_program_that_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "signum.bin").write_text("")
    program(folder / "iceprog", 3)
    assert main(["flash", "--out", str(folder)]) == 1
    assert capsys.readouterr().err == "iceprog: exit status 3\n"


def test_nothing_built_or_no_program(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flash", "--out", str(folder)]) == 1
    assert capsys.readouterr().err == \
        f"{folder}/signum.bin must be built first: signum build --board icebreaker\n"
    (folder / "signum.bin").write_text("")
    assert main(["flash", "--out", str(folder)]) == 1
    assert capsys.readouterr().err == \
        "iceprog is missing (bitstreams into iCE40 boards): apt-get install fpga-icestorm\n"


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_a_missing_program_names_its_package(board: Board, folder: Path) -> None:
    (folder / board.family.bitstream).write_text("bits")
    programs = "iceprog|icesprog|openFPGALoader|dfu-util"
    with pytest.raises(ToolError, match=rf"^({programs}) is missing \(bitstreams into .*\): \S+"):
        flash(board, folder)
