"""Runs of a network's stages on the simulated accelerator, one after the other, in one simulation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.stages import Resident, Stage
from signum.golden.compiler.weight_streaming import transfers
from signum.hdl.config import ArrayConfig
from signum.verif.bench.programs import run_programs

__all__ = ["StageRun", "check_stages", "stream_stages"]


@dataclass(frozen=True)
class StageRun:
    """The run of a stage on the hardware.

    Members
    -------
    stage : Stage
    cycles : int
        The hardware's count.
    predicted : int
    mismatches, results : int
        Results that differ from the expected ones, and all results.
    """

    stage: Stage
    cycles: int
    predicted: int
    mismatches: int
    results: int


def check_stages(config: ArrayConfig, stages: Sequence[Stage], maps: Mapping[str, np.ndarray],
                 runner: Callable[..., tuple[list[int], list[list[int]]]] = run_programs, **options: Any,
                 ) -> list[StageRun]:
    """Run stages on the accelerator, and compare their results.

    Words that earlier stages left in the array's memories are not written again. Each stage gets the expected maps, so
    a wrong result is counted once.

    Parameters
    ----------
    config : ArrayConfig
    stages : sequence of Stage
    maps : mapping of str to array
        All input and output maps of the stages, for the images of one run: bool (B, H, W, C); the int64 values of raw
        layers.
    runner, options
        `verif.bench.programs.run_programs` or `verif.bench.programs.run_on_model`, and its options.
    """
    resident = Resident()
    jobs: list[dict[str, Any]] = []
    for stage in stages:
        inputs = stage.inputs_from(maps)
        images = len(next(iter(inputs.values())))
        writes, fresh = resident.step(stage)
        run = {"writes": list(stage.program.input_writes(inputs)) if fresh else [],
               "reads": stage.program.result_reads(images)}
        jobs.append({"writes": writes, "runs": [run], "cycles": predict_cycles(config, stage.program.records)})
    cycles, values = runner(config, jobs, **options)
    return [compared(stage, maps, counted, words)
            for stage, counted, words in zip(stages, cycles, values, strict=True)]


def compared(stage: Stage, maps: Mapping[str, np.ndarray], cycles: int, words: list[int]) -> StageRun:
    """The run of a stage, from the cycles and the result words of its run."""
    expected = stage.part_of(maps[stage.layer.name])
    found = stage.program.results(len(expected), words).reshape(expected.shape)
    predicted = predict_cycles(stage.program.config, stage.program.records)
    return StageRun(stage, cycles, predicted, int((found != expected).sum()), expected.size)


def stream_stages(config: ArrayConfig, stages: Sequence[Stage], maps: Mapping[str, np.ndarray]) -> list[StageRun]:
    """As `check_stages`, for stages of `golden.compiler.weight_streaming.plan_streamed`: the weights of each stage are
    written during the run of the previous stage.
    """
    model = AcceleratorModel(config)
    loads = list(transfers(stages))
    runs = []
    try:
        model.write(loads[0].weights)
        for load, following in zip(loads, [*loads[1:], None], strict=True):
            program = load.stage.program
            inputs = load.stage.inputs_from(maps)
            model.write([*load.others, *(program.input_writes(inputs) if load.fresh else ())])
            cycles = model.run(2 * predict_cycles(config, program.records) + 1000,
                               ahead=following.weights if following else ())
            words = model.read(program.result_reads(len(next(iter(inputs.values())))))
            runs.append(compared(load.stage, maps, cycles, words))
    finally:
        model.close()
    return runs
