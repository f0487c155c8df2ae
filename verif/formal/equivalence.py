"""Netlists against each other: Amaranth's RTLIL, the emitted Verilog, and the netlist of each family's synthesis.

Registers and ports of the same name must be equal. By induction two netlists that were equal for `HISTORY` cycles stay
so; that they are equal in the cycles after a reset is proved by unrolling them.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from signum.fpga.flow.families import FAMILIES
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import YOSYS, Target, run_yosys, to_rtlil, to_verilog

from .pe import LOADS
from .prove import Mutant, Outcome, Proof, models_of, verdict

__all__ = ["COMPARE", "COMPARE_NEXT", "PROOFS", "PROVED", "EquivalenceProof"]

ICE40_CELLS = YOSYS / "share" / "ice40" / "cells_sim.v"
# the macros at its beginning, and the cells of logic
CELLS = re.compile(r"\A.*?^`endif|^module (?:SB_LUT4|SB_CARRY|SB_DFF\w*)\b.*?^endmodule", re.MULTILINE | re.DOTALL)
MODELS = {"ecp5": "read_verilog +/ecp5/common_sim.vh +/ecp5/ccu2c_sim.vh",
          "gowin": "read_verilog +/gowin/cells_sim.v",
          "ice40": "read_verilog -D NO_ICE40_DEFAULT_ASSIGNMENTS cells.v"}      # the whole file takes half a minute
HISTORY = 12

LOAD = """\
{models}
{read}
hierarchy -top top
proc
flatten -wb
delete t:$specify*
memory
async2sync
opt -full
rename top {name}
design -stash {name}
"""
BOTH = """\
design -copy-from gold -as gold gold
design -copy-from gate -as gate gate
design -save both
"""
START = """\
expose -shared -dff gold gate
miter -equiv -make_assert -flatten gold gate miter
chformal -lower
sat {start} -prove-asserts miter
"""
STEP = """\
design -load both
equiv_make gold gate equiv
hierarchy -top equiv
opt -share_all
equiv_struct
equiv_simple
"""
COMPARE = BOTH + START + STEP + """\
equiv_induct -seq {history}
equiv_status
"""
"""Yosys commands that compare the designs "gold" and "gate": with the options ``start`` of ``sat``, from the beginning,
and by induction over ``history`` cycles."""

COMPARE_NEXT = BOTH + STEP + "equiv_status\n"
"""The same for designs of equal initial values: if a cycle alone proves them equal, they are."""

PROVED = "Equivalence successfully proven!"
"""What Yosys then says."""


@dataclass(frozen=True, kw_only=True)
class EquivalenceProof(Proof):
    """A netlist does what the RTLIL of Amaranth does.

    Parameters
    ----------
    component : callable
        From the module of the unit to the unit.
    family : str
        A family of `signum.fpga.flow.families`, or "" for the emitted Verilog.
    start : int
        Cycles after a reset that are unrolled.
    """

    component: Callable[[Any], wiring.Component]
    family: str = ""
    start: int = HISTORY

    @property
    def method(self) -> str:
        return "SAT, induction over registers of the same name"

    def run_mutant(self) -> Outcome:
        return self._compare(self.mutant.load())

    def judge(self, module: Any) -> Outcome:
        return self._compare(module)

    def _compare(self, module: Any) -> Outcome:
        """Compare the unit with the netlist of the unit in ``module``."""
        target = Target(self.family)
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            original = import_module(self.mutant.module)
            (directory / "gold.il").write_text(to_rtlil(self.component(original), "top", target)[0])
            (directory / "gate.v").write_text(to_verilog(self.component(module), "top", target)[0])
            read, models = "read_verilog gate.v", models_of(target)
            if self.family:
                (directory / "cells.v").write_text("\n".join(CELLS.findall(ICE40_CELLS.read_text())))
                synthesis = FAMILIES[self.family].synthesis
                run_yosys(f"{read}\n{synthesis} -top top\nselect top\nwrite_rtlil -selected gate.il\n", directory)
                read, models = "read_rtlil gate.il", MODELS[self.family]
            gold = LOAD.format(models=models_of(target), read="read_rtlil gold.il", name="gold")
            gate = LOAD.format(models=models, read=read, name="gate")
            log = run_yosys(gold + gate + COMPARE.format(start=f"-seq {self.start}", history=HISTORY), directory)
        if verdict(log) is not Outcome.PROVED:
            return verdict(log)
        return Outcome.PROVED if PROVED in log else Outcome.OPEN


def made(kind: str, module: Any, **parameters: Any) -> wiring.Component:
    """A unit of a module."""
    return getattr(module, kind)(**parameters)


def proofs() -> Iterator[Proof]:
    array = Mutant("signum.hdl.array.array", "pe.neighbour.eq(neighbours[c % width])",
                   "pe.neighbour.eq(neighbours[(c + 1) % width] ^ self.first)")
    for family in ("", *FAMILIES):
        where = f"the netlist for {family}" if family else "the emitted Verilog"
        for lanes, pipeline in ((5, 1), (32, 3)):
            config = ArrayConfig(rows=1, cols=1, lanes=lanes, pipeline=pipeline, acc_bits=8)
            yield EquivalenceProof(
                unit="ProcessingElement", claim=f"{where} is equivalent: {lanes} lanes, pipeline {pipeline}",
                mutant=LOADS, family=family, slow=lanes > 5,
                component=partial(made, "ProcessingElement", config=config))
        row = ArrayConfig(rows=1, cols=4, lanes=8, tile=2, pipeline=1, acc_bits=8)
        yield EquivalenceProof(
            unit="Rows", slow=bool(family),
            claim=f"{where} is equivalent: a row of 4 elements of 8 lanes in tiles of 2",
            mutant=array, family=family, component=partial(made, "Rows", config=row, rows=1))


PROOFS = tuple(proofs())
