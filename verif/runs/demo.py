"""The demo: train digits, compile, run all held-out images on the RTL, build the bitstream, report."""

import json
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.build import build
from signum.fpga.flow.program_file import ProgramFile
from signum.fpga.flow.report import TimingError
from signum.fpga.flow.tools import BuildError, ToolError
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.fold import fold
from signum.golden.compiler.program import Program
from signum.golden.compiler.utilization import layer_uses, utilization
from signum.golden.networks.digits import DIGITS_SHAPE
from signum.golden.training.data import digits
from signum.golden.training.fit import TrainedDigits, save_digits_network, train_digits
from signum.golden.training.trainer import TrainingError
from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.command import Command
from signum.hdl.lib.emit import emit
from signum.verif.bench.programs import program_job, run_programs
from signum.verif.bench.stream_runs import StreamCase, expected_answers, measure_streams
from signum.verif.benchmarks.record import keep
from signum.verif.runs.pictures import picture_answers, picture_array

__all__ = ["OnHardware", "command", "run_on_rtl"]

OUT = Path("build/demo")
BOARD = "icebreaker"
STREAMS = "icebreaker_pixels"
STREAMED = 40


@dataclass(frozen=True)
class OnHardware:
    """Logits (B, classes) of the simulated hardware, and the cycles of each of its runs."""

    logits: np.ndarray
    cycles: list[int]


def train(console: Console) -> TrainedDigits:
    """Train the digits network with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=None)
        return train_digits(0, progress=lambda done, total, text: bar.update(
            task, completed=done, total=total, description=text))


def run_on_rtl(program: Program, maps: dict[str, np.ndarray]) -> OnHardware:
    """Run all images on the accelerator in Verilator, one a row."""
    total = len(next(iter(maps.values())))
    starts = range(0, total, program.images)
    batches = [{name: bits[i:i + program.images] for name, bits in maps.items()} for i in starts]
    cycles, words = run_programs(program.config, [program_job(program, batches)], long=True)
    logits = [program.results(len(next(iter(batch.values()))), values)[:, 0]
              for batch, values in zip(batches, words, strict=True)]
    return OnHardware(np.concatenate(logits), cycles)


def run_streams(trained: TrainedDigits, images: np.ndarray) -> dict[str, Any]:
    """Stream images through the array with input and answer unit: entries of the report.

    AssertionError if a class differs from PyTorch's, or a cycle from the prediction.
    """
    graph = fold(trained.model, trained.encoder, DIGITS_SHAPE)
    program = compile_graph(graph, ArrayConfig.preset(STREAMS), answers=Answers())
    case = StreamCase(program=program, graph=graph, encoder=trained.encoder, answers=Answers(), images=images)
    with torch.no_grad():
        classes = trained.model(trained.encoder.tensor(images)).argmax(dim=1)
    assert expected_answers(case) == classes[:, None].tolist()
    return {"host_layers": [], "streams_preset": STREAMS, **measure_streams(case)}


def summary(program: Program, trained: TrainedDigits, expected: np.ndarray, hardware: OnHardware,
            streams: dict[str, Any], bitstream: dict[str, Any]) -> dict[str, Any]:
    """All figures of the demo, for `report.json`."""
    labels = digits().test.labels
    predicted = predict_cycles(program.config, program.records)
    measured = sum(hardware.cycles) / len(labels)
    return {
        "images": len(labels),
        "accuracy_float": trained.accuracy_float,
        "accuracy_pytorch": float((expected.argmax(axis=1) == labels).mean()),
        "accuracy_rtl": float((hardware.logits.argmax(axis=1) == labels).mean()),
        "mismatches": int((hardware.logits != expected).sum()),
        "logits": int(expected.size),
        "cycles_predicted": predicted / program.images,
        "cycles_measured": measured,
        "runs_with_other_cycles": sum(cycles != predicted for cycles in hardware.cycles),
        **streams,
        "utilization": utilization(program),
        "layers": [asdict(use) for use in layer_uses(program)],
        "images_per_s": bitstream["clock_mhz"] * 1e6 / measured,
        "clock_mhz": bitstream["clock_mhz"],
        "fmax_mhz": bitstream["fmax_mhz"],
        **{name: bitstream[name] for name in ("lut", "lut_capacity", "ram", "ram_capacity")},
        "board": bitstream["board"],
        "config": program.config.to_dict(),
        "tools": bitstream["tools"],
    }


def show(console: Console, report: dict[str, Any], bitstream: dict[str, Any]) -> None:
    """Print the table of the demo."""
    table = Table(title=f"Signum on {report['images']} held-out digits", show_header=False)
    for name, value in (
        ("accuracy, float network in PyTorch", f"{100 * report['accuracy_float']:.2f} %"),
        ("accuracy, binary network in PyTorch", f"{100 * report['accuracy_pytorch']:.2f} %"),
        ("accuracy, binary network on RTL", f"{100 * report['accuracy_rtl']:.2f} %"),
        ("logits that differ from PyTorch's", f"{report['mismatches']} of {report['logits']}"),
        ("cycles an image, predicted", f"{report['cycles_predicted']:.1f}"),
        ("cycles an image, measured", f"{report['cycles_measured']:.1f}"),
        ("the same from pixels to classes, predicted", f"{report['interval_cycles_predicted']:.1f}"),
        ("the same from pixels to classes, measured", f"{report['interval_cycles']:.1f}"),
        ("bytes of an image in, and of its answer out", f"{report['bytes_in']}, {report['bytes_out']}"),
        *((f"utilisation of {use['name']}", f"{100 * use['useful']:.1f} %") for use in report["layers"]),
        ("utilisation of the whole network", f"{100 * report['utilization']:.1f} %"),
        (f"logic cells on {report['board']}", f"{report['lut']} of {bitstream['lut_capacity']}"),
        ("block RAMs", f"{report['ram']} of {bitstream['ram_capacity']}"),
        ("Fmax", f"{report['fmax_mhz']:.1f} MHz"),
        ("clock", f"{report['clock_mhz']:.1f} MHz"),
        ("images/s at that clock", f"{report['images_per_s']:.0f}"),
    ):
        table.add_row(name, value)
    console.print(table)


def demo(console: Console, bitstream: "Future[dict[str, Any]]", record: bool = False) -> int:
    """Run the demo but for the bitstream, which another process builds meanwhile; returns the exit status.

    With ``record`` a report without errors becomes the record of README.md's figures.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {text}", highlight=False)

    config = ArrayConfig.preset(board_named(BOARD).preset)
    OUT.mkdir(parents=True, exist_ok=True)
    say("train the digits network (the bitstream is built meanwhile)")
    trained = train(console)
    save_digits_network(trained, OUT / "digits.pt")
    graph = fold(trained.model, trained.encoder, DIGITS_SHAPE)
    program = compile_graph(graph, config)
    say(f"folded and compiled: {graph.weight_bits} bits of weights, {len(program.words)} program words")
    emit(Accelerator(config=config), name="signum", directory=OUT)
    images = digits().test.images
    ProgramFile(program, trained.encoder, "digits").save(OUT / "digits.sgn")
    np.save(OUT / "images.npy", images)
    np.save(OUT / "labels.npy", digits().test.labels)
    with torch.no_grad():
        expected = trained.model(trained.encoder.tensor(images)).numpy()
    say(f"run {len(images)} images on the RTL in Verilator")
    hardware = run_on_rtl(program, trained.encoder.bits(images))
    say(f"stream {STREAMED} of them through the RTL with input and answer unit")
    streams = run_streams(trained, images[:STREAMED])
    say("wait for the bitstream")
    built = bitstream.result()
    report = summary(program, trained, np.rint(expected).astype(np.int64), hardware, streams, built)
    (OUT / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    picture_array(OUT / "array.png", config, layer_uses(program))
    picture_answers(OUT / "digits.png", images, digits().test.labels, hardware.logits)
    show(console, report, built)
    say(f"see {OUT}/report.json, array.png, digits.png, signum.v and digits.sgn")
    if report["mismatches"] or report["runs_with_other_cycles"]:
        console.print(f"the RTL must agree with PyTorch: {report['mismatches']} logits and "
                      f"{report['runs_with_other_cycles']} runs' cycles differ", style="red")
        return 1
    if record:
        say(f"see {keep('demo', OUT / 'report.json')}; make pages fills it in")
    return 0


@click.command("demo", cls=Command, failed=(BuildError, TimingError, ToolError, TrainingError, OSError))
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(record: bool) -> int:
    """Train digits, run them on the simulated hardware, build the bitstream.

    All held-out images run on the RTL; the exit status is 1 if a logit or a cycle count differs from PyTorch's or the
    model's.
    """
    with ProcessPoolExecutor(1) as pool:
        board = board_named(BOARD)
        bitstream = pool.submit(build, board, ArrayConfig.preset(board.preset), out=OUT / "bitstream")
        return demo(Console(), bitstream, record)
