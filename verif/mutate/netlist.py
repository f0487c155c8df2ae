"""Mutants of a netlist: Yosys's ``mutate`` on the emitted Verilog, all in one module with an input that chooses one."""

import json
import random
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signum.fpga.host.verilate import digest
from signum.hdl.lib.emit import run_yosys
from signum.verif.formal.equivalence import COMPARE

__all__ = ["MUTANTS", "SELECT", "TOP", "Mutants", "equivalent", "mutants_of"]

TOP = "unit"
MUTANTS = "unit_with_mutants"   # Verilator wants another name than those of ports and wires
SELECT = "mutant_select"
ALLOWED = "".join(f"/* verilator lint_off {name} */\n" for name in ("UNOPTFLAT", "UNSIGNED", "CMPCONST"))
BITS = 16
FLATTENED = re.compile(r"-cell \$flatten((?:\\[^\\.]+\.)+)(\S+)")
# Yosys would lose the initial value of a flip-flop whose Q changes, and cannot change resets of memories
KEPT = re.compile(r" -port \\?(?:\S*CLK|Q|RD_[AS]RST) ")
SPARE = 2               # candidates for each mutant: some of them are left out
HISTORY = 6             # cycles of the induction, and of the comparison from the beginning

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
BEGIN = """\
read_rtlil mutants.il
design -save mutants
"""
CHOOSE = """\
design -load mutants
connect -set {select} {bits}'d{number} -nounset
delete -input w:{select}
"""
SIDE = """\
memory
opt -full
select -set kept t:$*dff* %co1:+[Q] w:* %i
rename -hide w:* @kept %d
rename {top} {side}
design -stash {side}
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
        chosen = "\n".join(line.replace("mutate ", f"mutate -ctrl {SELECT} {BITS} {number} ", 1)
                           for number, line in enumerate(found, 1))
        run_yosys(f"{read}{chosen}\n{WRITE.format(top=TOP, mutants=MUTANTS)}", directory)
        text = (directory / "mutants.v").read_text()
        text = ALLOWED + text.split("\n", 1)[1]
        return Mutants(tuple(line.removeprefix("mutate ") for line in found), text,
                       (directory / "mutants.il").read_text(), digest(verilog, count, seed, models), verilog, models)


def equivalent(mutants: Mutants, numbers: Sequence[int]) -> dict[int, bool]:
    """Which mutants, by number from 1, are proved equal to the module.

    Registers of the same name are equal by induction; in the first cycles after power-up the outputs are equal, too.
    For a change within a submodule it suffices that the submodule is equal, for any inputs: this is tried first.
    """
    if not numbers:
        return {}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "design.v").write_text(mutants.design)
        (directory / "mutants.il").write_text(mutants.rtlil)
        read = READ.format(models=mutants.models, top=TOP)
        run_yosys(f"{read}write_json hierarchy.json\n", directory)
        modules = json.loads((directory / "hierarchy.json").read_text())["modules"]
        for number in numbers:
            found[number] = (_equal(_part_script(read, modules, mutants.changes[number - 1]), directory)
                             or _equal(_whole_script(number), directory))
    return found


def _equal(script: str, directory: Path) -> bool:
    """Whether the modules ``gold`` and ``gate`` of a script are proved equal."""
    if not script:
        return False
    log = run_yosys(f"{script}design -reset\n{COMPARE.format(start=f'-seq {HISTORY} -timeout 20', history=HISTORY)}",
                    directory)
    return "SUCCESS!" in log and "Equivalence successfully proven!" in log


def _whole_script(number: int) -> str:
    """The module without a mutant and with one."""
    return BEGIN + "".join(CHOOSE.format(select=SELECT, bits=BITS, number=chosen) + SIDE.format(top=TOP, side=side)
                           for chosen, side in ((0, "gold"), (number, "gate")))


def _part_script(read: str, modules: Mapping[str, Any], change: str) -> str:
    """The submodule in which a mutant changes a cell, without and with the change; "" if it is none.

    ``modules`` are those of the design before it is flattened, as Yosys writes them in JSON.
    """
    place = FLATTENED.search(change)
    if not place:
        return ""
    kind = TOP
    for instance in re.findall(r"\\([^\\.]+)\.", place[1]):
        kind = modules[kind]["cells"][instance]["type"]
    local = FLATTENED.sub(lambda found: f"-cell {found[2]}", change)
    return (f"{read}hierarchy -top {kind}\n{FLATTEN}rename {kind} {TOP}\ndesign -save part\n"
            f"{SIDE.format(top=TOP, side='gold')}design -load part\nmutate {local}\n"
            f"{SIDE.format(top=TOP, side='gate')}")
