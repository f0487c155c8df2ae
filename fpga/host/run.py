"""The commands ``run`` and ``board-sim``: a program file on a board or on a virtual board."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.flash_contents import flash_program
from signum.fpga.flow.lines.board_line import BoardError
from signum.fpga.flow.lines.ethernet_line import Ethernet
from signum.fpga.flow.program_file import ProgramFile, ProgramFileError
from signum.fpga.flow.tools import ToolError
from signum.golden.compiler.compile import CapacityError, compile_graph
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.input_tables import host_tables, looked_up
from signum.golden.compiler.program import Program
from signum.golden.compiler.sizing import compile_fitted
from signum.golden.compiler.weight_streaming import Streamed
from signum.golden.layers.encoder import Encoder
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.control.answer_geometry import AnswerKind
from signum.hdl.host.write_list_dma import UP5K_WORDS
from signum.hdl.lib.command import FILE, Command, Integer

from .device import Device, DeviceError
from .flash_staged_device import FlashStagedDevice
from .images import ImagesError, read_images, save_results
from .link import Link, LinkError
from .model import ModelError
from .ports import open_port
from .pseudo_terminal import PseudoTerminal
from .staged_device import StagedDevice
from .udp_bridge import UDPBridge
from .virtual_board import VirtualBoard

__all__ = ["SIM", "DataError", "accuracy", "board_sim_command", "connect", "run_command", "run_program",
           "virtual_board"]

SIM = "sim"
PRESET = "ecp5_2k"
ETHERNET_CLOCK = 100e6
WINDOW_BITS = 10 * (1 << 14)    # of the largest window of a board


Maps = Any
"""Input maps by name, or pixels."""
Told = Callable[[np.ndarray], None]


class DataError(ValueError):
    """Inputs or labels that do not match the program; in one line."""


FAILED = (DeviceError, LinkError, ModelError, ToolError, OSError)
"""Errors of the board, the line to it and the virtual board."""


@contextlib.contextmanager
def virtual_board(config: ArrayConfig, console: Console, loader: int = 0,
                  udp_port: int | None = None) -> Iterator[tuple[VirtualBoard, str]]:
    """A virtual board behind a pseudo-terminal, or in a network at a UDP port, and the name of its port."""
    with console.status("building the virtual board (kept under build/model)"):
        if udp_port is None:
            board = VirtualBoard(config, loader=loader)
        else:
            board = VirtualBoard(config, loader=loader, clock=ETHERNET_CLOCK, line=Ethernet())
    with (contextlib.closing(board),
          PseudoTerminal(board) if udp_port is None else UDPBridge(board, udp_port) as server):
        yield board, server.port


def device_of(link: Link, program: Program | Graph | Streamed | None, encoder: Encoder | None = None, *,
              flash: bool) -> Device:
    """The driver of a board for a program; a network in a flash may be in stages."""
    if not flash:
        return (StagedDevice if isinstance(program, Streamed) else Device)(link)
    device = Device(link)
    if isinstance(program, Graph):
        try:
            program = flash_program(program, device.config, encoder)
        except CapacityError as error:
            raise DataError(f"the network must fit the board's array: {error}") from None
    return FlashStagedDevice(link) if isinstance(program, Streamed) else device


@contextlib.contextmanager
def connect(port: str, baud: int, program: Program | Graph | Streamed | None, console: Console,
            encoder: Encoder | None = None, *, flash: bool = False) -> Iterator[Device]:
    """The board at a port (`open_port`); for "sim" a virtual board with the program's array, and a loader if needed.

    A real board may be asked for its array first, without a program; with ``flash`` it has the program.
    """
    staged = isinstance(program, Streamed)
    with contextlib.ExitStack() as stack:
        timeout = 0.2 + WINDOW_BITS / baud
        if port == SIM:
            assert program is not None
            assert not isinstance(program, Graph)
            _, port = stack.enter_context(virtual_board(program.config, console, UP5K_WORDS if staged else 0))
            timeout = 5.0                       # large arrays simulate slowly
        transport = open_port(port, baud)
        stack.callback(transport.close)
        yield device_of(Link(transport, timeout=timeout), program, encoder, flash=flash)


def read_array(path: Path) -> np.ndarray:
    """An array from a file ``.npy``; DataError for other files."""
    try:
        return read_images(path)
    except ImagesError as error:
        raise DataError(str(error)) from None


def _program_file(path: Path) -> ProgramFile:
    try:
        return ProgramFile.load(path)
    except OSError as error:
        raise DataError(f"{path} must be a readable file: {error.strerror}") from None


def input_maps(program: Program | Streamed, encoder: Encoder | None, images: np.ndarray) -> Mapping[str, np.ndarray]:
    """The program's input maps: the code of images (B, C, H, W) by its encoder, or without one the only map itself."""
    if not len(images):
        raise DataError("the input must be at least one image, not none")
    if encoder is None:
        if len(program.inputs) != 1:
            raise DataError(f"the program must have an encoder, for it has the inputs {', '.join(program.inputs)}")
        if images.dtype.kind not in "biu":
            raise DataError(f"the input must be bits or integers, not {images.dtype}")
        return {next(iter(program.inputs)): images}
    try:
        return encoder.bits(images)
    except ValueError as error:
        raise DataError(str(error)) from None


def inputs_of(program: Program | Streamed, encoder: Encoder | None, images: np.ndarray) -> Any:
    """What a device takes of images (B, C, H, W): the pixels, for a program that takes pixels, or its input maps."""
    if isinstance(program, Streamed) or not program.streams:
        return input_maps(program, encoder, images)
    if encoder is None:
        return images
    try:
        return looked_up(host_tables(program, encoder), encoder.pixels(images))
    except (ValueError, CapacityError) as error:
        raise DataError(str(error)) from None


def compiled(file: ProgramFile, config: ArrayConfig, *, flash: bool = False) -> ProgramFile:
    """The file with its network compiled for an array, or as a build has it in the flash; DataError where it does not
    fit."""
    assert isinstance(file.program, Graph)
    try:
        program = flash_program(file.program, config, file.encoder) if flash else compile_graph(file.program, config)
        return dataclasses.replace(file, program=program)
    except CapacityError as error:
        raise DataError(f"the network must fit the board's array: {error}") from None


def fitted_to(file: ProgramFile, preset: str) -> ProgramFile:
    """The file with its network compiled for an array of the size of a preset, with the least memories for it."""
    assert isinstance(file.program, Graph)
    try:
        return dataclasses.replace(file, program=compile_fitted(file.program, ArrayConfig.preset(preset)))
    except CapacityError as error:
        raise DataError(f"the network must fit an array of the size of {preset}: {error}") from None


def accuracy(results: np.ndarray, labels: np.ndarray, *, classes: bool = False) -> float:
    """The share of results equal to the labels: the largest of raw results, (B, pixels, classes), the first of ranked
    ``classes``, (B, pixels, ranks), or elements."""
    if classes:
        found = results[..., 0]
    else:
        found = results if results.dtype in (np.bool_, np.uint8) else results.argmax(axis=-1)
    if found.size != labels[:len(found)].size:
        raise DataError(f"the labels must be {found.size // len(found)} for each image, "
                        f"not of the shape {labels.shape}")
    return float((found.reshape(labels[:len(found)].shape) == labels[:len(found)]).mean())


def load_and_infer(device: Device, program: Program | Streamed, *, flash: bool) -> Callable[[Maps, Told], np.ndarray]:
    """Load a program, or the stages of a network, or use those in the flash; returns the inference function."""
    if not isinstance(program, Streamed):
        (device.attach if flash else device.load)(program)
        return device.answer if program.streams else device.infer
    assert isinstance(device, StagedDevice)
    staged, name = device, program.output
    staged.load_stages(program.graph, program.stages)

    def infer(maps: Maps, progress: Told) -> np.ndarray:
        return staged.infer_stages(maps, lambda made: progress(made[name]))[name]

    return infer


def run_program(device: Device, file: ProgramFile, images: np.ndarray, labels: np.ndarray | None,
                console: Console, *, flash: bool = False) -> np.ndarray:
    """Load a program, run it on images with a progress bar, and print a summary; returns the results."""
    assert not isinstance(file.program, Graph)
    maps = inputs_of(file.program, file.encoder, images)
    ranks = isinstance(file.program, Program) and file.program.streams and (
        file.program.answer_fields.get("kind", AnswerKind.RANKS) == AnswerKind.RANKS)
    began = time.monotonic()
    infer = load_and_infer(device, file.program, flash=flash)
    loaded = time.monotonic() - began
    parts: list[np.ndarray] = []
    latencies: list[float] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = last = time.monotonic()

    def told() -> str:
        done = sum(map(len, parts))
        text = f"{done / (last - began):.1f} images/s, {1000 * float(np.median(latencies)):.1f} ms a run"
        if labels is None:
            return text
        return text + f", {100 * accuracy(np.concatenate(parts), labels, classes=ranks):.2f} % right"

    with Progress(*columns, console=console) as bar:
        task = bar.add_task("running", total=len(images))

        def progress(found: np.ndarray) -> None:
            nonlocal last
            now = time.monotonic()
            latencies.append(now - last)
            last = now
            parts.append(found)
            bar.update(task, advance=len(found), description=told())

        results = infer(maps, progress)
    counters = device.read_counters()
    table = Table(title=file.name or None, show_header=False)
    rows = {
        "images": str(len(results)),
        "images a second": f"{len(results) / (last - began):.1f}",
        "latency of a run, median": f"{1000 * float(np.median(latencies)):.1f} ms",
        "images of a run": str(file.program.images),
        **({"stages": str(len(file.program.stages))} if isinstance(file.program, Streamed)
           else {"cycles of a run": str(counters.cycles)}),
        "seconds to load": f"{loaded:.2f}",
        "frames sent again": str(counters.retries),
        "programs loaded again": str(counters.reloads),
    }
    if labels is not None:
        rows["accuracy"] = f"{100 * accuracy(results, labels, classes=ranks):.2f} %"
    for row in rows.items():
        table.add_row(*row)
    console.print(table)
    return results


@click.command("run", cls=Command, refused=(BoardError, ConfigError, DataError, ProgramFileError), failed=FAILED)
@click.option("--port", required=True, help="Serial port, such as /dev/ttyUSB1, or udp:ADDRESS, or usb; "
              f"{SIM} is a virtual board.")
@click.option("--program", type=FILE, required=True, help="Program file (.sgn).")
@click.option("--input", "images_path", type=FILE, required=True,
              help="Images (.npy), one an entry of the first axis.")
@click.option("--labels", "labels_path", type=FILE, help="Right answers (.npy), for the accuracy.")
@click.option("--out", type=FILE, help="File for the results (.npy).")
@click.option("--board", default="icebreaker", show_default=True, metavar="NAME", help="The board, for its baud rate.")
@click.option("--baud", type=Integer(1), metavar="N", help="Bits a second; by default the board's.")
@click.option("--flash", is_flag=True, help="The board has the program, or the network, in its flash.")
@click.option("--preset", default=PRESET, show_default=True, metavar="NAME",
              help="Size of a virtual board's array, for a network that is not compiled.")
def run_command(port: str, program: Path, images_path: Path, labels_path: Path | None, out: Path | None,
                board: str, baud: int | None, flash: bool, preset: str) -> None:
    """Run a program file on the board at a serial port, or in a network.

    A network of `signum import` is compiled for the array that the board tells.
    """
    console = Console()
    file = _program_file(program)
    images = read_array(images_path)
    labels = None if labels_path is None else read_array(labels_path)
    for name, array in (("input", images), ("labels", labels)):
        if array is not None and not array.ndim:
            raise DataError(f"the {name} must be an array of one or more axes, not one number")
    if labels is not None and len(labels) != len(images):
        raise DataError(f"the labels must be as many as the images, {len(images)}, not {len(labels)}")
    if flash and port == SIM:
        raise DataError(f"flash must be left out with the port {SIM}, whose board has none")
    if isinstance(file.program, Graph) and port == SIM:
        file = fitted_to(file, preset)
    rate = baud or board_named(board).baud
    with connect(port, rate, file.program, console, file.encoder, flash=flash) as device:
        if isinstance(file.program, Graph):
            file = compiled(file, device.config, flash=flash)
        results = run_program(device, file, images, labels, console, flash=flash)
    if out:
        save_results(out, results)
        console.print(f"results of shape {results.shape} in {out}")


@click.command("board-sim", cls=Command, refused=(ConfigError, DataError, ProgramFileError), failed=FAILED)
@click.option("--preset", default="icebreaker", show_default=True, metavar="NAME", help="Configuration by name.")
@click.option("--program", type=FILE, help="The configuration of a program file.")
@click.option("--udp", type=Integer(0), metavar="PORT", help="With Ethernet, at this UDP port of 127.0.0.1.")
def board_sim_command(preset: str, program: Path | None, udp: int | None) -> None:
    """Serve a virtual board at a pseudo-terminal, or at a UDP port, until Ctrl-C."""
    console = Console()
    loaded = _program_file(program).program if program else None
    if isinstance(loaded, Graph):
        raise DataError(f"{program} must be a compiled program, not a network for any array")
    config = loaded.config if loaded else ArrayConfig.preset(preset)
    loader = UP5K_WORDS if isinstance(loaded, Streamed) else 0
    with virtual_board(config, console, loader, udp) as (board, port):
        console.print(f"the virtual board is at {port}: {config.rows} x {config.cols} elements of {config.lanes} "
                      "lanes; Ctrl-C ends it", soft_wrap=True)
        began = time.monotonic()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(1)
        console.print(f"{board.cycles} cycles in {time.monotonic() - began:.1f} s")
