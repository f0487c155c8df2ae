"""Mutants of a netlist: Yosys's ``mutate`` on the emitted Verilog, all in one module with an input that chooses one."""

import random
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from signum.fpga.host.verilate import digest
from signum.hdl.lib.emit import run_yosys

__all__ = ["FLATTEN", "FLATTENED", "MUTANTS", "READ", "SELECT", "SELECT_BITS", "TOP", "Mutants", "mutants_of"]

TOP = "unit"
MUTANTS = "unit_with_mutants"   # Verilator wants another name than those of ports and wires
SELECT = "mutant_select"
ALLOWED = "".join(f"/* verilator lint_off {name} */\n" for name in ("UNOPTFLAT", "UNSIGNED", "CMPCONST"))
SELECT_BITS = 16
FLATTENED = re.compile(r"-cell \$flatten((?:\\[^\\.]+\.)+)(\S+)")
# Yosys would lose the initial value of a flip-flop whose Q changes, and cannot change resets of memories
KEPT = re.compile(r" -port \\?(?:\S*CLK|Q|RD_[AS]RST) ")
SPARE = 2               # candidates for each mutant: some of them are left out

READ = """\
{models}
read_verilog design.v
hierarchy -check -top {top}
proc
"""
FLATTEN = """\
flatten -wb -noscopeinfo
delete t:$specify*
memory_collect
opt_clean
"""
LIST = """\
mutate -list {count} -seed {seed} -o mutants.txt
"""
WRITE = """\
splitnets -driver
write_rtlil mutants.il
rename {top} {mutants}
write_verilog -noattr mutants.v
"""


@dataclass(frozen=True)
class Mutants:
    """Mutants of a module.

    Members
    -------
    changes : tuple of str
        The options of Yosys's ``mutate`` for each.
    verilog : str
        Module `MUTANTS` with all of them; its input `SELECT` chooses the first by 1, and by 0 none.
    rtlil : str
        The same, as module `TOP`.
    name : str
        Short name of the module and its mutants.
    design, models : str
        The Verilog without mutants, and the command that reads models of its cells.
    """

    changes: tuple[str, ...]
    verilog: str
    rtlil: str
    name: str
    design: str
    models: str


def mutants_of(verilog: str, count: int, seed: int, models: str = "") -> Mutants:
    """Up to ``count`` different mutants of module `TOP`, flattened, drawn evenly over its source lines and wires.

    Clocks and outputs of flip-flops stay as they are; the inputs of flip-flops and of what reads them change.

    Parameters
    ----------
    models : str
        The Yosys command that reads models of cells (`signum.verif.formal.prove.models_of`).

    Raises
    ------
    EmitError
        If Yosys refuses the module.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "design.v").write_text(verilog)
        read = READ.format(models=models, top=TOP) + FLATTEN
        run_yosys(read + LIST.format(count=SPARE * count, seed=seed % 2**31), directory)
        lines = (directory / "mutants.txt").read_text().splitlines()
        found = list(dict.fromkeys(re.sub(r" -(?:src|wire|wirebit) \S+", "", line) for line in lines
                                   if not KEPT.search(line)))
        found = sorted(random.Random(seed).sample(found, min(count, len(found))))
        chosen = "\n".join(line.replace("mutate ", f"mutate -ctrl {SELECT} {SELECT_BITS} {number} ", 1)
                           for number, line in enumerate(found, 1))
        run_yosys(f"{read}{chosen}\n{WRITE.format(top=TOP, mutants=MUTANTS)}", directory)
        text = (directory / "mutants.v").read_text()
        text = ALLOWED + text.split("\n", 1)[1]
        return Mutants(tuple(line.removeprefix("mutate ") for line in found), text,
                       (directory / "mutants.il").read_text(), digest(verilog, count, seed, models), verilog, models)
