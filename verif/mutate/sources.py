"""The mutants of the compiler, the importers and the driver, and the tests that run the changed lines."""

import contextlib
import json
import os
import pickle
import random
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from signum.fpga.host.verilate import digest
from signum.hdl.lib.emit import write_whole
from signum.hdl.lib.folders import REPOSITORY

from .items import collect, run
from .outcome import Outcome
from .source import Change, changes_of, install

__all__ = ["GROUPS", "Group", "forked", "judge_sources"]

LIMIT = 600.0           # seconds of the processor for a test without mutants
FACTOR, SLACK = 3, 3    # times, and seconds more, for a test with a mutant
MOST = 20.0             # seconds of tests for a mutant: those of the same name, then the shortest
WALL = 900.0            # seconds until a process of tests is given up


@dataclass(frozen=True)
class Group:
    """Sources that are mutated together.

    Parameters
    ----------
    name : str
    files : tuple of str
        Patterns of paths.
    tests : tuple of str
        Paths of files and folders of tests.
    mutants : int
        As many in a whole run.
    """

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    mutants: int

    def paths(self) -> list[str]:
        """The files, without the tables of packages."""
        return sorted(str(path.relative_to(REPOSITORY)) for pattern in self.files
                      for path in REPOSITORY.glob(pattern) if path.name != "__init__.py")


GROUPS = {each.name: each for each in (
    Group("compiler", ("golden/compiler/*.py",),
          ("verif/golden/compiler", "verif/hdl/test_accelerator.py", "verif/hdl/test_layer_pauses.py",
           "verif/hdl/test_streams.py"), 160),
    Group("importers", ("golden/importers/*.py",), ("verif/golden/importers",), 120),
    Group("driver", ("fpga/host/device.py", "fpga/host/framing.py", "fpga/host/link.py", "fpga/host/staged_device.py",
                     "fpga/host/network.py"), ("verif/fpga/host",), 120),
)}


def forked(function: Callable[[], Any], seconds: float = WALL) -> Any:
    """The result of a function in a copy of this process, or None if it died or took too long."""
    reads, writes = os.pipe()
    process = os.fork()
    if not process:
        os.close(reads)
        os.setpgid(0, 0)
        try:
            data = pickle.dumps(function())
            with open(writes, "wb") as out:
                out.write(data)
        finally:
            os._exit(0)
    os.close(writes)
    with contextlib.suppress(OSError):          # both processes make the group: one of them is first
        os.setpgid(process, process)
    data, end = b"", time.monotonic() + seconds
    with open(reads, "rb", buffering=0) as source:
        while select.select([source], [], [], max(0.0, end - time.monotonic()))[0]:
            part = source.read(1 << 20)
            if not part:
                break
            data += part
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)      # with the simulators of its tests
    os.waitpid(process, 0)
    return pickle.loads(data) if data else None


def _lines(item: pytest.Item, files: frozenset[str]) -> tuple[bool, float, dict[str, list[int]]]:
    """Whether a test passes, its seconds, and the lines of the files that it runs."""
    found: dict[str, set[int]] = {name: set() for name in files}

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            found[frame.f_code.co_filename].add(frame.f_lineno)
        return local

    def called(frame: FrameType, event: str, argument: Any) -> Any:
        return local if frame.f_code.co_filename in files else None

    sys.settrace(called)
    try:
        verdict = run(item, LIMIT)
    finally:
        sys.settrace(None)
    return verdict.passed, verdict.seconds, {name: sorted(lines) for name, lines in found.items() if lines}


def _coverage(items: Sequence[pytest.Item], files: Sequence[str], path: Path) -> dict[str, dict[str, Any]]:
    """By test: its seconds, and the lines that it runs, by file; kept in ``path`` as long as nothing changes."""
    known = json.loads(path.read_text()) if path.exists() else {}
    full = frozenset(str(REPOSITORY / name) for name in files)
    sources = digest(*((REPOSITORY / name).read_text() for name in files))
    found: dict[str, dict[str, Any]] = {}
    for number, item in enumerate(items):
        mark = digest(sources, item.path.read_text())
        if known.get(item.nodeid, {}).get("mark") != mark:
            result = forked(partial(_lines, item, full))
            if result is None or not result[0]:
                raise RuntimeError(f"{item.nodeid} must pass before mutants are made")
            known[item.nodeid] = {"mark": mark, "seconds": result[1], "lines": {
                str(Path(name).relative_to(REPOSITORY)): lines for name, lines in result[2].items()}}
            if not number % 20:
                write_whole(path, json.dumps(known))
        found[item.nodeid] = known[item.nodeid]
    write_whole(path, json.dumps(known))
    return found


def _drawn(files: Sequence[str], count: int, seed: int) -> list[tuple[str, Change]]:
    """Mutants of some files, each as likely as any other."""
    every = [(name, change) for name in files for change in changes_of((REPOSITORY / name).read_text())]
    return sorted(random.Random(seed).sample(every, min(count, len(every))), key=lambda each: (each[0], each[1].number))


def _judge(name: str, change: Change, items: Sequence[pytest.Item], seconds: dict[str, float]) -> dict[str, Any]:
    """In a process of its own: the outcome of a mutant."""
    path = REPOSITORY / name
    if not install(path.read_text(), change, str(path)):
        return {"outcome": Outcome.SURVIVED, "test": "", "why": "its function is not in the module"}
    spent = 0.0
    for item in items:
        verdict = run(item, FACTOR * seconds[item.nodeid] + SLACK)
        if not verdict.passed:
            return {"outcome": Outcome.TIMEOUT if verdict.late else Outcome.KILLED, "test": item.nodeid}
        spent += verdict.seconds
        if spent > MOST:
            break
    return {"outcome": Outcome.SURVIVED, "test": ""}


def judge_sources(group: Group, count: int, seed: int, folder: Path,
                  told: Callable[[int, int], None] = lambda done, of: None) -> dict[str, Any]:
    """Run tests on ``count`` mutants of a group; returns its state, which is kept in ``folder``.

    ``told`` is called with the number of mutants done, and of all. Each mutant is judged by the tests that run its
    line: those of the same name, then the shortest, up to `MOST` seconds. Mutants of an earlier run with the same
    source are not run again, but those that survived are if the tests that run their lines are others now.

    Raises
    ------
    RuntimeError
        If a test fails without a mutant.
    """
    path = folder / f"{group.name}-{count}-{seed}.json"
    before = json.loads(path.read_text())["mutants"] if path.exists() else []
    known = {(each["file"], each["source"], each["change"]): each for each in before}
    state: dict[str, Any] = {"group": group.name, "seed": seed, "mutants": []}
    files = group.paths()
    texts = {name: digest((REPOSITORY / name).read_text()) for name in files}

    def body(items: list[pytest.Item]) -> None:
        for name in files:
            import_module("signum." + name.removesuffix(".py").replace("/", "."))
        covered = _coverage(items, files, folder / f"{group.name}-lines.json")
        seconds = {nodeid: row["seconds"] for nodeid, row in covered.items()}
        drawn = _drawn(files, count, seed)
        for number, (name, change) in enumerate(drawn):
            told(number, len(drawn))
            same = f"test_{Path(name).name}"
            fit = sorted((item for item in items
                          if not set(change.statement).isdisjoint(covered[item.nodeid]["lines"].get(name, ()))),
                         key=lambda item: (item.path.name != same, seconds[item.nodeid]))
            tests = digest(*(covered[item.nodeid]["mark"] for item in fit))
            row = {"file": name, "source": texts[name], "change": change.name, "tests": tests}
            old = known.get((name, texts[name], change.name))
            if old and (old["outcome"] != Outcome.SURVIVED or old["tests"] == tests):
                state["mutants"].append(old)
                continue
            result = forked(partial(_judge, name, change, fit, seconds)) if fit else {
                "outcome": Outcome.SURVIVED, "test": "", "why": "no test runs its line"}
            # a process that dies or hangs as a whole
            state["mutants"].append(row | (result or {"outcome": Outcome.TIMEOUT, "test": ""}))
            write_whole(path, json.dumps({**state, "mutants": state["mutants"]}, indent=1) + "\n")
        write_whole(path, json.dumps(state, indent=1) + "\n")

    folder.mkdir(parents=True, exist_ok=True)
    collect(group.tests, body, path.with_suffix(".log"))
    return state
