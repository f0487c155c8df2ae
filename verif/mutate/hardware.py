"""The mutants of a unit's netlists, and the unit's own tests on each of them."""

import importlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from signum.fpga.host.model import Model
from signum.fpga.host.verilate import digest
from signum.hdl.lib.emit import Target, to_verilog, write_whole
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.formal.prove import models_of

from . import equivalence
from .cosimulation import Configuration, FirstError, cosimulate
from .items import collect, run
from .netlist import MUTANTS, SELECT, TOP, Mutants, mutants_of
from .outcome import Outcome

__all__ = ["Unit", "judge_unit"]

LIMIT = 600.0           # seconds of the processor for a test without mutants
PLACE = re.compile(r"design\.v:(\d+)\$")
OFTEN = 20              # mutants between two writes of the state
FACTOR, SLACK = 3, 2    # times, and seconds more, for a test with a mutant


@dataclass(frozen=True)
class Unit:
    """A unit of `hdl`.

    Parameters
    ----------
    name : str
        Its file's.
    kind : str
        Its class: module and name; the module ``test`` is the test file.
    tests : tuple of str
        Paths of its tests, the first of the same name.
    mutants : int
        As many in a whole run.
    netlists : int
        Sizes of the unit that they are divided among, drawn from those of its tests.
    family : str
        Whose cells the netlist is made of, where the tests replace them by models.
    contract : str
        A condition of the inputs in every cycle, in Verilog: a mutant that differs for others alone is equivalent.
    """

    name: str
    kind: str
    tests: tuple[str, ...]
    mutants: int
    netlists: int = 3
    family: str = ""
    contract: str = ""


@dataclass
class Netlist:
    """A size of a unit, the configurations that have it, and the tests that run on it."""

    configuration: Configuration
    verilog: str
    keys: set[str]
    items: list[pytest.Item]


def _module_of(item: pytest.Item) -> ModuleType:
    assert isinstance(item, pytest.Function)
    return item.module


def _sizes(unit: Unit, kind: type, items: Sequence[pytest.Item]) -> list[Netlist]:
    """The sizes of the unit: of each test the first one, if the test begins with the unit."""
    users: dict[str, list[pytest.Item]] = {}
    configurations: dict[str, Configuration] = {}

    for item in items:
        def note(configuration: Configuration, item: pytest.Item = item) -> None:
            configurations.setdefault(configuration.key, configuration)
            users.setdefault(configuration.key, []).append(item)
            raise FirstError

        with cosimulate(kind, note, first=True):
            run(item, LIMIT)
    texts: dict[str, Netlist] = {}
    for key, found in configurations.items():
        platform = Target(unit.family) if unit.family else found.platform
        verilog, _ = to_verilog(kind(**found.parameters), TOP, platform)
        if verilog in texts:
            texts[verilog].keys.add(key)
            texts[verilog].items += [item for item in users[key] if item not in texts[verilog].items]
        else:
            texts[verilog] = Netlist(found, verilog, {key}, users[key])
    if not texts:
        raise RuntimeError(f"tests of {unit.name} must run it on Amaranth's simulator: {' '.join(unit.tests)}")
    return list(texts.values())


def _drawn(unit: Unit, netlists: list[Netlist], seed: int) -> list[Netlist]:
    """Some of the larger half of the sizes."""
    netlists = sorted(netlists, key=lambda each: len(each.verilog))
    larger = netlists[min(len(netlists) // 2, len(netlists) - min(unit.netlists, len(netlists))):]
    return sorted(larger, key=lambda each: digest(seed, each.verilog))[:unit.netlists]


def _tests_of(items: Sequence[pytest.Item], seconds: dict[pytest.Item, float], kills: Counter[pytest.Item],
              ) -> list[pytest.Item]:
    """Those first that find most mutants in a second."""
    return sorted(items, key=lambda item: (seconds[item] + 0.01) / (kills[item] + 1))


def judge_unit(unit: Unit, count: int, seed: int, folder: Path,
               told: Callable[[int, int], None] = lambda done, of: None) -> dict[str, Any]:
    """Run the tests of a unit on ``count`` mutants; returns its state, which is kept in ``folder``.

    Mutants of an earlier run with the same netlist are not run again, but those that survived are if the tests or the
    proofs are others now. A test fails, too, if it takes several times the processor's time that it takes without a
    mutant.

    Parameters
    ----------
    told : callable
        Called with the number of mutants done, and of all.

    Raises
    ------
    RuntimeError
        If a test fails without a mutant.
    """
    path = folder / f"{unit.name}-{count}-{seed}.json"
    before: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"tests": "", "netlists": []}
    tests = digest(unit.contract, Path(equivalence.__file__).read_text(),
                   *((REPOSITORY / test).read_text() for test in unit.tests))
    known: dict[str, dict[str, dict[str, Any]]] = {
        netlist["name"]: {each["change"]: each for each in netlist["mutants"]
                          if each["outcome"] != Outcome.SURVIVED or before["tests"] == tests}
        for netlist in before["netlists"]}
    state: dict[str, Any] = {"unit": unit.name, "seed": seed, "tests": tests, "netlists": []}

    def save() -> None:
        write_whole(path, json.dumps(state, indent=1) + "\n")

    def body(items: list[pytest.Item]) -> None:
        items = [item for item in items if "test_simulators[" not in item.name]
        module, _, name = unit.kind.partition(":")
        kind = getattr(_module_of(items[0]) if module == "test" else importlib.import_module(module), name)
        drawn = _drawn(unit, _sizes(unit, kind, items), seed)
        done = 0
        for number, netlist in enumerate(drawn):
            share = count * (number + 1) // len(drawn) - count * number // len(drawn)
            if not share:
                continue
            mutants = mutants_of(netlist.verilog, share, seed,
                                 models_of(Target(unit.family) if unit.family else netlist.configuration.platform))
            (folder / f"{mutants.name}.v").write_text(netlist.verilog)      # changes name its lines
            entry: dict[str, Any] = {"name": mutants.name, "parameters": netlist.configuration.key, "mutants": []}
            state["netlists"].append(entry)

            def progress(rows: list[dict[str, Any]], done: int = done, entry: dict[str, Any] = entry) -> None:
                told(done + len(rows), count)
                entry["mutants"] = rows
                if len(rows) % OFTEN == 0:
                    save()

            entry["mutants"] = _judge(unit, kind, netlist, mutants, known.get(mutants.name, {}), progress)
            done += len(mutants.changes)
            save()

    folder.mkdir(parents=True, exist_ok=True)
    collect(unit.tests, body, path.with_suffix(".log"))
    return state


def _judge(unit: Unit, kind: type, netlist: Netlist, mutants: Mutants,
           known: dict[str, dict[str, Any]], progress: Callable[[list[dict[str, Any]]], None]) -> list[dict[str, Any]]:
    """The rows of the mutants of a netlist."""
    chosen = 0

    def meets(configuration: Configuration) -> Model | None:
        if configuration.key not in netlist.keys:
            return None
        model = Model(mutants.verilog, MUTANTS)
        model[SELECT] = chosen
        return model

    rows: dict[int, dict[str, Any]] = {}
    kills: Counter[pytest.Item] = Counter()
    seconds: dict[pytest.Item, float] = {}
    missing = [number for number, change in enumerate(mutants.changes, 1) if change not in known]
    with cosimulate(kind, meets, {}):
        for item in netlist.items if missing else ():
            verdict = run(item, LIMIT)
            if not verdict.passed:
                raise RuntimeError(f"{item.nodeid} must pass on the netlist without a mutant")
            seconds[item] = verdict.seconds
        for chosen, change in enumerate(mutants.changes, 1):
            progress(list(rows.values()))
            if change in known:
                rows[chosen] = known[change]
                continue
            rows[chosen] = {"change": change, "outcome": Outcome.SURVIVED, "test": ""}
            for item in _tests_of(netlist.items, seconds, kills):
                verdict = run(item, FACTOR * seconds[item] + SLACK)
                if not verdict.passed:
                    kills[item] += 1
                    rows[chosen] |= {"outcome": Outcome.TIMEOUT if verdict.late else Outcome.KILLED,
                                     "test": item.nodeid}
                    break
    left = [number for number in missing if rows[number]["outcome"] == Outcome.SURVIVED]
    lines = netlist.verilog.splitlines()
    for number, proved in equivalence.equivalent(mutants, left, unit.contract).items():
        if proved:
            rows[number]["outcome"] = Outcome.EQUIVALENT
        elif place := PLACE.search(rows[number]["change"]):
            rows[number]["line"] = lines[int(place[1]) - 1].strip()
    return [rows[number] for number in sorted(rows)]
