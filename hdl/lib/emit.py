"""Emission of a component as Verilog-2005: the same input gives the same bytes.

Amaranth writes RTLIL, and full Yosys converts it into Verilog without ``always @*`` blocks, whose outputs stay X in
Icarus until an input changes.
"""

import errno
import gc
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Fragment, Signal
from amaranth.hdl._ir import PortDirection
from amaranth.lib import data, wiring

from .explicit import explicit, open_pins, unread_inputs
from .family import cells_of
from .keywords import is_reserved
from .rtlil import format_netlists, parse_netlists
from .share import Units, collect, ports
from .waivers import waivers

__all__ = ["YOSYS", "EmitError", "Target", "emit", "no_collector", "run_yosys", "to_rtlil", "to_verilog",
           "write_whole"]

YOSYS = Path(find_spec("pyosys").submodule_search_locations[0])     # type: ignore[union-attr, index]
"""Folder of Yosys. Its import would change how all later extensions are loaded, so it has a process of its own."""

YOSYS_MAIN = """\
import sys
from pyosys import libyosys
libyosys.run_pass("script " + sys.argv[1], libyosys.Design())
"""

NETLIST_SCRIPT = """\
{library}
read_rtlil design.il
hierarchy -check -purge_lib -top {name}
proc
memory_collect
pmuxtree
opt_clean -purge
write_rtlil netlist.il
"""
VERILOG_SCRIPT = """\
read_rtlil explicit.il
write_verilog -noattr design.v
"""

@dataclass(frozen=True)
class Target:
    """A target in place of a platform of Amaranth.

    Parameters
    ----------
    family : str
        Family whose cells units may instantiate, for example "ecp5"; "" for plain logic.
    popcount : str
        Name of the structure of the processing elements (`hdl.array.popcount.registry`); "" for the preferred one.
    """

    family: str = ""
    popcount: str = ""


class EmitError(RuntimeError):
    """Yosys refused the design; the message is its own."""


def run_yosys(script: str, directory: Path) -> str:
    """Run a Yosys script in a process of its own, in ``directory``; returns its log.

    Raises
    ------
    EmitError
        With the last error line of Yosys.
    """
    path = Path(directory) / "script.ys"
    path.write_text(script)
    run = subprocess.run([sys.executable, "-c", YOSYS_MAIN, path.name], cwd=directory, text=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode:
        lines = [line for line in run.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line] or lines or [f"exit status {run.returncode}"]
        raise EmitError(f"yosys: {errors[-1].strip()}")
    return run.stdout


def module_rtlil(component: wiring.Component, name: str, platform: object = None) -> str:
    """RTLIL of one component, with the ports of its signature, ``clk`` and ``rst``."""
    domain = ClockDomain("sync")
    fragment = Fragment.get(component, platform)
    fragment.add_domains(domain)
    wires: dict[str, tuple[Signal, PortDirection]] = {
        "clk": (domain.clk, PortDirection.Input), "rst": (domain.rst, PortDirection.Input)}
    for port, (signal, is_input) in ports(component).items():
        if isinstance(signal, Signal):
            signal.name = port
        wires[port] = signal, PortDirection.Input if is_input else PortDirection.Output
    return rtlil.convert(fragment, name=name, ports=wires, emit_src=False)


def plain_names(texts: list[str]) -> list[str]:
    """RTLIL in which submodules are named ``parent_child`` instead of ``parent.child``."""
    names = re.findall(r"^module \\(\S+)", "\n".join(texts), re.MULTILINE)
    plain = {name: name for name in names if "." not in name}
    for name in names:
        if "." in name:
            base = new = re.sub(r"\W", "_", name)
            number = 1
            while new in plain.values():
                number += 1
                new = f"{base}_{number}"
            plain[name] = new
    pattern = re.compile(r"^(module|  cell) \\(\S+)", re.MULTILINE)
    return [pattern.sub(lambda found: f"{found[1]} \\{plain.get(found[2], found[2])}", text)
            for text in texts]


@contextmanager
def no_collector() -> Iterator[None]:
    """Disable garbage collection: objects of a conversion live until its end; collection costs a third more time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def to_rtlil(component: wiring.Component, name: str, platform: object = None) -> tuple[str, Units]:
    """RTLIL of a component as module ``name``, and its shared modules.

    With a `Target`, or another platform with a ``family``, units may instantiate cells of the family.
    """
    with no_collector(), collect(name) as units:
        texts = [module_rtlil(component, name, platform)]
        done: set[str] = set()
        while waiting := [unit for unit in units.modules if unit not in done]:
            for unit in waiting:
                texts.append(module_rtlil(units.modules[unit], unit, platform))
                done.add(unit)
    return "\n".join(plain_names(texts)), units


MEMORY = re.compile(r"^  initial begin\n((?:    \S+ ?\[\d+\] = \d+'\w+;\n)+)  end$", re.MULTILINE)
WORD = re.compile(r"    (\S+) ?\[(\d+)\] = (\S+);")
REGISTER = re.compile(r"^  reg ((?:\[\d+:\d+\] )?(\S+)) ?= (.*);$", re.MULTILINE)


def fold_initial(verilog: str) -> str:
    """Write runs of equal initial words of a memory as a loop: ``mem[0] = 0; mem[1] = 0; ...``."""
    numbers = itertools.count(1)

    def folded(found: re.Match[str]) -> str:
        words = [(memory, int(index), value) for memory, index, value in WORD.findall(found[1])]
        lines, looped = [], False
        # equal words at successive places
        for (memory, value, _), run in itertools.groupby(
                enumerate(words), lambda each: (each[1][0], each[1][2], each[1][1] - each[0])):
            places = [index for _, (_, index, _) in run]
            if len(places) < 4:
                lines += [f"    {memory} [{index}] = {value};" for index in places]
            else:
                looped = True
                lines.append(f"    for (word = {places[0]}; word <= {places[-1]}; word = word + 1) "
                             f"{memory} [word] = {value};")
        head = [f"  initial begin : init_{next(numbers)}", "    integer word;"] if looped else ["  initial begin"]
        return "\n".join([*head, *lines, "  end"])

    return MEMORY.sub(folded, verilog)


def initial_registers(verilog: str) -> str:
    """Give registers their initial values by statements, not in their declarations.

    Tools accept both for a flip-flop; linters warn of an initial value in the declaration of a register that a process
    assigns.
    """
    return REGISTER.sub(r"  reg \1;\n  initial \2 = \3;", verilog)


@dataclass(frozen=True)
class Converted:
    """A design in Verilog.

    Members
    -------
    verilog : str
    modules : int
        Modules in it.
    shared : tuple of str
        Names of the shared modules.
    unread : dict
        By module and port, the indices of the unread bits of an input, and the input's width.
    open_pins : list
        Library cells of a family, and their open pins.
    """

    verilog: str
    modules: int
    shared: tuple[str, ...]
    unread: dict[tuple[str, str], tuple[list[int], int]]
    open_pins: list[tuple[str, str]]


def convert(component: wiring.Component, name: str, platform: object = None) -> Converted:
    """Verilog-2005 of a component as module ``name``; see `to_rtlil`.

    Raises
    ------
    EmitError
        If Yosys refuses the design.
    ValueError
        If a port is zero bits wide, or its name is reserved.
    """
    text, units = to_rtlil(component, name, platform)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "design.il").write_text(text)
        library = cells_of(platform).library
        run_yosys(NETLIST_SCRIPT.format(name=name, library=library), directory)
        netlists = explicit(parse_netlists((directory / "netlist.il").read_text()), name)
        (directory / "explicit.il").write_text(format_netlists(netlists))
        run_yosys(VERILOG_SCRIPT, directory)
        verilog = (directory / "design.v").read_text()
    body = verilog.split("\n", 1)[1] if verilog.startswith("/*") else verilog
    return Converted(f"// {name}: generated by Signum\n" + initial_registers(fold_initial(body)),
                     len(re.findall(r"^module ", body, re.MULTILINE)), tuple(units.modules), unread_inputs(netlists),
                     open_pins(netlists))


def to_verilog(component: wiring.Component, name: str, platform: object = None) -> tuple[str, list[str]]:
    """The text of `convert`, and the names of its shared modules."""
    converted = convert(component, name, platform)
    return converted.verilog, list(converted.shared)


def describe_ports(component: wiring.Component) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        "clk": {"direction": "input", "width": 1}, "rst": {"direction": "input", "width": 1}}
    for name, (signal, is_input) in ports(component).items():
        found[name] = {"direction": "input" if is_input else "output", "width": len(signal)}
    for path, _, value in component.signature.flatten(component):
        if isinstance(value, data.View) and isinstance(value.shape(), data.StructLayout):
            found["__".join(map(str, path))]["fields"] = {
                str(field): {"offset": place.offset, "width": place.width} for field, place in value.shape()}
    return found


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file atomically; OSError where that is not possible."""
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def emit(component: wiring.Component, *, name: str, directory: Path,
         extra: Mapping[str, Any] | None = None, platform: object = None) -> Path:
    """Write a component as ``NAME.v``, its description as ``NAME.json``, and ``NAME.vlt`` for Verilator's linter.

    The module has the ports of the component's signature (nested members joined by ``__``), and always
    ``clk`` and ``rst``, the clock and the active-high synchronous reset of domain ``sync``.

    Parameters
    ----------
    component : Component
        The component to emit; it is elaborated once.
    name : str
        Name of the module and of the files; a plain Verilog identifier.
    directory : Path
        Output folder, created if missing. Nothing is written if the emission fails.
    extra : mapping
        Further entries of the JSON file, besides ``name``, ``ports``, ``shared_modules``, ``lint_waivers`` (the name of
        ``NAME.vlt``) and ``tools``.
    platform : object
        See `to_rtlil`.

    Returns
    -------
    Path
        The Verilog file.

    Raises
    ------
    EmitError
        If Yosys refuses the design.
    ValueError
        If the name is not a plain identifier, a port is zero bits wide, or the name of either is reserved.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"name must be a plain Verilog identifier, not {name!r}")
    if is_reserved(name):
        raise ValueError(f"name must be no word of Verilog, SystemVerilog, C++ or Verilator's model, not {name}")
    about = {
        "name": name,
        "ports": describe_ports(component),
        "lint_waivers": f"{name}.vlt",
        "tools": {tool: version(tool) for tool in ("amaranth", "pyosys")},
        **(extra or {}),
    }
    converted = convert(component, name, platform)
    about["shared_modules"] = converted.shared
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / f"{name}.v", converted.verilog)
    write_whole(directory / f"{name}.vlt", waivers(name, converted.modules, converted.unread, converted.open_pins))
    write_whole(directory / f"{name}.json", json.dumps(about, indent=2, sort_keys=True) + "\n")
    return directory / f"{name}.v"
