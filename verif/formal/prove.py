"""Proofs by Yosys's SAT solver: a unit with free inputs, a specification beside it, and a mutant to be refuted."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from amaranth.hdl import Assume, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from signum.hdl.lib.emit import run_yosys, to_rtlil
from signum.hdl.lib.family import family_of

__all__ = ["Bench", "Mutant", "Outcome", "Proof", "SatProof", "Specification", "constant",
           "models_of", "past"]

PREPARE = """\
{models}
read_rtlil design.il
hierarchy -check -top top
proc
flatten -wb -noscopeinfo
delete t:$specify*
{keep}
opt_expr
{memory}
opt -fast
async2sync
chformal -lower
opt_clean
"""


MODELS = {"ecp5": "read_verilog +/ecp5/common_sim.vh +/ecp5/ccu2c_sim.vh"}
"""By family, the Yosys command that reads the models of the cells in `signum.hdl.lib.family.CELLS`."""


def models_of(platform: object) -> str:
    """The Yosys command that reads the models of a platform's cells; empty where units are portable."""
    return MODELS.get(family_of(platform), "")


class Outcome(StrEnum):
    """Result of a proof; a counterexample starts from the state after a reset."""

    PROVED = "proved"
    REFUTED = "refuted"
    OPEN = "open"           # neither: the bound of the method was reached


@dataclass(frozen=True)
class Mutant:
    """A small change of a unit's source that breaks a property.

    Parameters
    ----------
    module : str
        Module of the unit.
    old, new : str
        A text that occurs once in its source, and the text in its place.
    """

    module: str
    old: str
    new: str

    def load(self) -> ModuleType:
        """The changed module; the module that others import stays as it is.

        Raises
        ------
        ValueError
            If ``old`` does not occur exactly once.
        """
        found = find_spec(self.module)
        if not found or not found.origin:
            raise ValueError(f"module must be one of this project, not {self.module}")
        source = Path(found.origin).read_text()
        if source.count(self.old) != 1:
            raise ValueError(f"old must occur once in {self.module}, not {source.count(self.old)} times: {self.old}")
        changed = ModuleType(self.module)
        changed.__spec__ = found
        changed.__package__ = self.module.rpartition(".")[0]
        exec(compile(source.replace(self.old, self.new), found.origin, "exec"), changed.__dict__)
        return changed


@dataclass(frozen=True, kw_only=True)
class Proof(ABC):
    """A property of a unit.

    Parameters
    ----------
    unit : str
        Name of its class.
    claim : str
        The property in words.
    mutant : Mutant
        Of the module with the unit.
    slow : bool
        Left out of the quick tests.
    """

    unit: str
    claim: str
    mutant: Mutant
    slow: bool = False

    @property
    @abstractmethod
    def method(self) -> str:
        """In words, for the report."""

    @abstractmethod
    def judge(self, module: Any) -> Outcome:
        """Try to prove the property of the unit in ``module``."""

    @property
    def name(self) -> str:
        return f"{self.unit}: {self.claim}"

    def run(self) -> Outcome:
        """The outcome for the unit."""
        return self.judge(import_module(self.mutant.module))

    def run_mutant(self) -> Outcome:
        """The outcome for the mutant."""
        return self.judge(self.mutant.load())


class Bench(wiring.Component):
    """A unit with free inputs, and its specification.

    Parameters
    ----------
    unit : Component
    specify : callable
        Adds the specification to the module of the bench: logic, `Assume` and `Assert`.
    free : int
        Further free inputs by name, with their widths.
    """

    def __init__(self, unit: Any, specify: "Specification", **free: int) -> None:
        self.unit = unit
        self.specify = specify
        self.inputs = {"__".join(map(str, path)): Value.cast(value)
                       for path, member, value in unit.signature.flatten(unit) if member.flow is In}
        super().__init__({**{f"free_{name}": In(len(signal)) for name, signal in self.inputs.items()},
                          **{name: In(width) for name, width in free.items()}})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = self.unit
        m.d.comb += [signal.eq(getattr(self, f"free_{name}")) for name, signal in self.inputs.items()]
        self.specify(m, self)
        return m


Specification = Callable[[Module, Any], None]


def past(m: Module, value: Any, name: str, cycles: int = 1) -> Any:
    """A value some cycles ago; 0 before the first cycle."""
    for number in range(cycles):
        before = Signal(len(Value.cast(value)), name=f"{name}_past{number + 1}")
        m.d.sync += before.eq(value)
        value = before
    return value


def constant(m: Module, *values: Any) -> None:
    """Let free inputs keep their values."""
    begun = Signal(name="begun")
    m.d.sync += begun.eq(1)
    for i, value in enumerate(values):
        m.d.comb += Assume(~begun | (Value.cast(value) == past(m, Value.cast(value), f"constant{i}")))


@dataclass(frozen=True, kw_only=True)
class SatProof(Proof):
    """A property that Yosys's SAT solver decides.

    Parameters
    ----------
    bench : callable
        From the module of the unit to a component with `Assert`.
    steps : int
        Cycles of the longest induction; of a bounded proof, all its cycles; 0 for a combinational unit.
    bounded : bool
        Only the first ``steps`` cycles.
    settle : int
        Cycles after a reset before the property is to hold; of an induction.
    links : mapping of str to str
        Further pairs of signals that are equal in each cycle, in the names of the flat netlist: invariants without
        which the induction fails. They are proved with the property.
    platform : object
        See `signum.hdl.lib.emit.to_rtlil`.
    contents : bool
        Whether memories have contents; else any word may be read, and what is proved holds for all of them.
    reach : int
        Cycles from a reset to the failure of the mutant at most; by default those of the proof.
    """

    bench: Callable[[Any], wiring.Component]
    steps: int = 4
    bounded: bool = False
    settle: int = 0
    links: Mapping[str, str] = field(default_factory=dict)
    platform: object = None
    contents: bool = True
    reach: int = 0

    @property
    def method(self) -> str:
        if not self.steps:
            return "SAT, for all inputs"
        return f"SAT, {self.steps} cycles from reset" if self.bounded else "SAT, temporal induction"

    @property
    def solver(self) -> str:
        """The options of Yosys's ``sat``."""
        if not self.steps:
            return ""
        return f"-seq {self.steps}" if self.bounded else f"-tempinduct -maxsteps {self.steps} -seq {self.settle}"

    def judge(self, module: Any) -> Outcome:
        return self._solve(module, self.solver)

    def run_mutant(self) -> Outcome:
        reach = self.reach or self.steps + self.settle
        return self._solve(self.mutant.load(), f"-seq {reach} -prove-skip {self.settle}" if self.steps else "")

    def _solve(self, module: Any, solver: str) -> Outcome:
        text, _ = to_rtlil(self.bench(module), "top", self.platform)
        keep = "\n".join(f"setattr -set keep 1 w:{name}" for pair in self.links.items() for name in pair)
        links = " ".join(f"-prove {left} {right}" for left, right in self.links.items())
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "design.il").write_text(text)
            prepare = PREPARE.format(models=models_of(self.platform), keep=keep,
                                     memory="memory" if self.contents else "memory -nomap")
            unknown = "" if self.contents else "-ignore-unknown-cells"
            log = run_yosys(f"{prepare}sat {solver} {unknown} -set-assumes -prove-asserts {links} -set rst 0 top\n",
                            Path(folder))
        return verdict(log)


def verdict(log: str) -> Outcome:
    """The outcome in a log of Yosys's ``sat``."""
    if "SUCCESS!" in log:
        return Outcome.PROVED
    return Outcome.REFUTED if "FAIL!" in log else Outcome.OPEN
