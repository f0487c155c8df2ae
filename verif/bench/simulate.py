"""Run cocotb benches on a component or a Verilog file; a pass means that tests ran and passed.

The variables of the environment: ``SIM`` (verilator or icarus), ``SEED``, ``WAVES=1``.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from amaranth.lib import wiring
from cocotb_tools import config as cocotb_config
from cocotb_tools import runner

from signum.fpga.flow.tools import ToolError, tool, verilator_environment
from signum.fpga.host.verilate import BuildError, compilers, digest, first_error, keep, module_ports, verilate
from signum.hdl.lib.emit import to_verilog
from signum.hdl.lib.folders import BUILD

__all__ = ["SIMULATORS", "BenchError", "Result", "default_seed", "simulate", "simulator_missing"]

SIMULATIONS = BUILD / "sim"
SIMULATORS = ("verilator", "icarus")
VARIABLE = "SIGNUM_BENCH"
ASSERTING = "bench_*.py"        # files whose assertions tell their values; by default each import of a run is rewritten


class BenchError(AssertionError):
    """A bench that failed, did not build, or did not run."""


@dataclass(frozen=True)
class Result:
    """The results of a bench.

    Members
    -------
    tests : tuple of str
        The tests that ran, and passed.
    values : dict
        Values that the bench passed to `verif.bench.streams.give`.
    seed : int
        The seed of the run.
    waves : Path or None
        The wave file, where one was asked for.
    """

    tests: tuple[str, ...]
    values: dict[str, Any]
    seed: int
    waves: Path | None


def default_seed() -> int:
    """``SEED`` of the environment, or 1."""
    text = os.environ.get("SEED", "1")
    if not text.isdecimal():
        raise BenchError(f"SEED must be a non-negative integer, not {text!r}")
    return int(text)


def simulator_missing(simulator: str) -> str:
    """Why a simulator cannot be used, in one line; empty where it can."""
    if simulator not in SIMULATORS:
        return f"SIM must be one of {', '.join(SIMULATORS)}, not {simulator!r}"
    try:
        if simulator == "icarus":
            tool("libpython").find()
            tool("iverilog").find()
        else:
            verilator_environment()
    except ToolError as error:
        return str(error)
    return ""


OPTIONS = {
    "verilator": ["-Wno-WIDTH", "--x-assign", "unique", "--x-initial", "unique"],
    "icarus": ["-Wall", "-Wno-timescale"],
}


TIME = ("1ns", "1ps")


def build(verilog: str, top: str, simulator: str, waves: bool, long: bool, models: Sequence[Path]) -> Path:
    """Folder with the built simulation; built once for all processes that want the same."""
    texts = [verilog, *(path.read_text() for path in models)]
    if simulator == "icarus":
        name = digest(texts, waves, OPTIONS["icarus"], version("cocotb"), tool("iverilog").version)
    else:
        name = digest(texts, waves, long, OPTIONS["verilator"], version("cocotb"), str(cocotb_config.libs_dir),
                      compilers())

    def make(folder: Path) -> None:
        sources = [folder / f"{top}.v", *models]
        sources[0].write_text(verilog)
        try:
            if simulator == "icarus":
                build_icarus(folder, sources, top, waves)
            else:
                build_verilator(folder, sources, top, waves=waves, optimise="-O3" if long else "-O0")
        except BuildError as error:
            raise BenchError(f"{simulator} could not build {top}: {error}") from None

    return keep(SIMULATIONS / f"{top}-{simulator}-{name}", make)


def build_icarus(folder: Path, sources: Sequence[Path], top: str, waves: bool) -> None:
    log = folder / "build.log"
    made = runner.Icarus()
    made.log.disabled = True
    try:
        made.build(sources=sources, hdl_toplevel=top, build_dir=folder, build_args=OPTIONS["icarus"], waves=waves,
                   always=True, timescale=TIME, log_file=log)
    except RuntimeError:
        raise BuildError(f"iverilog: {first_error(log)} (see {log})") from None


def build_verilator(folder: Path, sources: Sequence[Path], top: str, *, waves: bool = False, optimise: str = "-O0",
                    ) -> None:
    """The program that cocotb's runner for Verilator starts, whose bench sees the top's ports alone.

    Cocotb's own build makes every signal public, compiles the run time with each module, and has no hook for other
    commands: `cocotb_tools.runner.Verilator._build_command` decides, and so its public pieces, the main function and
    the library, are compiled here.
    """
    visible = folder / "ports.vlt"
    visible.write_text("`verilator_config\n" + "".join(
        f'public_flat_rw -module "{top}" -var "{port}"\n' for port in module_ports(sources[0].read_text(), top)))
    libraries = cocotb_config.libs_dir
    verilate(folder, [Path(cocotb_config.share_dir) / "lib" / "verilator" / "verilator.cpp", *sources, visible], top,
             ["--vpi", "--prefix", "Vtop", "-o", top, *OPTIONS["verilator"], "--timescale", "/".join(TIME),
              "-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"],
             optimise=optimise, waves=waves)


def read_results(path: Path, log: Path, again: str) -> tuple[str, ...]:
    """Names of the tests that passed; BenchError unless there are some and all did."""
    if not path.exists():
        raise BenchError(f"the simulation ended before its tests: {first_error(log)} (see {log}); {again}")
    ran = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        for kind in ("failure", "error"):
            if (wrong := case.find(kind)) is not None:
                message = " ".join((wrong.get("message") or wrong.text or kind).split())
                raise BenchError(f"{name} failed: {message[:1000]} (see {log}); {again}")
        if case.find("skipped") is None:
            ran.append(name)
    if not ran:
        raise BenchError(f"no test ran (see {log}); {again}")
    return tuple(ran)


def plain(value: Any) -> Any:
    """Arrays and numbers of numpy as lists and numbers that JSON knows."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a bench's parameters must be numbers, text, lists and dictionaries, not {value!r}")


def simulate(design: wiring.Component | Path, bench: str, *, top: str | None = None, test: str | None = None,
             parameters: Mapping[str, Any] | None = None, simulator: str | None = None,
             seed: int | None = None, waves: bool | None = None, long: bool = False,
             models: Sequence[Path] = ()) -> Result:
    """Run the cocotb tests of a bench module on a design.

    A build is kept under ``build/sim`` and used again as long as the Verilog is the same, also by parallel
    processes; each run has a folder of its own below it, which stays if the run fails or writes waves.

    Parameters
    ----------
    design : Component or Path
        A component, which is emitted, or a Verilog file written by Yosys.
    bench : str
        Module with the tests, such as ``verif.bench_pe``.
    top : str
        Name of the module; by default the component's class in lower case, or the file's stem.
    test : str
        Name of the only test to run; by default all run, and at least one must.
    parameters : mapping
        Anything that JSON takes, and numpy arrays; the bench reads it by `verif.bench.streams.parameters`.
    simulator : "verilator" or "icarus"
        By default ``SIM`` of the environment, or Verilator.
    seed : int
        Seed of `random` in the bench; by default ``SEED`` of the environment, or 1.
    waves : bool
        Write waves; by default ``WAVES`` of the environment.
    long : bool
        Compile longer, for a simulation of more than a million cycles.
    models : sequence of Path
        Further Verilog files, such as a vendor's cells.

    Raises
    ------
    BenchError
        If a test failed, none ran, or the simulation did not build; in one line, with the seed and the log.
    """
    simulator = simulator or os.environ.get("SIM") or "verilator"
    if reason := simulator_missing(simulator):
        raise BenchError(reason)
    seed = default_seed() if seed is None else seed
    waves = os.environ.get("WAVES", "0") not in ("", "0") if waves is None else waves
    if isinstance(design, wiring.Component):
        top = top or type(design).__name__.lower()
        verilog, _ = to_verilog(design, top)
    else:
        top = top or Path(design).stem
        verilog = Path(design).read_text()
    folder = build(verilog, top, simulator, waves, long, models)
    run = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    (run / "parameters.json").write_text(json.dumps(dict(parameters or {}), default=plain))
    results, log = run / "results.xml", run / "log.txt"
    made: runner.Runner = runner.Icarus() if simulator == "icarus" else runner.Verilator()
    made.log.disabled = True
    if simulator == "icarus":
        plusargs = [f"+dumpfile_path={run / 'waves.fst'}"]
    else:
        plusargs = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % 2**31 or 1}"]
    wave_file = run / ("waves.fst" if simulator == "icarus" else "dump.vcd")
    try:
        made.test(test_module=bench, hdl_toplevel=top, hdl_toplevel_lang="verilog", build_dir=folder,
                  test_dir=run, seed=seed, waves=waves, results_xml=str(results), log_file=log,
                  test_filter=rf"\.{re.escape(test)}$" if test else None,
                  plusargs=plusargs,
                  extra_env={VARIABLE: str(run), "COCOTB_ANSI_OUTPUT": "0",
                             "COCOTB_REWRITE_ASSERTION_FILES": ASSERTING})
    except (RuntimeError, SystemExit):
        if not results.exists():
            raise BenchError(f"{bench} on {simulator} did not end: {first_error(log)} (see {log})") from None
    ran = read_results(results, log, f"repeat with SEED={seed} SIM={simulator}")
    values = run / "values.json"
    result = Result(ran, json.loads(values.read_text()) if values.exists() else {}, seed,
                    wave_file if waves else None)
    if not waves:
        shutil.rmtree(run)
    return result
