"""Networks at the pins of boards: images a second and latencies, over each board's line, for hosts of some latency.

`make bench-pins`. The top of each board, as emitted, runs in Verilator at the board's clock, with a serial line, a USB
cable or a network at its pins; the host is `fpga.host.device.Device`. Bytes to the board wait in the port of the host
and leave without a gap, or as its bus has them; bytes from it are seen after the host's latency. A board that boots
from its flash has a model of the flash at its pins; its power-up ends with the first answer, to a host that waits with
an image. The iCEBreaker with a camera has no host: the sensor's pins have frames, and the answers are text.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from signum.fpga.flow.board_record import SERIAL
from signum.fpga.flow.boards import board_named
from signum.fpga.flow.boot_image import boot_image, joined
from signum.fpga.flow.camera_view import camera_view
from signum.fpga.flow.lines.board_line import BoardLine
from signum.fpga.flow.lines.serial_line import SerialPort
from signum.fpga.flow.lines.usb_line import USB
from signum.fpga.host.device import Device
from signum.fpga.host.link import Link
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.answers import Answers, ranked
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.stream_cycles import interval_cycles
from signum.golden.layers.encoder import Encoder, Thermometer
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.networks.geometry import cnv, with_random_weights
from signum.golden.reference.camera import scaled_frame
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig
from signum.verif.bench.delayed_line import DelayedLine
from signum.verif.bench.sensor import SensorWave
from signum.verif.bench.usb_cable import USBEnd
from signum.verif.benchmarks.record import Row, save, versions
from signum.verif.runs.camera import camera_frame, expected_classes, run_camera

__all__ = ["DELAYS", "measure", "rows"]

DELAYS = 0.0, 0.001, 0.016
"""Latencies of hosts in seconds: none; an FTDI chip in low-latency mode; its default."""

BITS_OF_BYTE = 10
FULL_SPEED_BYTES = 19 * 64 * 1000       # a second: so many packets in a frame of the bus (USB 2.0, 5.8.4)
NETWORK_BYTES = 125e6
STEP = 1000
FRAMES = 12             # of the camera
FEW = 20                # arrivals
SHARE = 0.95
"""Of a bound, above which it binds."""


@dataclass(frozen=True)
class Case:
    """A network on a board: its graph, encoder, and images (B, C, H, W), streamed ``repeats`` times.

    The board has its own clock, or another ``frequency`` in Hz for which the preset was placed.
    """

    board: str
    preset: str
    network: str
    graph: Graph
    encoder: Encoder
    images: np.ndarray
    repeats: int
    line: str = SERIAL
    split: bool = False
    in_flash: bool = False
    delays: tuple[float, ...] = DELAYS
    frequency: float | None = None

    def values(self, repeats: int) -> np.ndarray:
        return self.encoder.values(np.concatenate([self.images] * repeats)).astype(np.uint8)

    def expected(self, repeats: int) -> np.ndarray:
        layer = self.graph.layers[-1]
        once = ranked(layer.values(self.graph.run(self.encoder.bits(self.images))[layer.name]), 1)
        return np.concatenate([once] * repeats)


def digits_case() -> Case:
    return Case("icebreaker", "icebreaker_pixels", "digits", digits_graph_untrained(0), digits_encoder(),
                digits().test.images, 4)


def cnv_case() -> Case:
    """FINN's CNV on an ECP5, whose weights are in the flash."""
    images = np.random.default_rng(1).integers(0, 256, (6, 3, 32, 32))
    return Case("ulx3s-85f", "ecp5_cnv", "cnv", with_random_weights(cnv(), 1), Thermometer(7, 255), images, 3,
                split=True, in_flash=True, delays=DELAYS[:2])


def usb_case() -> Case:
    """The same over USB at full speed, whose host polls."""
    return dataclasses.replace(cnv_case(), line="usb", delays=DELAYS[:1])


def ethernet_case() -> Case:
    """The same over gigabit Ethernet, which brings the weights, too."""
    return dataclasses.replace(cnv_case(), board="ecpix5-85", line="ethernet", in_flash=False, repeats=8)


def large_case() -> Case:
    """CNV at 16,384 operations a cycle, an image in each of eight rows, at the clock of `make boards`."""
    images = np.random.default_rng(1).integers(0, 256, (8, 3, 32, 32))
    return Case("ecpix5-85", "ecp5_cnv_16k", "cnv", with_random_weights(cnv(8), 1), Thermometer(8, 255), images, 24,
                line="ethernet", delays=DELAYS[:2], frequency=50e6)


def bytes_a_second(line: BoardLine, clock: float) -> float:
    """Of frames, at most; the bridge takes one a cycle."""
    if isinstance(line, SerialPort):
        return line.baud / BITS_OF_BYTE
    return FULL_SPEED_BYTES if isinstance(line, USB) else min(clock, NETWORK_BYTES)


def run_case(case: Case, delay: float) -> Row:
    """Stream the images over the line of a board, compare the answers, and measure."""
    board, config = board_named(case.board), ArrayConfig.preset(case.preset)
    clock = board.pll(case.frequency or board.frequency).frequency
    line = board.line(case.line)
    program = compile_graph(case.graph, config, split=case.split, answers=Answers())
    boot = board.boot_place() if case.in_flash else None
    virtual = VirtualBoard(config, clock=clock, line=line, end=USBEnd(clock) if isinstance(line, USB) else None,
                           window=line.window or board.window, boot=boot,
                           flash=joined(b"", boot_image(program), boot.address) if boot else b"")
    arrivals: list[tuple[int, int]] = []

    def note(found: np.ndarray) -> None:
        arrivals.append((virtual.cycles, arrivals[-1][1] + len(found) if arrivals else len(found)))

    with contextlib.closing(DelayedLine(virtual, delay)) as delayed:
        while virtual.busy:
            virtual.run(STEP)
        device = Device(Link(delayed, timeout=delay + (0.2 if case.line == SERIAL else 0.02)))
        if boot:
            device.attach(program)
        else:
            device.load(program)
        begin = virtual.cycles
        one = device.answer(case.values(1)[:1])
        latency = (virtual.cycles - begin) / clock
        power_up = round(1000 * virtual.cycles / clock, 2) if boot else None
        found = device.answer(case.values(case.repeats), note)
        retries = device.link.retries
    expected = case.expected(case.repeats)
    if retries or not np.array_equal(found.reshape(expected.shape), expected) or not np.array_equal(one, found[:1]):
        raise AssertionError(f"{case.network} on {case.board} must be answered as by golden, and without a repetition")
    # of many images the middle half: at the end, frames that wait on the board are answered without the line
    ends = (len(found) // 4, 3 * len(found) // 4) if len(arrivals) > FEW else (0, len(found))
    (first, before), (last, answered) = (next(each for each in arrivals if each[1] >= end) for end in ends)
    rate = (answered - before) / (last - first) * clock
    array = clock / interval_cycles(program)
    size = case.values(1)[0].size
    bounds = {"line": bytes_a_second(line, clock) / size, "array": array}
    binds = min(bounds, key=lambda name: bounds[name])
    if rate < SHARE * bounds[binds]:
        binds = "host latency" if delay else f"{binds}, with its frames"
    return {"board": case.board, "preset": case.preset, "link": line.text.split(", UDP")[0],
            "network": case.network, "clock_mhz": round(clock / 1e6, 3), "bytes_in": size,
            "host_latency_ms": 1000 * delay, "images": len(found), "images_per_s": round(rate),
            "array_images_per_s": round(array), "line_images_per_s": round(bounds["line"]),
            "latency_ms": round(1000 * latency, 3), "power_up_ms": power_up, "binds": binds}


def camera_row() -> Row:
    """Digits from frames of a sensor, by the program in the flash of the iCEBreaker: a camera has no latency."""
    board, name = board_named("icebreaker"), "hm01b0"
    config, sensor = ArrayConfig.preset(board.camera_preset), board.sensor(name)
    clock, rng, graph = board.pll(board.frequency).frequency, np.random.default_rng(1), digits_graph_untrained(0)
    program = compile_graph(graph, config, split=True, answers=Answers())
    boot, view, wave = board.boot_place(), camera_view(sensor, program), SensorWave(sensor, rng)
    frames = [camera_frame(digit[0], sensor.height, sensor.width, rng) for digit in digits().test.images[:FRAMES]]
    virtual = VirtualBoard(config, clock=clock, line=board.line(), boot=boot, camera=view,
                           flash=joined(b"", boot_image(program), boot.address))
    with contextlib.closing(virtual):
        run = run_camera(virtual, wave, frames, {})
    expected = expected_classes(graph, digits_encoder(), np.stack([scaled_frame(frame, view.scaling)
                                                                   for frame in frames]))
    if run.classes != expected.tolist():
        raise AssertionError("frames of the camera must be answered as by golden")
    array = clock / interval_cycles(program)
    rate = clock / float(np.mean([wave.frame(frame)[:, 1].sum() for frame in frames]))
    return {"board": board.name, "preset": board.camera_preset, "link": "camera, HM01B0", "network": "digits",
            "clock_mhz": round(clock / 1e6, 3), "bytes_in": sensor.height * sensor.width, "host_latency_ms": 0.0,
            "images": FRAMES, "images_per_s": round(rate), "array_images_per_s": round(array),
            "line_images_per_s": round(rate), "latency_ms": None,
            "power_up_ms": round(1000 * run.power_up_cycles / clock, 2), "binds": "sensor"}


def rows(cases: Iterator[Case] | list[Case], progress: Callable[[str], None] = lambda text: None) -> Iterator[Row]:
    for case in cases:
        for delay in case.delays:
            progress(f"{case.network} on {case.board}, {1000 * delay:g} ms")
            yield run_case(case, delay)


def measure(console: Console) -> Path:
    """Write ``pins.json`` and show it as a table."""
    with console.status("") as status:
        found = list(rows([digits_case(), cnv_case(), usb_case(), ethernet_case(), large_case()], status.update))
        status.update("digits from a camera")
        found.append(camera_row())
    shown = ("board", "link", "network", "clock_mhz", "host_latency_ms", "images_per_s", "array_images_per_s",
             "latency_ms", "power_up_ms", "binds")
    table = Table("board", "link", "network", "MHz", "host, ms", "images/s", "array", "latency, ms", "power-up, ms",
                  "binds", box=None)
    for row in found:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in shown))
    console.print(table)
    return save("pins", found, versions("verilator"))
