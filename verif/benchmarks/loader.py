"""Cells and clock of the smallest board, without and with the loader (`make bench-loader`)."""

from pathlib import Path

from rich.console import Console

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.build import build
from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks.record import BUILD, Row, save

__all__ = ["BOARD", "measure"]

BOARD = "icebreaker"


def measure(console: Console) -> Path:
    """Write ``loader.json``."""
    board = board_named(BOARD)
    rows: list[Row] = []
    tools = {}
    for loader in (False, True):
        report = build(board, ArrayConfig.preset(board.preset), out=BUILD / "loader", loader=loader)
        rows.append({"board": BOARD, "preset": board.preset, "loader": "with" if loader else "without",
                     **{name: report[name] for name in ("lut", "lut_capacity", "ff", "ram", "fmax_mhz", "clock_mhz")}})
        tools = report["tools"]
        console.print(f"{rows[-1]['loader']} a loader: {report['lut']} logic cells, {report['fmax_mhz']:.1f} MHz",
                      highlight=False)
    rows.append({"board": BOARD, "loader": "difference", "lut": rows[1]["lut"] - rows[0]["lut"]})
    return save("loader", rows, tools)
