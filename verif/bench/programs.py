"""Running compiled programs on the simulated accelerator, and comparing them with the golden model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.program import Program
from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import Case, draw_case
from signum.verif.bench.simulate import simulate

__all__ = ["CyclesError", "check_cases", "check_values", "draw_short_case", "program_job", "run_on_model",
           "run_programs"]


class CyclesError(AssertionError):
    """A run, or a stream, that took other cycles than predicted."""


def program_job(program: Program, batches: Sequence[dict[str, np.ndarray]], interrupt: int | None = None) -> dict:
    """The job of `verif.bench.bench_accelerator` for one program: a run for each batch of input maps."""
    runs = []
    for maps in batches:
        images = len(next(iter(maps.values())))
        run: dict[str, Any] = {"writes": list(program.input_writes(maps)), "reads": program.result_reads(images)}
        if interrupt is not None:
            run["interrupt"] = interrupt
        runs.append(run)
    return {"writes": list(program.load_writes()), "runs": runs,
            "cycles": predict_cycles(program.config, program.records)}


def draw_short_case(rng: np.random.Generator, config: ArrayConfig, transfers: int) -> Case:
    """A random case whose inputs, program and results are at most ``transfers`` words of the bus."""
    while True:
        case = draw_case(rng, config)
        job = program_job(case.program, [case.maps])
        run = job["runs"][0]
        if len(job["writes"]) + len(run["writes"]) + len(run["reads"]) <= transfers:
            return case


def run_programs(config: ArrayConfig, jobs: Sequence[dict], *, stall: float = 0.0, verilog: Path | None = None,
                 **options: Any) -> tuple[list[int], list[list[int]]]:
    """Cycles and result words of all runs of the jobs, in order, from one simulation.

    ``verilog`` is an emitted file of the accelerator, if available: emission of large arrays takes seconds.
    """
    design = verilog or Accelerator(config=config)
    result = simulate(design, "signum.verif.bench.bench_accelerator", test="run_programs", parameters={
        "config": config.to_dict(), "programs": jobs, "stall": stall, "seed": 1}, **options)
    return result.values["cycles"], result.values["values"]


def run_on_model(config: ArrayConfig, jobs: Sequence[dict], *, verilog: Path | None = None,
                 ) -> tuple[list[int], list[list[int]]]:
    """As `run_programs`, on the Verilated hardware without cocotb: many times faster."""
    model = AcceleratorModel(config, verilog=verilog.read_text() if verilog else None)
    try:
        done = [model.do(job) for job in jobs]
    finally:
        model.close()
    return [count for cycles, _ in done for count in cycles], [words for _, found in done for words in found]


def check_cases(config: ArrayConfig, cases: Sequence[Case], *, interrupt: int | None = None, stall: float = 0.0,
                **options: Any) -> None:
    """Run cases on the simulated accelerator.

    Raises
    ------
    AssertionError
        If a result differs from the graph's, or the cycles from the prediction; the message names the case.
    """
    jobs = [program_job(case.program, [case.maps], interrupt) for case in cases]
    check_values(cases, *run_programs(config, jobs, stall=stall, **options))


def check_values(cases: Sequence[Case], cycles: Sequence[int], values: Sequence[list[int]]) -> None:
    """Compare the cycles and result words of a run of each case.

    Raises
    ------
    AssertionError
        See `check_cases`.
    """
    for case, counted, words in zip(cases, cycles, values, strict=True):
        program, last = case.program, case.graph.layers[-1]
        expected = case.graph.run(case.maps)[last.name]
        if last.raw:
            expected = last.values(expected)
        images = len(expected)
        found = program.results(images, words).reshape(expected.shape)
        mismatches = int((found != expected).sum())
        assert mismatches == 0, f"{mismatches} of {expected.size} results differ: {case}"
        predicted = predict_cycles(program.config, program.records)
        if counted != predicted:
            raise CyclesError(f"{counted} cycles, not the predicted {predicted}: {case}")
