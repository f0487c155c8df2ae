"""Two explorations: the number of fitting candidates, the best array, and its estimated and synthesized size."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from signum.fpga.explore.cache import Cache
from signum.fpga.explore.candidates import axes_of
from signum.fpga.explore.explore import Runner, explore
from signum.fpga.flow.boards import board_named
from signum.verif.benchmarks.record import BUILD, Row, save, versions

__all__ = ["CASES", "exploration_row", "measure"]

CASES: tuple[tuple[str, str, int, Mapping[str, Sequence[int]]], ...] = (
    ("cnv", "ulx3s-85f", 0, {}),
    ("digits", "ulx3s-12f", 1, {"rows": (1, 2, 4), "cols": (4, 8), "lanes": (16, 32), "tile": (8,),
                                "pipeline": (1,), "drain_width": (1, 2)}),
)
"""Network, board, number of synthesized candidates, and the values to try unless the defaults."""

CLOCK = 100e6       # Hz, of all boards


def exploration_row(result: Mapping[str, Any]) -> Row:
    """The row of a result of `explore`: the fitting candidates, and the best array by the models and by synthesis."""
    best = result["candidates"][result["best"]]
    device = board_named(result["board"]).capacity
    measured = best["measured"] or {}
    return {"network": result["network"], "board": result["board"], "candidates": len(result["candidates"]),
            "fit": sum(row["fits"] for row in result["candidates"]),
            **{name: best["config"][name] for name in ("rows", "cols", "lanes", "tile", "drain_width")},
            "mode": best["mode"], "lut": best["lut"], "lut_capacity": device.luts, "ram": best["ram"],
            "ram_capacity": device.rams, "lut_synthesized": measured.get("lut"),
            "ram_synthesized": measured.get("ram"),
            "clock_mhz": best["clock_mhz"], "images_per_s": round(best["images_per_s"])}


def measure(console: Console) -> Path:
    """Write ``exploration.json``."""
    runner = Runner(Cache(BUILD / "exploration"), None, lambda *_: None)
    rows = []
    for network, name, top, axes in CASES:
        board = board_named(name)
        result = explore(network, board, runner, axes={**axes_of(board), **axes}, top=top,
                         frequency=board.pll(CLOCK).frequency)
        rows.append(exploration_row(result))
        console.print_json(data=rows[-1])
    return save("exploration", rows, versions("yosys"))
