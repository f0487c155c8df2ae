"""The wheel: contains `signum` alone, with its data, and works in a fresh environment from any folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from signum.hdl.lib.folders import REPOSITORY

FLOORS = ("hdl", "golden", "fpga", "verif")
LEFT_OUT = shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info")
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def files_of_the_packages() -> set[str]:
    return {str(path.relative_to(REPOSITORY)) for floor in FLOORS for path in (REPOSITORY / floor).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}


def test_all_packages_are_listed():
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {str(Path(name).parent).replace("/", ".") for name in files_of_the_packages() if name.endswith(".py")}
    assert set(listed) == {"signum"} | {f"signum.{folder}" for folder in folders}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built in a copy, since setuptools leaves folders among the sources."""
    source, out = tmp_path_factory.mktemp("wheel") / "source", tmp_path_factory.mktemp("dist")
    shutil.copytree(REPOSITORY, source, ignore=LEFT_OUT)
    subprocess.run([*PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", f"--wheel-dir={out}", source],
                   check=True)
    [path] = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Folder of the programs of a fresh environment with the wheel, and with its dependencies from this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    programs, here = folder / "bin", Path(sysconfig.get_path("scripts"))
    subprocess.run([*PIP, "--python", programs / "python", "install", "--no-index", "--no-deps", wheel], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    # the folder alone is added: the link to this repository, a file .pth in it, is not followed
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for program in [*here.glob("yowasp-*"), here / "gowin_pack"]:
        (programs / program.name).symlink_to(program)
    return programs


def run(environment, folder, *command):
    """Status and outputs of a command in a folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([environment / command[0], *command[1:]], cwd=folder, env=clean, text=True,
                          capture_output=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_what_it_holds(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names} == {"signum", "signum-0.1.0.dist-info"}
    held = {name.removeprefix("signum/") for name in names if name.startswith("signum/")}
    assert held == files_of_the_packages() | {"docs/performance/boards.json"}


@pytest.mark.slow
def test_no_name_but_its_own(environment, tmp_path):
    program = ("import importlib.util, signum.hdl.config as config\n"
               f"print([name for name in {(*FLOORS, 'tests', 'docs')} if importlib.util.find_spec(name)])\n"
               "print(config.__file__)")
    status, out, err = run(environment, tmp_path, "python", "-c", program)
    assert (status, err) == (0, "")
    names, place = out.splitlines()
    assert names == "[]"
    assert Path(place).is_relative_to(environment.parent)


@pytest.mark.slow
def test_commands_in_an_empty_folder(environment, tmp_path):
    size = ["--rows", "2", "--cols", "2", "--lanes", "4"]
    status, out, err = run(environment, tmp_path, "signum", "verilog", *size, "--out", "x")
    assert (status, err) == (0, "")
    assert out == ("x/signum.v, signum.json, signum.vlt, signum.core and signum.h: "
                   "2 x 2 elements of 4 lanes, 16 binary operations a cycle\n")
    assert json.loads((tmp_path / "x" / "signum.json").read_text())["config"]["lanes"] == 4
    status, out, err = run(environment, tmp_path, "signum", "doctor")
    assert (status, err) == (0, "")
    assert "yosys" in out
    status, out, err = run(environment, tmp_path, "signum", "boards")
    assert (status, err) == (0, "")
    assert "icebreaker" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build", "x"]
    [packages] = environment.parent.glob("lib/python*/site-packages/signum")
    assert sorted(path.name for path in packages.iterdir()) == sorted([*FLOORS, "docs"])


@pytest.mark.slow
def test_results_go_into_the_current_folder(environment, tmp_path):
    program = ("from signum.hdl.lib.folders import BUILD, IN_REPOSITORY\n"
               "from signum.golden.training.commands import KEPT\n"
               "from signum.golden.training.contest import record_of\n"
               "from signum.verif.command_line import COMMANDS, load\n"
               "print(BUILD, IN_REPOSITORY, KEPT, bool(record_of('matching')), all(map(load, COMMANDS)))")
    status, out, err = run(environment, tmp_path, "python", "-c", program)
    assert (status, err) == (0, "")
    assert out == f"{tmp_path}/build False build/train/trained True True\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test", "pages", "paper", "lock", "clock"])
def test_commands_of_the_repository(environment, tmp_path, name):
    assert run(environment, tmp_path, "signum", name) == (
        2, "", f"signum {name} needs the repository of Signum: run it in a clone, after `make venv`\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "message"), [
    (["boards", "--record"], "record must be left out where there is no repository to keep the builds in"),
    (["bench", "--record"], "record must be left out where there is no repository with results")])
def test_records_of_the_repository(environment, tmp_path, arguments, message):
    assert run(environment, tmp_path, "signum", *arguments) == (2, "", message + "\n")
    assert list(tmp_path.iterdir()) == []
