"""Cycles of networks whose weights stream from the host while the array runs, for links of three speeds."""

from fractions import Fraction
from pathlib import Path

from rich.console import Console

from golden.depths import roomy
from golden.networks import NETWORKS
from golden.streaming import plan_streamed, streamed_costs
from hdl.config import ArrayConfig

from .networks import ARRAYS, STAGE_DEPTHS
from .record import Row, save

__all__ = ["LINKS", "STREAMED", "measure", "streaming_rows"]

STREAMED = ("cnv", "vgg_small", "resnet18")
LINKS = (Fraction(1, 2), Fraction(1, 16), Fraction(1, 256))
"""32-bit words in a cycle of the array: the bus at its fastest, 100 Mbit/s and 6 Mbit/s at 50 MHz."""


def array() -> ArrayConfig:
    """2,048 operations a cycle in few rows, with the memories of `STAGE_DEPTHS`."""
    config = next(config for config in ARRAYS if (config.rows, config.cols) == (2, 32))
    return roomy(config).replace(**STAGE_DEPTHS)


def streaming_rows(name: str) -> list[Row]:
    """A row for each link: an image alone, on an array that holds nothing of the network before."""
    config = array()
    stages = plan_streamed(NETWORKS[name](), config, split=True)
    rows = []
    for rate in LINKS:
        costs = streamed_costs(stages, rate)
        cycles = sum(cost.cycles for cost in costs)
        spent = sum(cost.array for cost in costs)
        rows.append({"network": name, "binops_per_cycle": config.binops_per_cycle, "words_per_cycle": float(rate),
                     "stages": len(costs), "stages_bound_by_link": sum(cost.bound == "link" for cost in costs),
                     "cycles_of_array": spent, "cycles_between": round(float(sum(cost.between for cost in costs))),
                     "cycles": round(float(cycles)), "array_busy": round(float(spent / cycles), 4)})
    return rows


def measure(console: Console) -> Path:
    """Write ``streaming.json``."""
    rows = [row for name in STREAMED for row in streaming_rows(name)]
    for row in rows:
        console.print(f"{row['network']:10} {row['words_per_cycle']} words a cycle: {row['cycles']} cycles, the array "
                      f"busy in {100 * row['array_busy']:.1f} %", highlight=False)
    return save("streaming", rows, {})
