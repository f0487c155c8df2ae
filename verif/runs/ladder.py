"""The digits program further down: on netlists after synthesis, and on the bitstream turned back into Verilog.

`python -m signum.verif.runs.ladder` takes a board of each family through its flow, makes a virtual board of what comes
out, loads
the program through its serial pins with the driver of real boards, and compares every logit with the golden model and
the cycles of every run with those predicted.
"""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.tools import tool
from signum.fpga.host.device import Device
from signum.fpga.host.link import Link
from signum.fpga.host.netlist_board import bitstream_verilog, netlist_verilog, synthesize_without_pll
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.networks.digits import DIGITS_SHAPE, digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.golden.training.fit import load_digits_network
from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks.record import keep

__all__ = ["BOARDS", "RUNGS", "climb", "main"]

OUT = Path("build/ladder")
RUNGS = {"netlist": netlist_verilog, "bitstream": bitstream_verilog}
BOARDS = {"ice40": "ice40_hx8k_b_evn", "ecp5": "ulx3s-25f", "gowin": "tang_nano_9k"}
PRESET, IMAGES = "icebreaker", 40
TIMEOUT, QUIET = 1.0, 0.05      # of the link, in seconds of the board


def climb(rung: str, verilog: str, family: str, config: ArrayConfig, graph: Graph, images: int) -> dict[str, Any]:
    """Run the first held-out digits on what a board has become.

    Parameters
    ----------
    rung : str
        Of `RUNGS`.
    verilog : str
        What it gives for the board.
    family : str
        Of the board.
    config : ArrayConfig
        Of its array, which must be large enough for the graph.
    graph : Graph
        Of the digits.
    images : int
        How many.

    Returns
    -------
    dict
        The row of the report; ``cycles`` are those of the last run, ``cycles_per_s`` by the processor's time.

    Raises
    ------
    DeviceError, LinkError
        If the board does not do what the program says, or nothing.
    """
    program = compile_graph(graph, config)
    maps = digits_encoder().bits(digits().test.images[:images])
    last = graph.layers[-1]
    expected = last.values(graph.run(maps)[last.name])
    board = VirtualBoard(config, verilog=verilog)
    cycles: list[int] = []
    began = time.process_time()
    with contextlib.closing(board), Device(Link(board, timeout=TIMEOUT, quiet=QUIET)) as device:
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
    """Whether all logits and cycles are as they must be."""
    return not row["wrong"] and not row["runs_with_other_cycles"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 1 where a logit or a cycle count is another one."""
    parser = argparse.ArgumentParser(prog="python -m signum.verif.runs.ladder", description=__doc__)
    parser.add_argument("--preset", default=PRESET, help=f"array ({PRESET})")
    parser.add_argument("--images", type=int, default=IMAGES,
                        help=f"held-out digits ({IMAGES}); all are {len(digits().test.labels)}")
    parser.add_argument("--network", type=Path, help="build/demo/digits.pt of `make demo`; random weights by default")
    parser.add_argument("--record", action="store_true", help="keep the report for the pages (docs/performance)")
    options = parser.parse_args(arguments)
    console = Console()
    graph = digits_graph_untrained()
    if options.network:
        trained = load_digits_network(options.network)
        graph = fold(trained.model, trained.encoder, DIGITS_SHAPE)
    config = ArrayConfig.preset(options.preset)
    rows = []
    for family, name in BOARDS.items():
        board, folder = board_named(name), OUT / family
        console.print(f"{family}: synthesis")
        synthesize_without_pll(board, config, folder)
        for rung, verilog in RUNGS.items():
            if rung == "bitstream" and (family != "ice40" or not tool("icebox_vlog").available):
                continue
            console.print(f"{family}: {rung}")
            row = {**climb(rung, verilog(board, folder), family, config, graph, options.images),
                   "board": name, "preset": options.preset}
            console.print_json(json.dumps(row))
            rows.append(row)
            (OUT / "report.json").write_text(json.dumps({"rows": rows, "config": config.to_dict()}, indent=2) + "\n")
    if not all(map(right, rows)):
        return 1
    if options.record:
        keep("ladder", OUT / "report.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
