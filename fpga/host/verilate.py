"""Modules compiled by Verilator, and folders of results that are made once and kept by content.

A build is a folder of files that other programs open by name (an executable, a library, the log of a failed compiler),
named by a digest of everything that went into it. `joblib.Memory` and `diskcache` keep values of Python instead, and a
file lock beside each folder is needed with them, too: without one, parallel tests build the same module at once.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from signum.fpga.flow.tools import tool, verilator_environment
from signum.hdl.lib.folders import BUILD

__all__ = ["BuildError", "Port", "compilers", "digest", "first_error", "keep", "module_ports", "runtime", "verilate"]

RUNTIMES = BUILD / "runtime"
STAMP = "built"
EMPTY = "module empty(input clk); endmodule\n"
HEADERS = '#include "verilated.h"\n#include "verilated_vpi.h"\n'
PRECOMPILE = """\
include Vempty.mk
headers-%.h.gch: headers-%.h
	$(CXX) $(CXXFLAGS) $(filter-out -MMD,$(CPPFLAGS)) -$* -x c++-header $< -o $@
"""
PRECOMPILED_FOR = "-O0", "-O1"      # each with headers of its own: g++ 12 crashes where it reads those of another level
POSITION_INDEPENDENT = ("-CFLAGS", "-fPIC")     # one run time for executables and for libraries
SHORT_FUNCTIONS = ("--output-split-cfuncs", "500")
"""Half the time in the compiler, whose passes take more than linear time in the length of a function; equal speed."""


class BuildError(RuntimeError):
    """A module that Verilator or the compiler refused; in one line, with the log."""


class Port(NamedTuple):
    """A port of a module."""

    is_input: bool
    width: int


def module_ports(verilog: str, top: str) -> dict[str, Port]:
    """Ports of a module as Yosys writes them, by name; BuildError if the module is missing."""
    module = re.search(rf"^module {re.escape(top)}\s*\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    if not module:
        raise BuildError(f"the Verilog must have a module {top}")
    return {found[3]: Port(found[1] == "input", int(found[2] or 0) + 1) for found in re.finditer(
        r"^  (input|output|inout) (?:\[(\d+):0\] )?\\?(\S+?) ?;", module[0], re.MULTILINE)}


def digest(*values: Any) -> str:
    """A short name for the inputs of a result; the values must be JSON values."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def compilers() -> list[str]:
    """Versions of the programs that `verilate` calls."""
    return [tool("verilator").version, tool("g++").version]


def first_error(log: Path) -> str:
    """The first line of a log that tells of an error or a warning, or its first line."""
    lines = log.read_text(errors="replace").splitlines()
    wrong = [line for line in lines if re.search(r"error|%Warning", line, re.IGNORECASE)]
    return (wrong or lines or ["no output"])[0].strip()


def keep(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder that ``make`` fills once, for all processes that want it; a failed attempt stays until the next one."""
    stamp = folder / STAMP
    if stamp.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not stamp.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            stamp.touch()
    return folder


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a program in a folder, its output at the end of ``build.log`` there; BuildError if it fails."""
    path = folder / "build.log"
    with open(path, "a") as log:
        run = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                             stdout=log, stderr=subprocess.STDOUT)
    if run.returncode:
        raise BuildError(f"{Path(command[0]).name}: {first_error(path)} (see {path})")


def verilate(folder: Path, sources: Sequence[Path], top: str, options: Sequence[str], *, optimise: str,
             waves: bool = False) -> None:
    """Compile a module and a C++ file of its own ``main`` into the program, or library, that the options name.

    Parameters
    ----------
    folder : Path
        Where everything is written; intermediate files do not stay.
    sources : sequence of Path
        Verilog, configuration files and C++.
    top : str
        Name of the module.
    options : sequence of str
        Of Verilator; ``--prefix`` among them.
    optimise : str
        The compiler's option for the module.
    waves : bool
        Whether the program can write waves.

    Raises
    ------
    BuildError
        If Verilator or the compiler refuses it.
    ToolError
        If one of them is missing.
    """
    coverage = any(option.startswith("--coverage") for option in options)
    kept = runtime(waves, coverage)
    prefix = options[options.index("--prefix") + 1]
    _translate(folder, sources, top, options, waves)
    if optimise in PRECOMPILED_FOR:
        optimise += f" -include {kept / f'headers{optimise}.h'}"
    for path in kept.glob("*.o"):
        shutil.copy(path, folder)
    # all files at once: a large module's own precompiled headers would take the place of the run time's
    _run([str(tool("make").find()), "-f", f"{prefix}.mk", f"OPT_FAST={optimise}", f"VM_TRACE={int(waves)}",
          f"VM_COVERAGE={int(coverage)}", "VM_PARALLEL_BUILDS=0"], folder, verilator_environment())
    for pattern in ("*.[oa]", "*.gch"):             # a hundred megabytes
        for path in folder.glob(pattern):
            path.unlink()


def _translate(folder: Path, sources: Sequence[Path], top: str, options: Sequence[str], waves: bool) -> None:
    """Verilog to C++ and a makefile."""
    program = tool("verilator").find() / "bin" / "verilator"
    names = [path.name if path.parent == folder else str(path) for path in sources]
    _run([str(program), "--cc", "--exe", *POSITION_INDEPENDENT, *SHORT_FUNCTIONS,
          *(["--trace"] if waves else []), *options,
          "--top-module", top, "--Mdir", ".", *names], folder, verilator_environment())


def runtime(waves: bool = False, coverage: bool = False) -> Path:
    """Folder with the objects and the precompiled headers of Verilator's own run time, compiled once for all modules.

    ``waves`` tells whether programs can write waves, ``coverage`` whether they count coverage. The headers are for
    ``-O0`` and ``-O1``; at other levels the compiler parses the sources.

    Raises
    ------
    BuildError, ToolError
        As `verilate`.
    """
    headers = [f"headers{level}.h" for level in PRECOMPILED_FOR]

    def make(folder: Path) -> None:
        for name, text in (("empty.v", EMPTY), ("headers.mk", PRECOMPILE),
                           *((name, HEADERS) for name in headers)):
            (folder / name).write_text(text)
        _translate(folder, [folder / "empty.v"], "empty", ["--vpi", "--prefix", "Vempty"], waves)
        parts = ["", "_threads", "_vpi", "_dpi", *(["_vcd_c"] if waves else []), *(["_cov"] if coverage else [])]
        # on all cores: other processes wait for it
        _run([str(tool("make").find()), f"-j{os.cpu_count() or 1}", "-f", "headers.mk", f"VM_TRACE={int(waves)}",
              f"VM_COVERAGE={int(coverage)}", *(f"{name}.gch" for name in headers),
              *(f"verilated{part}.o" for part in parts)], folder, verilator_environment())

    return keep(RUNTIMES / digest(compilers(), waves, coverage, PRECOMPILE, PRECOMPILED_FOR), make)
