"""Which mutants of a netlist no test can find: proofs that the netlist with the mutant is the netlist without it."""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from signum.hdl.lib.emit import YOSYS, run_yosys
from signum.verif.formal.equivalence import COMPARE, COMPARE_NEXT, PROVED

from .netlist import FLATTEN, FLATTENED, READ, SELECT, SELECT_BITS, TOP, Mutants

__all__ = ["equivalent"]

HISTORY = 6             # cycles of the induction, and of the comparison from the beginning
SECONDS = 10            # of a proof
ABC = YOSYS / "yosys-abc"

CHOOSE = """\
read_rtlil mutants.il
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
MITER = """\
design -copy-from gold -as gold gold
design -copy-from gate -as gate gate
read_verilog miter.v
hierarchy -top miter
proc
flatten
async2sync
opt -full
techmap
dffunmap
setundef -zero -init
setundef -zero
simplemap
aigmap
opt_clean
write_aiger -zinit miter.aig
"""
CONTRACT = """\
  reg broken;
  initial broken = 0;
  wire kept = !broken && ({contract});
  always @(posedge clk) broken <= !kept;"""
PAYLOAD = re.compile(r"(.*)__payload(?:_.*)?")


def equivalent(mutants: Mutants, numbers: Sequence[int], contract: str = "") -> dict[int, bool]:
    """Which mutants, by number from 1, are proved equal to the module for inputs that keep a ``contract``.

    Three proofs are tried. Registers of the same name have equal next values: then they are equal for ever, since a
    change has no part in their initial values; for a change within a submodule it suffices that the submodule is equal.
    Or no inputs lead to different outputs, by property directed reachability (Bradley, 2011): this one knows which
    states can come, that the payload of a stream counts only while it is valid, and the contract, a condition of the
    inputs in Verilog. Or registers of the same name are equal by an induction over several cycles.
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
        (directory / "miter.v").write_text(miter(modules[TOP]["ports"], contract))
        for number in numbers:
            part, whole = _part_script(read, modules, mutants.changes[number - 1]), _whole_script(number)
            found[number] = _equal_next(part, directory) or _equal_next(whole, directory)
            if not found[number]:
                equal = _equal_outputs(whole, directory)
                found[number] = equal or (equal is None and (_equal(part, directory) or _equal(whole, directory)))
    return found


def miter(ports: Mapping[str, Mapping[str, Any]], contract: str) -> str:
    """A module, in Verilog, whose output tells whether an output of ``gold`` and ``gate`` differs, for equal inputs.

    ``ports`` are those of both, as Yosys writes them in JSON. The payload of a stream that leaves counts while it is
    valid, and no output counts from the first inputs on that break the ``contract``.
    """
    sizes = {name: (port["direction"], len(port["bits"])) for name, port in ports.items()}
    outputs = {name: size for name, (direction, size) in sizes.items() if direction == "output"}
    lines = [f"  input [{size - 1}:0] {name}," for name, (direction, size) in sizes.items() if direction == "input"]
    wires = [f"  wire [{size - 1}:0] {side}_{name};" for side in ("gold", "gate") for name, size in outputs.items()]
    cells = [f"  {side} {side}_(" + ", ".join(
        f".{name}({name if direction == 'input' else f'{side}_{name}'})" for name, (direction, _) in sizes.items())
        + ");" for side in ("gold", "gate")]
    differ = []
    for name in outputs:
        place = PAYLOAD.fullmatch(name)
        valid = f"{place[1]}__valid" if place else ""
        differ.append((f"gold_{valid} && " if valid in outputs else "") + f"gold_{name} != gate_{name}")
    return "\n".join(["module miter(", *lines, "  output differ", ");", *wires, *cells,
                      CONTRACT.format(contract=contract) if contract else "  wire kept = 1;",
                      f"  assign differ = kept && ({' || '.join(f'({term})' for term in differ)});", "endmodule", ""])


def _equal_next(script: str, directory: Path) -> bool:
    """Whether registers of the same name, of the modules ``gold`` and ``gate`` of a script, have equal next values."""
    return bool(script) and PROVED in run_yosys(f"{script}design -reset\n{COMPARE_NEXT}", directory)


def _equal_outputs(script: str, directory: Path) -> bool | None:
    """Whether the outputs are equal in all states that can be reached; None if it takes too long to tell."""
    run_yosys(f"{script}design -reset\n{MITER}", directory)
    log = _abc(f"read miter.aig; scorr; write_aiger less.aig; pdr -T {SECONDS}; print_status", directory)
    head, output = (directory / "less.aig").read_bytes().split(b"\n")[:2]
    if "Property proved" in log or (head.split()[3::2], output) == ([b"0", b"0"], b"0"):
        return True
    return False if "Status = 0" in log else None


def _abc(commands: str, directory: Path) -> str:
    """What ABC says to some commands."""
    return subprocess.run([ABC, "-c", commands], cwd=directory, capture_output=True, text=True,
                          timeout=20 * SECONDS, check=False).stdout


def _equal(script: str, directory: Path) -> bool:
    """Whether registers are equal by an induction over several cycles, and the outputs in the first ones."""
    if not script:
        return False
    start = f"-seq {HISTORY} -timeout {SECONDS}"
    log = run_yosys(f"{script}design -reset\n{COMPARE.format(start=start, history=HISTORY)}", directory)
    return "SUCCESS!" in log and PROVED in log


def _whole_script(number: int) -> str:
    """The module without a mutant and with one."""
    return "".join(f"design -reset\n{CHOOSE.format(select=SELECT, bits=SELECT_BITS, number=chosen)}"
                   f"{SIDE.format(top=TOP, side=side)}"
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
