"""Cycles of networks with weights streamed from the host, or from a loader, while the array runs."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from rich.console import Console

from signum.golden.compiler.sizing import roomy
from signum.golden.compiler.stages import Stage
from signum.golden.compiler.weight_streaming import (
    StreamedCost,
    loader_costs,
    loader_image,
    plan_streamed,
    streamed_costs,
)
from signum.golden.networks.digits import NETWORKS
from signum.golden.networks.geometry import with_random_weights
from signum.hdl.config import ArrayConfig
from signum.hdl.host.write_list_dma import UP5K_WORDS
from signum.verif.benchmarks.networks import ARRAYS, STAGE_DEPTHS
from signum.verif.benchmarks.record import Row, save

__all__ = ["LINKS", "LOADED", "STREAMED", "measure", "streaming_rows"]

STREAMED = ("cnv", "vgg_small", "resnet18")
LINKS = (Fraction(1, 2), Fraction(1, 16), Fraction(1, 256))
"""32-bit words in a cycle of the array: the bus at full speed, 100 Mbit/s and 6 Mbit/s at 50 MHz."""
LOADED = ("digits", "sfc")
SERIAL = Fraction(1, 1200)
"""32-bit words in a cycle of the array, over a serial line of 1 Mbaud at 30 MHz."""


def array() -> ArrayConfig:
    """2,048 operations a cycle in few rows, with the memories of `STAGE_DEPTHS`."""
    config = next(config for config in ARRAYS if (config.rows, config.cols) == (2, 32))
    return roomy(config).replace(**STAGE_DEPTHS)


def streaming_rows(name: str) -> list[Row]:
    """Rows of single images: for each link on an initially empty large array, or on the smallest board over its serial
    line, without a loader and with a loader in its single-port RAMs."""
    graph = NETWORKS[name]()
    if name != "digits":
        graph = with_random_weights(graph, 1)
    if name in LOADED:
        config = ArrayConfig.preset("icebreaker")
        ways: list[tuple[str, Fraction, Callable[[Sequence[Stage]], list[StreamedCost]]]] = [
            ("link", SERIAL, partial(streamed_costs, words_per_cycle=SERIAL)),
            ("loader", SERIAL, partial(loader_costs, words_per_cycle=SERIAL))]
    else:
        config = array()
        ways = [("link", rate, partial(streamed_costs, words_per_cycle=rate)) for rate in LINKS]
    stages = plan_streamed(graph, config, split=True)
    rows = []
    for source, rate, costs_of in ways:
        costs = costs_of(stages)
        cycles = sum(cost.cycles for cost in costs)
        spent = sum(cost.array for cost in costs)
        rows.append({"network": name, "binops_per_cycle": config.binops_per_cycle, "weights_from": source,
                     "words_per_cycle": round(float(rate), 6), "stages": len(costs),
                     "stages_bound_by_weights": sum(cost.bound == "link" for cost in costs),
                     "cycles_of_array": spent, "cycles_between": round(float(sum(cost.between for cost in costs))),
                     "cycles": round(float(cycles)), "array_busy": round(float(spent / cycles), 4)})
        if source == "loader":
            rows[-1]["loader_words"] = len(loader_image(stages, UP5K_WORDS).words)
    return rows


def measure(console: Console) -> Path:
    """Write ``streaming.json``."""
    rows = [row for name in (*LOADED, *STREAMED) for row in streaming_rows(name)]
    for row in rows:
        console.print(f"{row['network']:10} weights from the {row['weights_from']}, {row['words_per_cycle']} words a "
                      f"cycle over the link: {row['cycles']} cycles, the array busy in "
                      f"{100 * row['array_busy']:.1f} %", highlight=False)
    return save("streaming", rows, {})
