"""The camera demo: a board without a host, from power-up to the answers to digits that its camera sees.

The board is the emitted top of an iCEBreaker in Verilator, with its clock: boot loader, camera, accelerator, and text
on the serial port. A model of the flash holds the image of the program; a sensor's port shows the held-out digits,
enlarged into frames of 160 x 120 pixels, with noise, jitter, blanking, and broken frames between them.
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.boards import board_named
from signum.fpga.flow.boot_image import boot_image, joined
from signum.fpga.flow.camera_view import camera_view
from signum.fpga.flow.program_file import ProgramFile
from signum.fpga.flow.tools import ToolError
from signum.fpga.host.model import ModelError
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.answers import Answers, ranked
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.layers.encoder import Encoder
from signum.golden.networks.digits import DIGITS_SHAPE
from signum.golden.reference.camera import scaled_frame
from signum.golden.training.data import digits
from signum.golden.training.fit import TrainedDigits, load_digits_network, train_digits
from signum.golden.training.trainer import TrainingError
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.command import Command, Integer
from signum.verif.bench.sensor import Broken, SensorWave
from signum.verif.benchmarks.record import keep

__all__ = ["CameraRun", "camera_frame", "command", "run_camera"]

OUT = Path("build/camera")
TRAINED = Path("build/demo/digits.pt")
BOARD, SENSOR = "icebreaker", "hm01b0"
SEED = 1
WIDTH, HEIGHT = 160, 120        # of the picture in a frame
WHITE = 255
NOISE = 3                       # largest change of a pixel
BROKEN_EVERY = 6                # frames
STEP = 1000                     # cycles between two looks at the line
LAST_CYCLES = 100_000


@dataclass
class CameraRun:
    """What a board answered.

    Members
    -------
    classes : list of int
        By the lines of text, in order.
    counts : list of int
        Their counts of answers.
    power_up_cycles : int
        From the end of the reset to the last character of the first answer.
    boot_cycles : int
        From the end of the reset to the begin of the program.
    cycles : int
        Of the whole run.
    """

    classes: list[int]
    counts: list[int]
    power_up_cycles: int
    boot_cycles: int
    cycles: int


def camera_frame(image: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A frame uint8 (height, width, 1) with a digit (8, 8) of values 0..16, enlarged to the height of a picture of
    160 x 120 pixels in its middle, with noise."""
    box = HEIGHT // len(image)
    large = np.minimum(WHITE, image.astype(np.int64) * (WHITE + 1) // 16).repeat(box, axis=0).repeat(box, axis=1)
    frame = np.zeros((height, width), np.int64)
    top, left = (height - HEIGHT) // 2, (width - large.shape[1]) // 2
    frame[top:top + large.shape[0], left:left + large.shape[1]] = large
    return np.clip(frame + rng.integers(-NOISE, NOISE + 1, frame.shape), 0, WHITE).astype(np.uint8)[..., None]


def run_camera(board: VirtualBoard, wave: SensorWave, frames: list[np.ndarray], broken: dict[int, Broken],
               progress: Progress | None = None) -> CameraRun:
    """Show frames to a board from power-up on, each with a broken one before it where ``broken`` has one.

    The first frame is shown again and again until its answer has come.
    """
    text = bytearray()
    boot = power_up = 0
    task = progress.add_task("showing frames", total=len(frames)) if progress else None
    while not text.endswith(b"\n"):
        if board.shown:
            board.show(wave.frame(frames[0]))
        busy = board.busy
        text += board.run(STEP)
        if not boot and busy and not board.busy:
            boot = board.cycles
        power_up = board.cycles
    while not board.shown:
        text += board.run(STEP)
    text += board.run(LAST_CYCLES)
    first = text.count(b"\n")
    for number, frame in enumerate(frames):
        if number in broken:
            board.show(wave.frame(frame, broken[number]))
        board.show(wave.frame(frame))
        while not board.shown:
            text += board.run(STEP)
        if progress and task is not None:
            progress.advance(task)
    text += board.run(LAST_CYCLES)
    lines = [line.split(": ") for line in text.decode("ascii").split("\r\n")[:-1]]
    return CameraRun([int(value, 16) for _, value in lines[first:]], [int(count, 16) for count, _ in lines[first:]],
                     power_up, boot, board.cycles)


def expected_classes(graph: Graph, encoder: Encoder, images: np.ndarray) -> np.ndarray:
    layer = graph.layers[-1]
    return ranked(layer.values(graph.run(encoder.bits(images))[layer.name]), 1).reshape(-1)


def trained_digits(console: Console) -> TrainedDigits:
    """The network of the demo, trained now if there is none."""
    with contextlib.suppress(OSError, ValueError):
        return load_digits_network(TRAINED)
    with console.status("training the digits network"):
        return train_digits(0)


def picture(path: Path, frames: list[np.ndarray], found: list[int], labels: np.ndarray) -> None:
    """A film strip: every frame of the first ones, with its answer."""
    columns, rows = 12, 3
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    for axes, frame, answer, label in zip(figure.subplots(rows, columns).flat, frames, found, labels, strict=False):
        axes.imshow(frame[..., 0], cmap="gray", vmin=0, vmax=WHITE, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(str(answer), fontsize=10, color="#1f5fa8" if answer == label else "#a83a3a", fontweight="bold")
    figure.suptitle("Frames of the camera, and the answers that left on the serial port", fontsize=10)
    figure.savefig(path, dpi=110)


def demo(console: Console, images: int) -> dict[str, Any]:
    """Run the demo; returns its report."""
    board: Board = board_named(BOARD)
    clock = board.pll(board.frequency).frequency
    config = ArrayConfig.preset(board.camera_preset)
    trained = trained_digits(console)
    graph = fold(trained.model, trained.encoder, DIGITS_SHAPE)
    program = compile_graph(graph, config, split=True, answers=Answers())
    sensor = board.sensor(SENSOR)
    view, boot = camera_view(sensor, program), board.boot_place()
    ProgramFile(program, trained.encoder, "digits").save(OUT / "digits.sgn")
    image = boot_image(program)
    rng = np.random.default_rng(SEED)
    shown, labels = digits().test.images[:images], digits().test.labels[:images]
    frames = [camera_frame(digit[0], sensor.height, sensor.width, rng) for digit in shown]
    kinds = list(Broken)
    broken = {number: kinds[number // BROKEN_EVERY % len(kinds)]
              for number in range(BROKEN_EVERY - 1, images, BROKEN_EVERY)}
    with console.status("building the virtual board (kept under build/model)"):
        virtual = VirtualBoard(config, clock=clock, line=board.line(), boot=boot, camera=view,
                               flash=joined(b"", image, boot.address))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with contextlib.closing(virtual), Progress(*columns, console=console) as bar:
        run = run_camera(virtual, SensorWave(sensor, rng), frames, broken, bar)
    expected = expected_classes(graph, trained.encoder, np.stack([scaled_frame(frame, view.scaling)
                                                                   for frame in frames]))
    together = min(len(expected), len(run.classes))
    mismatches = int((expected[:together] != run.classes[:together]).sum()) + abs(len(expected) - len(run.classes))
    picture(OUT / "film.png", frames, run.classes, labels)
    return {
        "board": BOARD, "sensor": SENSOR, "preset": board.camera_preset, "clock_mhz": clock / 1e6,
        "frames": len(frames), "answers": len(run.classes), "mismatches": mismatches,
        "accuracy": float((labels[:together] == run.classes[:together]).mean()),
        "broken_frames": len(broken), "broken_frames_dropped": len(broken) - max(0, len(run.classes) - len(expected)),
        "flash_image_bytes": len(image), "boot_ms": round(1000 * run.boot_cycles / clock, 2),
        "power_up_ms": round(1000 * run.power_up_cycles / clock, 2),
        "frames_per_s": round(len(frames) / (run.cycles / clock), 1), "cycles": run.cycles,
        "in_order": run.counts == list(range(run.counts[0], run.counts[0] + len(run.counts))) if run.counts else False,
    }


@click.command("demo-camera", cls=Command, failed=(ModelError, ToolError, TrainingError, OSError))
@click.option("--images", type=Integer(1), default=360, show_default=True, help="Held-out digits to show.")
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(images: int, record: bool) -> int:
    """Show digits to the camera of a board without a host, from power-up on.

    Writes build/camera/report.json, film.png, and the program as digits.sgn. The exit status is 1 if an answer differs
    from the golden model's for the same frame, or a frame has none.
    """
    console = Console()
    OUT.mkdir(parents=True, exist_ok=True)
    report = demo(console, min(images, len(digits().test.images)))
    (OUT / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    console.print_json(json.dumps(report))
    if report["mismatches"] or not report["in_order"]:
        return 1
    if record:
        keep("camera", OUT / "report.json")
    return 0
