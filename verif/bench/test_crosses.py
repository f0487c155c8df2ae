"""Functional coverage: points by hand, rules that random networks keep, and a drawing that fills holes."""

from dataclasses import replace

import numpy as np
import pytest

from signum.golden.compiler.graph import Graph, GraphError, Layer, MapShape, Segment, zero_padding_border
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_config, draw_gate, draw_graph
from signum.verif.bench.crosses import AXES, coverage, excluded, exclusions, holes, points, reachable
from signum.verif.bench.trials import draw_filling

CONFIG = ArrayConfig(rows=4, cols=3, lanes=6, tile=2)
KERNEL = np.ones((6, 2, 3, 3), bool)


def layer_of(segment: Segment, pool: tuple[int, int] = (1, 1)) -> Layer:
    return Layer(name="layer", segments=(segment,), combine="sum", pool=pool,
                 thresholds=np.zeros((1, 1, len(segment.weights)), np.int64))


def point_of(layer: Layer, config: ArrayConfig = CONFIG, *, split: bool = False) -> dict[str, str]:
    (found,) = points(Graph(inputs={"input": MapShape(5, 4, 2)}, layers=(layer,)), config, split)
    return dict(zip(AXES, found, strict=True))


def test_points_by_hand() -> None:
    plain = point_of(layer_of(Segment(source="input", weights=KERNEL)))
    assert plain == {"kernel": "square", "stride": "1", "padding": "none", "pooling": "none", "mode": "batch",
                     "precision": "bits", "rows": "whole", "columns": "whole", "lanes": "whole"}
    padded = layer_of(Segment(source="input", weights=KERNEL, padding=(1, 1, 0, 0), pad=np.ones(2, bool)), pool=(2, 1))
    assert point_of(padded, split=True) == {**plain, "padding": "value", "pooling": "max", "mode": "split"}
    # 3 x 2 positions on 4 rows, 6 channels on 4 columns, 18 taps on 7 lanes
    partial = CONFIG.replace(cols=4, lanes=7)
    assert point_of(layer_of(Segment(source="input", weights=KERNEL)), partial, split=True) == {
        **plain, "mode": "split", "rows": "partial", "columns": "partial", "lanes": "partial"}
    oblong = Segment(source="input", weights=KERNEL[:, :, :2], stride=(2, 1))
    assert point_of(layer_of(oblong)) == {**plain, "kernel": "oblong", "stride": "1 and 2"}
    whole = Segment(source="input", weights=np.ones((6, 2, 5, 4), bool), stride=(2, 2))
    assert point_of(layer_of(whole)) == {**plain, "kernel": "map", "lanes": "partial"}
    planes = layer_of(Segment(source="input", weights=KERNEL))
    planes = replace(planes, segments=(*planes.segments, Segment(source="input", weights=KERNEL, double=True)))
    assert point_of(planes) == {**plain, "precision": "bit planes"}
    gated = draw_gate(np.random.default_rng(1), layer_of(Segment(source="input", weights=KERNEL)))
    assert point_of(gated, CONFIG.replace(gate=1)) == {**plain, "precision": "gated"}


def test_borders_of_zeros() -> None:
    segment = Segment(source="input", weights=KERNEL, padding=(1, 1, 1, 1), pad=np.zeros(2, bool))
    border = zero_padding_border(segment, MapShape(5, 4, 2))
    layer = Layer(name="layer", segments=(segment,), combine="sum", border=border,
                  thresholds=np.zeros((3, 3, 6), np.int64))
    assert point_of(layer)["padding"] == "zero"


def test_levels_share_a_sum() -> None:
    config = CONFIG.replace(threshold_levels=3, lanes=1, cols=1)
    rng = np.random.default_rng(0)
    weights = (rng.random((6, 2, 3, 3)) < 0.5).repeat(3, axis=0)
    layer = layer_of(Segment(source="input", weights=weights))
    assert point_of(layer, config)["precision"] == "levels"
    assert point_of(layer, config.replace(threshold_levels=1))["precision"] == "bits"


def test_random_networks_keep_the_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(200):
        config = draw_config(rng)
        try:
            graph = draw_graph(rng, 3, config.element_bits, config.threshold_levels, bool(config.gate))
        except GraphError:
            continue
        for split in (False, True):
            for point in points(graph, config, split):
                assert point in reachable(), excluded(point)


def test_holes_are_what_is_not_reached() -> None:
    some = sorted(reachable())[::7]
    assert set(some).isdisjoint(holes(some))
    assert len(some) + len(holes(some)) == len(reachable())
    assert coverage(some)[" x ".join(AXES)] == (len(some), len(reachable()))
    assert coverage(some, 1)["kernel"] == (4, 4)
    assert coverage([], 2)["kernel x mode"] == (0, 8)
    assert sum(exclusions().values()) + len(reachable()) == 4 * 3 * 3 * 2 * 2 * 5 * 8


@pytest.mark.parametrize("index", [0, 1])
def test_networks_that_reach_what_is_left(seed: int, index: int) -> None:
    left = set(reachable())
    trials = draw_filling(seed, index, left, 30)
    there = {point for trial in trials for point in points(trial.graph, trial.config, trial.split)}
    assert there == reachable() - left
    assert there
    assert len({str(trial.config) for trial in trials}) == 1
