"""The ladder: the digits program on netlists after synthesis, and on the bitstream turned back into Verilog.

`signum ladder` takes a board of each family through its flow, makes a virtual board of the result, loads the program
through its serial pins with the driver of real boards, and compares every logit with the golden model and the cycles
of every run with the prediction.
"""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.tools import BuildError, ToolError, tool
from signum.fpga.host.device import Device, DeviceError
from signum.fpga.host.link import Link, LinkError
from signum.fpga.host.model import ModelError
from signum.fpga.host.netlist_board import bitstream_verilog, netlist_verilog, synthesize_without_pll
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.networks.digits import DIGITS_SHAPE, digits_encoder, digits_graph_untrained
from signum.golden.training.checkpoint import StoreError
from signum.golden.training.data import digits
from signum.golden.training.fit import load_digits_network
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.lib.command import FILE, Command, Integer
from signum.verif.benchmarks.record import keep

__all__ = ["BOARDS", "RUNGS", "climb", "command"]

OUT = Path("build/ladder")
RUNGS = {"netlist": netlist_verilog, "bitstream": bitstream_verilog}
BOARDS = "ice40_hx8k_b_evn", "ulx3s-25f", "tang_nano_9k"
"""One board of each family."""
PRESET, IMAGES = "icebreaker", 40
TIMEOUT = 1.0       # of the link, in seconds of the board


def climb(rung: str, verilog: str, family: str, config: ArrayConfig, graph: Graph, images: int) -> dict[str, Any]:
    """Run the first held-out digits on the netlist of a board.

    Parameters
    ----------
    rung : str
        A name in `RUNGS`.
    verilog : str
        The Verilog of the board.
    family : str
        Family of the board.
    config : ArrayConfig
        The board's array, large enough for the graph.
    graph : Graph
        The digits network.
    images : int
        Number of images.

    Returns
    -------
    dict
        The row of the report; ``cycles`` of the last run, ``cycles_per_s`` of processor time.

    Raises
    ------
    DeviceError, LinkError
        If the board deviates from the program, or does not respond.
    """
    program = compile_graph(graph, config)
    maps = digits_encoder().bits(digits().test.images[:images])
    last = graph.layers[-1]
    expected = last.values(graph.run(maps)[last.name])
    board = VirtualBoard(config, verilog=verilog)
    cycles: list[int] = []
    began = time.process_time()
    with contextlib.closing(board), Device(Link(board, timeout=TIMEOUT)) as device:
        device.load(program)
        found = device.infer(maps, lambda results: cycles.append(device.read_counters().cycles))
        rate = board.cycles / (time.process_time() - began)
    predicted = predict_cycles(config, program.records)
    return {
        "rung": rung,
        "family": family,
        "images": len(found),
        "logits": expected.size,
        "wrong": int((found.reshape(expected.shape) != expected).sum()),
        "cycles": cycles[-1],
        "cycles_predicted": predicted,
        "runs_with_other_cycles": sum(count != predicted for count in cycles),
        "cycles_per_s": round(rate),
    }


def right(row: dict[str, Any]) -> bool:
    """Whether all logits and cycles are right."""
    return not row["wrong"] and not row["runs_with_other_cycles"]


@click.command("ladder", cls=Command, refused=(ConfigError, StoreError),
               failed=(BuildError, LinkError, DeviceError, ModelError, ToolError, OSError))
@click.option("--preset", default=PRESET, show_default=True, metavar="NAME", help="Array by name.")
@click.option("--images", type=Integer(1), default=IMAGES, show_default=True, help="Held-out digits, of 360.")
@click.option("--network", type=FILE, help="build/demo/digits.pt of `signum demo`; by default random weights.")
@click.option("--record", is_flag=True, help="Keep the report for the pages, in docs/performance.")
def command(preset: str, images: int, network: Path | None, record: bool) -> int:
    """Run digits on each family's netlist, and on a bitstream read back.

    The bitstream is one for iCE40, turned back into Verilog. The exit status is 1 where a logit or a cycle count is
    another one.
    """
    console = Console()
    config = ArrayConfig.preset(preset)
    graph = digits_graph_untrained()
    if network:
        trained = load_digits_network(network)
        graph = fold(trained.model, trained.encoder, DIGITS_SHAPE)
    rows = []
    for name in BOARDS:
        board = board_named(name)
        family, folder = board.family.name, OUT / board.family.name
        console.print(f"{family}: synthesis")
        synthesize_without_pll(board, config, folder)
        for rung, verilog in RUNGS.items():
            if rung == "bitstream" and not (board.family.read_back and tool("icebox_vlog").available):
                continue
            console.print(f"{family}: {rung}")
            row = {**climb(rung, verilog(board, folder), family, config, graph, images),
                   "board": name, "preset": preset}
            console.print_json(json.dumps(row))
            rows.append(row)
            (OUT / "report.json").write_text(json.dumps({"rows": rows, "config": config.to_dict()}, indent=2) + "\n")
    if not all(map(right, rows)):
        return 1
    if record:
        keep("ladder", OUT / "report.json")
    return 0
