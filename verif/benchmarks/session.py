"""The digits network on a virtual board, loaded and run over its serial pins: cycles and seconds."""

import contextlib
import time
from pathlib import Path

from rich.console import Console

from signum.fpga.host.device import Device
from signum.fpga.host.link import Link
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.compile import compile_graph
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks.record import save, versions

__all__ = ["PRESET", "measure"]

PRESET = "icebreaker"


def measure(console: Console) -> Path:
    """Write ``session.json``: cycles of the board for all held-out images, and processor seconds."""
    program = compile_graph(digits_graph_untrained(0), ArrayConfig.preset(PRESET))
    images = digits().test.images
    board = VirtualBoard(program.config)
    began = time.process_time()
    with contextlib.closing(board), Device(Link(board)) as device:
        device.load(program)
        device.infer(digits_encoder().bits(images))
        cycles, counters = board.cycles, device.read_counters()
    seconds = time.process_time() - began
    runs = -(-len(images) // program.images)
    row = {"preset": PRESET, "images": len(images), "cycles": cycles, "cycles_of_runs": runs * counters.cycles,
           "seconds": round(seconds, 1), "cycles_per_s": round(cycles / seconds)}
    console.print(f"{len(images)} images: {cycles} cycles in {seconds:.1f} s of the processor", highlight=False)
    return save("session", [row], versions("verilator"))
