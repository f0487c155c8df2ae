"""A vision task from end to end: the kept networks are scored, drawn, and run on the simulated array."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.int8_graph import int8_graph
from signum.golden.compiler.program import Program
from signum.golden.compiler.utilization import layer_uses, utilization
from signum.golden.layers.blocks import BinaryBlocks, Network
from signum.golden.layers.encoder import BitPlanes, Encoder, SignEncoder, Thermometer
from signum.golden.layers.int8 import Int8Conv2d
from signum.golden.training.checkpoint import StoreError
from signum.golden.training.contest import further_scores, mean_scores, record_of, trained_network
from signum.golden.training.tasks import TASKS, Task, TaskError, named
from signum.golden.training.trainer import evaluate
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind
from signum.hdl.lib.command import Command, Failure, Folder, Integer, OneOf
from signum.verif.bench.programs import program_job, run_on_model
from signum.verif.bench.stream_runs import StreamCase, expected_answers, measure_streams, with_streams_for

__all__ = ["ARRAY", "INT8_ARRAY", "Inputs", "OnArray", "array_inputs", "body_graph", "command",
           "run_int8_on_array", "run_on_array", "run_task", "where"]

ARRAY = ArrayConfig(rows=8, cols=16, lanes=32, tile=4, acc_bits=12, sum_bits=18, weight_depth=4096,
                    activation_depth=32768, threshold_depth=16384, program_depth=1024, requantize_depth=1024,
                    drain_width=4, fetch_width=8)
"""4096 binary operations a cycle, with memories for any of the five tasks' networks."""

INT8_ARRAY = ARRAY.replace(lanes=ARRAY.lanes // 8, element_bits=8, acc_bits=26, sum_bits=32)
"""The same for the 8-bit twins: words of as many bits, multiplying elements; the shift depends on the network."""

IMAGES = 16
"""Test images to run on the array."""

BINARY = ("binary_m1", "binary_m2")


@dataclass(frozen=True)
class OnArray:
    """Results of a network's body on the simulated array.

    ``mismatches`` of ``values`` results differ from PyTorch's; ``predicted`` and ``measured`` are the cycles of each
    of ``runs`` runs, ``per_image`` the cycles of an image in a full run.
    """

    images: int
    values: int
    mismatches: int
    runs: int
    predicted: int
    measured: list[int]
    per_image: float
    utilization: float
    layers: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs of the array for some images, and of PyTorch's body.

    ``encoder`` and ``shape`` (C, H, W) are arguments of `golden.compiler.fold.fold`, ``maps`` the bits, bool (B, H, W,
    C) by name, ``tensor`` the body's input.
    """

    encoder: Encoder
    shape: tuple[int, int, int]
    maps: dict[str, np.ndarray]
    tensor: Tensor


def array_inputs(network: Network, images: np.ndarray) -> Inputs:
    """The inputs of a binary network's body: the encoded images, or the bits of the host's first layers."""
    assert isinstance(network.blocks, BinaryBlocks)
    with torch.no_grad():
        encoded = network.encode(images)
        tensor = network.before(encoded)
    encoder: Encoder = network.blocks.encoder
    if tensor is not encoded:
        encoder, images = SignEncoder(), tensor.numpy()
    channels, height, width = images.shape[1:]
    return Inputs(encoder, (channels, height, width), encoder.bits(images), tensor)


def body_graph(network: Network, images: np.ndarray) -> Graph:
    """The integer graph of a network's body, for the size of the images."""
    inputs = array_inputs(network, images[:1])
    return fold(network.body, inputs.encoder, inputs.shape)


def run_on_array(network: Network, program: Program, images: np.ndarray) -> OnArray:
    """Run a compiled body on the simulated array, and compare every result with PyTorch's."""
    inputs = array_inputs(network, images)
    with torch.no_grad():
        expected = network.body(inputs.tensor).numpy()
    wanted = np.rint(expected.reshape(*expected.shape[:2], -1).transpose(0, 2, 1)).astype(np.int64)
    return _compared(program, inputs.maps, wanted)


def _compared(program: Program, maps: dict[str, np.ndarray], wanted: np.ndarray) -> OnArray:
    """Run a program on maps of any number of images; ``wanted``: expected results, int64 (B, pixels, channels)."""
    batches = [{name: elements[i:i + program.images] for name, elements in maps.items()}
               for i in range(0, len(wanted), program.images)]
    measured, words = run_on_model(program.config, [program_job(program, batches)])
    found = np.concatenate([program.results(len(next(iter(batch.values()))), values)
                            for batch, values in zip(batches, words, strict=True)])
    if found.dtype == bool:
        found = np.where(found, 1, -1)
    found = found.reshape(wanted.shape)
    predicted = predict_cycles(program.config, program.records)
    return OnArray(
        images=len(wanted), values=found.size, mismatches=int((found != wanted).sum()), runs=len(measured),
        predicted=predicted, measured=measured, per_image=predicted / program.images,
        utilization=utilization(program), layers=[asdict(use) for use in layer_uses(program)])


def run_int8_on_array(network: Network, images: np.ndarray) -> OnArray:
    """Run the body of an 8-bit twin on an array of 8-bit elements, and compare every result with its graph."""
    with torch.no_grad():
        x = network.before(network.encode(images))
    channels, height, width = x.shape[1:]
    integers = int8_graph(network.body, (channels, height, width))
    program = compile_graph(integers.graph, INT8_ARRAY.replace(requantize_shift=integers.shift))
    last = integers.graph.layers[-1]
    wanted = last.values(integers.graph.run(integers.maps(x))[last.name])
    return _compared(program, integers.maps(x), wanted.reshape(len(images), -1, last.channels))


def where(network: Network, graph: Graph) -> list[dict[str, str]]:
    """The machine (array or host) and the number format of each layer."""
    rows = []
    for layer in graph.layers:
        kind = ("array, INT4 residual" if layer.combine == "residual" else
                f"array, {len(layer.segments)} bit planes" if any(segment.double for segment in layer.segments) else
                "array, bits" if layer.thresholds is not None else "array, integer results")
        rows.append({"layer": layer.name, "where": kind})
    host = [{"layer": name, "where": "host, 8-bit integers"} for name, module in network.named_modules()
            if isinstance(module, Int8Conv2d)]
    return rows + host


def host_layers(places: dict[str, list[dict[str, str]]]) -> list[str]:
    """Names of the layers that the host computes, of all networks of `where`."""
    return sorted({row["layer"] for rows in places.values() for row in rows if row["where"].startswith("host")})


def run_streams(network: Network, images: np.ndarray) -> dict[str, Any]:
    """Stream images through a network without layers of the host, on the array with input and answer unit.

    Entries of ``report.json``; AssertionError if an answer differs from PyTorch's, or a cycle from the prediction.
    """
    encoder = array_inputs(network, images[:1]).encoder
    assert isinstance(encoder, Thermometer | BitPlanes)
    graph, answers = body_graph(network, images), Answers(AnswerKind.VALUES)
    program = compile_graph(graph, with_streams_for(ARRAY, encoder), answers=answers)
    repeated = np.resize(images, (3 * program.images, *images.shape[1:]))
    case = StreamCase(program=program, graph=graph, encoder=encoder, answers=answers, images=repeated)
    with torch.no_grad():
        logits = network.body(array_inputs(network, repeated).tensor).numpy()
    wanted = np.rint(logits).astype(np.int64).reshape(len(repeated), -1) & 0xFFFF_FFFF
    assert expected_answers(case) == wanted.tolist()
    return measure_streams(case)


def _has_int8_body(network: Network) -> bool:
    """Whether the last sums of the body are results, as on the 8-bit array."""
    *_, last = network.body.modules()
    return isinstance(last, Int8Conv2d)


def run_task(task: Task, out: Path, console: Console, images: int = IMAGES) -> dict[str, Any]:
    """Score, run and draw a task's kept networks; writes ``report.json`` and a picture to ``out``."""
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {text}", highlight=False)

    record = record_of(task.name)
    pictures, truth = task.split("test")
    outputs, scores, hardware, places = {}, {}, {}, {}
    streams: dict[str, Any] = {}
    for name in ("int8", *BINARY):
        network = trained_network(task, name)
        say(f"{name}: {len(pictures)} test images in PyTorch")
        outputs[name] = evaluate(network, pictures)
        scores[name] = task.score(outputs[name], truth)
        if name == "int8" and _has_int8_body(network):
            say(f"{name}: {images} of them on the 8-bit array in Verilator")
            hardware[name] = run_int8_on_array(network, pictures[:images])
        if name in BINARY:
            graph = body_graph(network, pictures)
            program = compile_graph(graph, ARRAY)
            say(f"{name}: {images} of them on the array in Verilator")
            hardware[name] = run_on_array(network, program, pictures[:images])
            places[name] = where(network, graph)
            if not host_layers(places):
                say(f"{name}: the same as a stream of pixels")
                streams = run_streams(network, pictures[:images])
    out.mkdir(parents=True, exist_ok=True)
    task.picture(out / "picture.png", pictures, truth, outputs)
    mean = mean_scores(record)
    report = {
        "task": task.name, "metric": task.metric, **mean,
        "rtl_mismatches": sum(run.mismatches for run in hardware.values()),
        "rtl_other_cycles": sum(cycles != run.predicted for run in hardware.values() for cycles in run.measured),
        "train_seconds": round(sum(run.get("seconds", 0) for run in record["runs"]), 1),
        "seeds": len(record["seeds"]), "kept_networks": scores, "baselines": record["baselines"],
        "further": further_scores(record),
        "rtl": {name: asdict(run) for name, run in hardware.items()}, "where": places,
        "host_layers": host_layers(places), **streams,
        "config": ARRAY.to_dict(),
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def show(console: Console, report: dict[str, Any]) -> None:
    """Print a report as a table."""
    table = Table(title=f"{report['task'].replace('_', ' ')}: {report['metric']}", show_header=False)
    for name in ("float", "int8", *BINARY):
        table.add_row(f"{name.replace('_', ' ')}, mean of {report['seeds']} seeds", f"{report[name]:.2f}")
    for name, score in report["baselines"].items():
        table.add_row(name, f"{score:.2f}")
    if "interval_cycles" in report:
        table.add_row("pixels to answers: cycles an image, predicted and measured",
                      f"{report['interval_cycles_predicted']:.1f}, {report['interval_cycles']:.1f}")
    table.add_row("layers of the host", ", ".join(report["host_layers"]) or "none")
    for title, found in report["further"].items():
        for name, score in found.items():
            table.add_row(f"{title}: {name.replace('_', ' ')}", f"{score:.2f}")
    for name, run in report["rtl"].items():
        table.add_row(f"{name.replace('_', ' ')} on RTL: results that differ",
                      f"{run['mismatches']} of {run['values']}")
        table.add_row("   cycles an image, predicted and measured", f"{run['per_image']:.0f}")
        table.add_row("   array used", f"{100 * run['utilization']:.1f} %")
    console.print(table)


@click.command("task", cls=Command, refused=(TaskError,), failed=(StoreError, OSError))
@click.option("--task", "name", type=OneOf(TASKS), required=True, help="A vision task.")
@click.option("--images", type=Integer(1), default=IMAGES, show_default=True, help="Test images on the array.")
@click.option("--out", type=Folder(), default=Path("build/task"), show_default=True,
              help="Folder; the task's is made in it.")
def command(name: str, images: int, out: Path) -> int:
    """Judge a task's networks, and run their binary layers on the array.

    The array is simulated, and the results of the networks are drawn. The exit status is 1 if a result or a cycle count
    differs.
    """
    console = Console()
    folder = out / name
    try:
        report = run_task(named(name), folder, console, images)
    except FileNotFoundError as error:
        raise Failure(f"{error.filename} is missing: signum train --task {name} writes it") from None
    show(console, report)
    console.print(f"see {folder}/report.json and picture.png")
    if report["rtl_mismatches"] or report["rtl_other_cycles"]:
        raise Failure(f"the RTL must agree with PyTorch: {report['rtl_mismatches']} results and "
                      f"{report['rtl_other_cycles']} runs' cycles differ")
    return 0
