"""A vision task from end to end: the kept networks are scored, drawn, and run on the simulated array."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.int8_graph import int8_graph
from signum.golden.compiler.program import Program
from signum.golden.compiler.utilization import layer_uses, utilization
from signum.golden.layers.blocks import BinaryBlocks, Network
from signum.golden.layers.encoder import BitPlanes, Encoder, Thermometer
from signum.golden.layers.int8 import Int8Conv2d
from signum.golden.networks.distances import SOURCE, distance_graph
from signum.golden.training.checkpoint import StoreError
from signum.golden.training.contest import further_scores, mean_scores, record_of, trained_network
from signum.golden.training.tasks import Task, TaskError, named
from signum.golden.training.tasks.matching import Correspondences, Matching
from signum.golden.training.trainer import evaluate
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind
from signum.hdl.host.bus import DATA_BITS
from signum.hdl.lib.command import Command, Failure, Folder, Integer
from signum.verif.bench.programs import program_job, run_on_model
from signum.verif.bench.stream_runs import StreamCase, expected_answers, measure_streams, with_streams_for, word_numbers

__all__ = ["ARRAY", "INT8_ARRAY", "Inputs", "OnArray", "array_inputs", "array_of", "body_graph", "command", "fitted",
           "host_layers", "run_distances", "run_int8_on_array", "run_on_array", "run_streams", "run_task", "signs_of",
           "where"]

ARRAY = ArrayConfig(rows=8, cols=16, lanes=32, tile=4, acc_bits=12, sum_bits=22, weight_depth=4096,
                    activation_depth=65536, threshold_depth=16384, program_depth=1024, requantize_depth=1024,
                    drain_width=4, fetch_width=8, threshold_levels=3)
"""4096 binary operations a cycle, with memories for any of the five tasks' networks; a sum meets up to 3 thresholds."""

INT8_ARRAY = ARRAY.replace(lanes=ARRAY.lanes // 8, element_bits=8, acc_bits=26, sum_bits=32,
                           threshold_levels=0)
"""The same for the 8-bit twins: words of as many bits, multiplying elements; the shift depends on the network."""

IMAGES = 16
"""Test images to run on the array."""

BINARY = ("binary_m1", "binary_m2")

LEAST = 16
"""Lines of an image on the array, at least."""

LARGE = 1024
"""Values of an image above which the stream has an image at a time."""

MASK = (1 << DATA_BITS) - 1

T = TypeVar("T")


@dataclass(frozen=True)
class OnArray:
    """Results of a network's body on the simulated array.

    ``image`` is the size of an image; ``mismatches`` of ``values`` results differ from PyTorch's; ``predicted`` and
    ``measured`` are the cycles of each of ``runs`` runs, ``per_image`` the cycles of an image in a full run.
    """

    image: str
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
    """The inputs of a binary network's body: the encoded images."""
    assert isinstance(network.blocks, BinaryBlocks)
    encoder = network.blocks.encoder
    channels, height, width = images.shape[1:]
    return Inputs(encoder, (channels, height, width), encoder.bits(images), network.encode(images))


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
    if found.dtype == bool:     # an activation is the sum of its signs
        found = np.where(found, 1, -1).reshape(*wanted.shape, -1).sum(axis=-1)
    found = found.reshape(wanted.shape)
    predicted = predict_cycles(program.config, program.records)
    (elements, *_) = maps.values()
    return OnArray(
        image=f"{elements.shape[1]} x {elements.shape[2]}", images=len(wanted), values=found.size,
        mismatches=int((found != wanted).sum()), runs=len(measured), predicted=predicted,
        measured=measured, per_image=predicted / program.images,
        utilization=utilization(program), layers=[asdict(use) for use in layer_uses(program)])


def array_of(task: Task) -> ArrayConfig:
    """`ARRAY`, with as many thresholds of a sum as the task's networks have."""
    return ARRAY.replace(threshold_levels=max(ARRAY.threshold_levels, task.style.most_levels))


def run_int8_on_array(network: Network, images: np.ndarray) -> OnArray:
    """Run the body of an 8-bit twin on an array of 8-bit elements, and compare every result with its graph."""
    x = network.encode(images)
    channels, height, width = x.shape[1:]
    integers = int8_graph(network.body, (channels, height, width))
    program = compile_graph(integers.graph, INT8_ARRAY.replace(requantize_shift=integers.shift))
    last = integers.graph.layers[-1]
    wanted = last.values(integers.graph.run(integers.maps(x))[last.name])
    return _compared(program, integers.maps(x), wanted.reshape(len(images), -1, last.channels))


def where(graph: Graph) -> list[dict[str, str]]:
    """The number format of each layer on the array."""
    rows = []
    for layer in graph.layers:
        kind = ("INT4 residual" if layer.combine == "residual" else
                f"{len(layer.segments)} bit planes" if any(segment.double for segment in layer.segments) else
                "bits" if layer.thresholds is not None else "integer results")
        rows.append({"layer": layer.name, "where": f"array, {kind}"})
    return rows


def _size(images: np.ndarray) -> str:
    return f"{images.shape[2]} x {images.shape[3]}"


def host_layers(network: Network) -> list[str]:
    """Names of the modules with parameters of their own outside of a network's body, which the array computes."""
    return [name for name, module in network.named_modules()
            if name != "body" and not name.startswith("body.") and list(module.parameters(recurse=False))]


def run_streams(task: Task, network: Network, images: np.ndarray) -> dict[str, Any]:
    """Stream images through a network, on the array with input and answer unit.

    Entries of ``report.json``; AssertionError if an answer differs from PyTorch's, or a cycle from the prediction.
    """
    encoder = array_inputs(network, images[:1]).encoder
    assert isinstance(encoder, Thermometer | BitPlanes)
    answers = Answers(AnswerKind[task.answer.upper()], shuffle=task.shuffle)

    def compiled(given: np.ndarray) -> tuple[Graph, Program]:
        graph = body_graph(network, given)
        config = with_streams_for(array_of(task), encoder, shuffle=task.shuffle,
                                  requantized=graph.layers[-1].bytes is not None)
        # small images in batches, and of large ones each on all rows
        return graph, compile_graph(graph, config, split=given[0].size > LARGE, answers=answers)

    (graph, program), images = fitted(compiled, images)
    streamed = np.resize(images, (3 * program.images, *images.shape[1:]))
    case = StreamCase(program=program, graph=graph, encoder=encoder, answers=answers, images=streamed)
    assert expected_answers(case) == numbers_of(task, network, program, streamed)
    return {"split": program.split, "image": _size(images), **measure_streams(case)}


def numbers_of(task: Task, network: Network, program: Program, images: np.ndarray) -> list[list[int]]:
    """The numbers of the answers by PyTorch's results in evaluation mode."""
    with torch.no_grad():
        results = network.body(network.encode(images))
    if results.dim() == 2:
        results = results[:, :, None, None]
    if task.answer == "words":
        values = results.permute(0, 2, 3, 1).numpy()
        return word_numbers(program, signs_of(values, program.output.channels // values.shape[-1]))
    results = torch.nn.functional.pixel_shuffle(results, task.shuffle)
    if task.answer == "ranks":
        results = results.argmax(dim=1, keepdim=True)
    integers = np.rint(results.permute(0, 2, 3, 1).numpy()).astype(np.int64)
    return [[int(value) & MASK for value in image.reshape(-1)] for image in integers]


def signs_of(values: np.ndarray, count: int) -> np.ndarray:
    """The signs, bool (..., C * count), of activations of ``count`` signs, (..., C): the least threshold first."""
    return (values[..., None] > 2 * np.arange(count) - count).reshape(*values.shape[:-1], -1)


def run_distances(descriptors: np.ndarray, truth: Correspondences, signs: int = 1) -> OnArray:
    """All distances of the points of the first pair of images, those of B as weights, in one run of the array.

    ``descriptors`` are the activations of ``signs`` signs, (B, D, H, W): the Hamming distance of their signs is half
    the sum of the differences of the activations.
    """
    a, b = (points[points[:, 0] == points[0, 0]] for points in (truth.a, truth.b))
    here, there = (signs_of(descriptors[points[:, 0], :, points[:, 1], points[:, 2]], signs) for points in (a, b))
    program = compile_graph(distance_graph(there, len(here)), ARRAY, split=True)
    wanted = (here[:, None] != there).sum(axis=2)
    return _compared(program, {SOURCE: here[None, None]}, wanted[None])


def _has_int8_body(network: Network) -> bool:
    """Whether the last sums of the body are results, as on the 8-bit array."""
    *_, last = network.body.modules()
    return isinstance(network.body, nn.Sequential) and isinstance(last, Int8Conv2d)


def fitted(compiled: Callable[[np.ndarray], T], images: np.ndarray) -> tuple[T, np.ndarray]:
    """What ``compiled`` makes for images, and the images: without their last lines and columns, where the maps of whole
    ones do not fit into the banks.

    CapacityError where not even `LEAST` lines fit.
    """
    while True:
        try:
            return compiled(images), images
        except CapacityError:
            side = min(images.shape[2:]) - 8
            if side < LEAST:
                raise
            images = images[:, :, :side, :side]


def _compiled(network: Network, config: ArrayConfig, images: np.ndarray) -> tuple[Graph, Program]:
    graph = body_graph(network, images)
    return graph, compile_graph(graph, config)


def run_task(task: Task, out: Path, console: Console, images: int = IMAGES) -> dict[str, Any]:
    """Score, run and draw a task's kept networks; writes ``report.json`` and a picture to ``out``."""
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {text}", highlight=False)

    record = record_of(task.name)
    pictures, truth = task.split("test")
    outputs, scores, hardware, places, streams = {}, {}, {}, {}, {}
    outside: list[str] = []
    for name in ("int8", *BINARY):
        network = trained_network(task, name)
        say(f"{name}: {len(pictures)} test images in PyTorch")
        outputs[name] = evaluate(network, pictures)
        scores[name] = task.score(outputs[name], truth)
        if name == "int8" and _has_int8_body(network):
            say(f"{name}: {images} of them on the 8-bit array in Verilator")
            hardware[name] = run_int8_on_array(network, pictures[:images])
        if name in BINARY:
            (graph, program), fitting = fitted(partial(_compiled, network, array_of(task)), pictures[:images])
            say(f"{name}: {images} of them on the array in Verilator")
            hardware[name] = run_on_array(network, program, fitting)
            places[name] = where(graph)
            outside += host_layers(network)
            say(f"{name}: images as a stream of pixels")
            streams[name] = run_streams(task, network, pictures[:images])
            if isinstance(task, Matching):
                say(f"{name}: the distances of the points of a pair of images")
                hardware[f"{name} distances"] = run_distances(outputs[name], truth, task.style.code_levels)
    out.mkdir(parents=True, exist_ok=True)
    task.picture(out / "picture.png", pictures, truth, outputs)
    mean = mean_scores(record)
    report = {
        "task": task.name, "metric": task.metric, **mean,
        "rtl_mismatches": sum(run.mismatches for run in hardware.values()),
        "rtl_other_cycles": sum(cycles != run.predicted for run in hardware.values() for cycles in run.measured),
        "train_seconds": round(sum(run.get("seconds", 0) for run in record["runs"]), 1),
        "seeds": len(record["seeds"]), "test_set": task.test_set(), "steps": record["steps"],
        "kept_networks": scores, "baselines": record["baselines"],
        "further": further_scores(record),
        "rtl": {name: asdict(run) for name, run in hardware.items()}, "where": places,
        "host_layers": sorted(set(outside)), **streams[BINARY[-1]], "streams": streams,
        "config": array_of(task).to_dict(),
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
    for name, found in report["streams"].items():
        table.add_row(f"{name.replace('_', ' ')}, pixels to answers: cycles an image, predicted and measured",
                      f"{found['interval_cycles_predicted']:.1f}, {found['interval_cycles']:.1f}")
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
@click.option("--task", "name", required=True, help="A vision task, or a Python file of your own one.")
@click.option("--images", type=Integer(1), default=IMAGES, show_default=True, help="Test images on the array.")
@click.option("--out", type=Folder(), default=Path("build/task"), show_default=True,
              help="Folder; the task's is made in it.")
def command(name: str, images: int, out: Path) -> int:
    """Judge a task's networks, and run their binary layers on the array.

    The array is simulated, and the results of the networks are drawn. The exit status is 1 if a result or a cycle count
    differs.
    """
    console = Console()
    task = named(name)
    folder = out / task.name
    try:
        report = run_task(task, folder, console, images)
    except FileNotFoundError as error:
        raise Failure(f"{error.filename} is missing: signum train --task {name} writes it") from None
    show(console, report)
    console.print(f"see {folder}/report.json and picture.png")
    if report["rtl_mismatches"] or report["rtl_other_cycles"]:
        raise Failure(f"the RTL must agree with PyTorch: {report['rtl_mismatches']} results and "
                      f"{report['rtl_other_cycles']} runs' cycles differ")
    return 0
