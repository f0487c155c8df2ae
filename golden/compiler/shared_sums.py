"""Channels of equal weights as thresholds of one sum, on an array with several ``threshold_levels``.

An activation of several bits (`golden.layers.quant.Levels`) is a channel for each bit, of equal weights and another
threshold. The array computes their sum once: a replay, two steps on one word with a weight word and its inverse, adds
the lanes L to the sum whatever the word is, and the drain behind it compares with the next threshold, L higher.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from signum.golden.reference.encoding import words_per
from signum.hdl.config import ArrayConfig

from .graph import Graph, Layer, Segment

__all__ = ["REPLAY_STEPS", "level_block", "levels_of", "share_sums"]

REPLAY_STEPS = 2


def level_block(config: ArrayConfig, outputs: int) -> int:
    """Channels of a block of ``outputs`` sums: whole beats, for the channels of a level follow those of another."""
    return min(config.cols // config.drain_width * config.drain_width, outputs)


def levels_of(layer: Layer) -> int:
    """Thresholds of each sum of a layer."""
    return layer.channels // layer.outputs


def share_sums(graph: Graph, config: ArrayConfig) -> Graph:
    """The graph with shared sums where that takes fewer cycles.

    The channels of such a map are in the order of the hardware: of each block of sums a level after another. The
    weights of its readers follow; `Layer.ordered` puts results back.
    """
    orders: dict[str, np.ndarray] = {}
    layers = []
    for layer in graph.layers:
        moved = replace(layer, segments=tuple(_follow(segment, orders) for segment in layer.segments))
        levels = _levels(layer, config)
        if levels > 1:
            orders[layer.name] = _order(config, layer.channels // levels, levels)
            moved = _shared(moved, orders[layer.name], levels)
        layers.append(moved)
    return Graph(inputs=graph.inputs, layers=tuple(layers))


def _follow(segment: Segment, orders: Mapping[str, np.ndarray]) -> Segment:
    """The segment over a map in another order of channels."""
    if segment.source not in orders:
        return segment
    order = orders[segment.source]
    pad = segment.pad[order] if len(segment.pad) else segment.pad
    return replace(segment, weights=segment.weights[:, order], pad=pad)


def _levels(layer: Layer, config: ArrayConfig) -> int:
    """The thresholds of a sum with the fewest cycles of the array, 1 for sums that are not shared."""
    if layer.thresholds is None or layer.row.requantized or layer.row.gates or layer.shares is not None:
        return 1
    steps = sum(words_per(segment.weights.shape[1], config.lanes) * segment.weights[0, 0].size
                for segment in layer.segments)
    best = 1, words_per(layer.channels, config.cols) * max(steps, config.drain_cycles)
    for levels in range(2, config.threshold_levels + 1):
        outputs, rest = divmod(layer.channels, levels)
        if rest or outputs % config.drain_width or not _alike(layer, levels):
            continue
        replays = (levels - 1) * max(REPLAY_STEPS, config.drain_cycles)
        cycles = words_per(outputs, level_block(config, outputs)) * (max(steps, config.drain_cycles) + replays)
        if cycles < best[1]:
            best = levels, cycles
    return best[0]


def _alike(layer: Layer, levels: int) -> bool:
    """Whether neighbouring channels have equal weights, so many each."""
    return all((segment.weights.reshape(-1, levels, segment.weights[0].size)
                == segment.weights[::levels].reshape(-1, 1, segment.weights[0].size)).all()
               for segment in layer.segments)


def _order(config: ArrayConfig, outputs: int, levels: int) -> np.ndarray:
    """The channel of the network in each place of the map, int64 (outputs * levels,)."""
    block = level_block(config, outputs)
    return np.concatenate([np.arange(first, min(first + block, outputs)) * levels + level
                           for first in range(0, outputs, block) for level in range(levels)])


def _shared(layer: Layer, order: np.ndarray, levels: int) -> Layer:
    assert layer.thresholds is not None
    return replace(
        layer, shares=order // levels, thresholds=layer.thresholds[..., order],
        inverted=None if layer.inverted is None else layer.inverted[order],
        segments=tuple(replace(segment, weights=segment.weights[::levels]) for segment in layer.segments))
