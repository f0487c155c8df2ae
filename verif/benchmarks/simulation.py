"""Simulation speed of the accelerator, in cycles a second: a Verilator library alone, with cocotb, and in Icarus."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cocotb_tools import runner
from rich.console import Console

from signum.fpga.flow.tools import verilator_environment
from signum.fpga.host.accelerator_model import NAME, AcceleratorModel
from signum.fpga.host.verilate import runtime
from signum.golden.compiler.compile import compile_graph
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.accelerator import Accelerator
from signum.hdl.array.popcount.table import TablePopcount
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import Target, to_verilog
from signum.verif.bench import simulate
from signum.verif.bench.programs import program_job
from signum.verif.benchmarks.record import Row, save, versions

__all__ = ["measure"]

CONFIG = ArrayConfig(rows=8, cols=8, lanes=32)
BENCH = "signum.verif.bench.bench_simulation"
FOLDER = Path("build/bench/simulation")
BASELINE = "Verilator from cocotb, default flags"


@dataclass(frozen=True)
class Rate:
    """A measurement of a simulator, in processor seconds.

    ``running`` are the seconds of the ``counted`` cycles of runs alone; ``words`` the results; ``build_seconds`` the
    time of the build, without Verilator's run-time library where it is kept.
    """

    cycles: int
    seconds: float
    running: float
    counted: list[int]
    words: list[list[int]]
    build_seconds: float


def job_of(batches: int) -> dict[str, Any]:
    """The digits network and the inputs of ``batches`` runs."""
    program = compile_graph(digits_graph_untrained(0), CONFIG)
    maps = digits_encoder().bits(digits().test.images[:batches * program.images])
    return program_job(program, [{name: bits[i:i + program.images] for name, bits in maps.items()}
                                 for i in range(0, batches * program.images, program.images)])


def alone(verilog: str, job: dict[str, Any]) -> Rate:
    """Verilator without cocotb."""
    store = FOLDER.resolve() / "model"
    shutil.rmtree(store, ignore_errors=True)
    began = time.monotonic()
    hardware = AcceleratorModel(CONFIG, verilog=verilog, store=store)
    built = time.monotonic() - began
    first, started = hardware.model.cycles, time.process_time()
    counted, words = hardware.do(job)
    seconds, cycles = time.process_time() - started, hardware.model.cycles - first
    started = time.process_time()
    hardware.run(2 * job["cycles"])
    running = (time.process_time() - started) * len(counted)
    hardware.close()
    return Rate(cycles, seconds, running, counted, words, built)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables of this process, passed on by cocotb's runners."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def build_default(folder: Path, sources: Sequence[Path], top: str) -> None:
    """A build by cocotb's runner for Verilator, with its default flags."""
    made = runner.Verilator()
    made.log.disabled = True
    with environment(verilator_environment()):
        made.build(sources=sources, hdl_toplevel=top, build_dir=folder, build_args=["-Wno-fatal"], always=True,
                   timescale=simulate.TIME, log_file=folder / "build.log")


def build_icarus(folder: Path, sources: Sequence[Path], top: str) -> None:
    simulate.build_icarus(folder, sources, top, waves=False)


def from_cocotb(made: runner.Runner, build: Callable[[Path, Sequence[Path], str], None], verilog: str,
                job: dict[str, Any]) -> Rate:
    """A runner of cocotb, with a separate build."""
    folder = FOLDER.resolve() / build.__name__
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = folder / f"{NAME}.v"
    source.write_text(verilog)
    began = time.monotonic()
    build(folder, [source], NAME)
    built = time.monotonic() - began
    made.log.disabled = True
    (folder / "parameters.json").write_text(json.dumps({"config": CONFIG.to_dict(), "job": job},
                                                       default=simulate.plain))
    results = folder / "results.xml"
    made.test(test_module=BENCH, hdl_toplevel=NAME, hdl_toplevel_lang="verilog", build_dir=folder, test_dir=folder,
              seed=1, results_xml=str(results), log_file=folder / "log.txt",
              extra_env={simulate.VARIABLE: str(folder), "COCOTB_ANSI_OUTPUT": "0"})
    simulate.read_results(results, folder / "log.txt", "repeat by this benchmark")
    values = json.loads((folder / "values.json").read_text())
    return Rate(round(values["cycles"]), values["seconds"], values["running"], values["counted"], values["words"],
                built)


def measure(console: Console) -> Path:
    """Measure all simulators on the same Verilog and the same program, with fewer inputs for slow ones."""
    began = time.monotonic()
    verilog, _ = to_verilog(Accelerator(config=CONFIG), NAME)
    by_table, _ = to_verilog(Accelerator(config=CONFIG), NAME, Target(popcount=TablePopcount.name))
    runtime()                           # built once and kept, as in the regression: builds are measured without it
    console.print(f"{time.monotonic() - began:6.1f} s  emitted, and Verilator's run time compiled")
    ways: dict[str, tuple[int, Callable[[dict[str, Any]], Rate]]] = {
        BASELINE: (3, lambda job: from_cocotb(runner.Verilator(), build_default, verilog, job)),
        "Verilator from cocotb, flags of the regression": (3, lambda job: from_cocotb(
            runner.Verilator(), simulate.build_verilator, verilog, job)),
        "Verilator without cocotb": (30, lambda job: alone(verilog, job)),
        "Verilator without cocotb, popcounts by table": (30, lambda job: alone(by_table, job)),
    }
    if not simulate.simulator_missing("icarus"):
        ways["Icarus from cocotb"] = (1, lambda job: from_cocotb(
            runner.Icarus(), build_icarus, verilog, job))
    jobs = job_of(max(batches for batches, _ in ways.values()))
    rates = {}
    for name, (batches, way) in ways.items():
        rates[name] = way({**jobs, "runs": jobs["runs"][:batches]})
        console.print(f"{time.monotonic() - began:6.1f} s  {name}")
    reference = rates["Verilator without cocotb"]
    rows: list[Row] = []
    baseline = rates[BASELINE].cycles / rates[BASELINE].seconds
    for name, rate in rates.items():
        if rate.words != reference.words[:len(rate.words)] or set(rate.counted) != set(reference.counted):
            raise AssertionError(f"{name} must give the words and cycles of the others")
        speed = rate.cycles / rate.seconds
        rows.append({
            "simulator": name, "cycles_per_s": round(speed), "baseline_cycles_per_s": round(baseline),
            "ratio": round(speed / baseline, 2), "build_seconds": round(rate.build_seconds, 1),
            "cycles": rate.cycles, "running_cycles_per_s": round(sum(rate.counted) / rate.running)})
    shutil.rmtree(FOLDER)
    return save("simulation", rows, versions("verilator", "g++", "iverilog"), config=CONFIG.to_dict(),
                network="digits", seconds="of the processor", cores=os.cpu_count())
