"""Cycles and utilisation of known networks on arrays of four sizes, by the exact cycle model; some confirmed in RTL."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.sizing import fitted, roomy
from signum.golden.compiler.stages import plan_stages
from signum.golden.compiler.utilization import LOSSES, LayerUse, layer_uses
from signum.golden.networks.digits import NETWORKS
from signum.hdl.config import ArrayConfig
from signum.verif.bench.programs import program_job
from signum.verif.benchmarks.record import Row, save, versions

__all__ = ["ARRAYS", "CONFIRMED", "confirm", "count", "measure", "network_row"]

ARRAYS = (
    ArrayConfig(rows=8, cols=4, lanes=32, tile=4, fetch_width=8),
    ArrayConfig(rows=2, cols=16, lanes=32, tile=16, drain_width=4, fetch_width=8),
    ArrayConfig(rows=16, cols=4, lanes=32, tile=4, fetch_width=8),
    ArrayConfig(rows=2, cols=32, lanes=32, tile=32, drain_width=8, fetch_width=8),
    ArrayConfig(rows=1, cols=64, lanes=32, tile=64, drain_width=16, fetch_width=8),
    ArrayConfig(rows=32, cols=4, lanes=32, tile=4, fetch_width=8),
    ArrayConfig(rows=4, cols=32, lanes=32, tile=32, drain_width=8, fetch_width=8),
    ArrayConfig(rows=64, cols=8, lanes=32, tile=8, drain_width=2, fetch_width=8),
    ArrayConfig(rows=16, cols=32, lanes=32, tile=32, drain_width=8, fetch_width=8),
)
"""For each size an array of many rows, for batches, and arrays of few rows, for single images; see also `roomy`."""

CONFIRMED = {("digits", 8, 4), ("digits", 2, 32), ("sfc", 2, 32), ("cnv", 2, 32)}
"""Networks, rows and columns whose cycles the RTL confirms, in both modes."""

STAGE_DEPTHS = {"weight_depth": 4096, "activation_depth": 16384, "threshold_depth": 4096, "requantize_depth": 4096}
"""Memories of an array for a network in stages: the host loads larger layers piece by piece."""


@dataclass(frozen=True)
class Cycles:
    """Cycles an image, and the use of each layer."""

    cycles: float
    uses: list[LayerUse]


def count(graph: Graph, config: ArrayConfig, split: bool) -> Cycles:
    """Cycles of a network as one program, or in stages where it does not fit the largest memories."""
    try:
        programs = [compile_graph(graph, roomy(config), split=split)]
    except CapacityError:
        programs = [stage.program for stage in plan_stages(graph, roomy(config).replace(**STAGE_DEPTHS), split=split)]
    spent = sum(predict_cycles(program.config, program.records) for program in programs)
    return Cycles(spent / programs[0].images, [use for program in programs for use in layer_uses(program)])


def network_row(name: str, config: ArrayConfig, split: bool) -> Row:
    """A row of the table, before its confirmation."""
    found = count(NETWORKS[name](), config, split)
    first = [use for use in found.uses if use.name == found.uses[0].name]
    rest = [use for use in found.uses if use.name != found.uses[0].name]

    def share(uses: list[LayerUse], kind: str) -> float:
        return round(sum(getattr(use, kind) * use.cycles for use in uses) / sum(use.cycles for use in uses), 4)

    return {"network": name, "binops_per_cycle": config.binops_per_cycle,
            "array": f"{config.rows}x{config.cols}x{config.lanes}, drain {config.drain_width}",
            "mode": "split" if split else "batch", "cycles": round(found.cycles, 1),
            "utilization": share(rest, "useful"), "utilization_first": share(first, "useful"),
            "utilization_whole": share(found.uses, "useful"), "lost": {kind: share(rest, kind) for kind in LOSSES},
            "confirmed_in_rtl": False}


def confirm(name: str, config: ArrayConfig, split: bool, seed: int = 0) -> bool:
    """Whether the RTL takes the predicted cycles, on random inputs."""
    graph = NETWORKS[name]()
    config = fitted(compile_graph(graph, roomy(config), split=split))
    program = compile_graph(graph, config, split=split)
    rng = np.random.default_rng(seed)
    maps = {name: rng.random((program.images, place.shape.height, place.shape.width, place.shape.channels)) < 0.5
            for name, place in program.inputs.items()}
    model = AcceleratorModel(config)
    try:
        cycles, _ = model.do(program_job(program, [maps]))
    finally:
        model.close()
    return cycles == [predict_cycles(config, program.records)]


def measure(console: Console) -> Path:
    """Write ``networks.json``."""
    rows = []
    for name in NETWORKS:
        for config in ARRAYS:
            for split in (False, True):
                row = network_row(name, config, split)
                if (name, config.rows, config.cols) in CONFIRMED:
                    row["confirmed_in_rtl"] = confirm(name, config, split)
                    if not row["confirmed_in_rtl"]:
                        raise RuntimeError(f"{name} on {row['array']} must take as many cycles in RTL as predicted")
                rows.append(row)
                console.print(f"{name:10} {row['array']:20} {row['mode']}: {row['cycles']:.0f} cycles an image, "
                              f"{100 * row['utilization']:.1f} % behind the first layer, "
                              f"{100 * row['utilization_first']:.1f} % in it", highlight=False)
    return save("networks", rows, versions("verilator"))
