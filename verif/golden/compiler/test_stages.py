"""Graphs cut into stages: the same results as uncut, on the reference interpreter and on the RTL."""

import re
from dataclasses import replace

import numpy as np
import pytest

from signum.golden.compiler.compile import CapacityError
from signum.golden.compiler.graph import Graph, GraphError, Layer, MapShape, Segment, zero_padding_border
from signum.golden.compiler.stages import MapLines, Stage, plan_stages, run_stages, stage_costs
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_config, draw_graph, draw_maps
from signum.verif.bench.stage_runs import check_stages
from signum.verif.golden.compiler.test_compile import convolution, residual

CONFIG = ArrayConfig(rows=2, cols=4, lanes=8, requantize_depth=32)


def expected_maps(graph: Graph, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Results of the graph, raw layers as their values."""
    found = graph.run(maps)
    for layer in graph.layers:
        if layer.raw:
            found[layer.name] = layer.values(found[layer.name])
    return found


def draw_small(rng: np.random.Generator) -> ArrayConfig:
    """An array with small memories."""
    return draw_config(rng).replace(
        weight_depth=int(rng.integers(4, 200)), activation_depth=int(rng.integers(4, 120)),
        threshold_depth=int(rng.integers(1, 60)), raw_depth=0, requantize_depth=int(rng.integers(1, 30)))


def draw_plan(rng: np.random.Generator, config: ArrayConfig | None = None) -> tuple[Graph, tuple[Stage, ...]]:
    """A random graph and its stages, some of them cut."""
    while True:
        array = config or draw_small(rng)
        try:
            graph = draw_graph(rng, 3, array.element_bits, gate=bool(array.gate))
            return graph, plan_stages(graph, array, split=bool(rng.integers(2)))
        except (GraphError, CapacityError):
            continue


def stages_of(graph: Graph, layer: str, **small: int) -> list[Stage]:
    """The stages of one layer on an array with smaller memories."""
    return [stage for stage in plan_stages(graph, CONFIG.replace(**small)) if stage.layer.name == layer]


def cuts(graph: Graph, stages: tuple[Stage, ...]) -> set[str]:
    """How the layers of a graph are cut."""
    found = set()
    for stage in stages:
        channels = stage.channels != (0, stage.layer.channels)
        lines = stage.lines != (0, graph.shapes[stage.layer.name].height)
        found.add("both" if channels and lines else "channels" if channels else "lines" if lines else "whole")
    return found


@pytest.mark.sweep(2)
@pytest.mark.parametrize("index", [pytest.param(i, marks=pytest.mark.slow if i else ()) for i in range(4)])
def test_random_graphs(index, seed):
    rng = np.random.default_rng([seed, index])
    seen: set[str] = set()
    for number in range(100):
        graph, stages = draw_plan(rng)
        if number >= 25 and seen >= cuts(graph, stages):
            continue            # until every kind of cut has occurred
        seen |= cuts(graph, stages)
        maps = draw_maps(rng, graph, 2)
        found = run_stages(graph, stages, maps)
        for name, expected in expected_maps(graph, maps).items():
            assert np.array_equal(found[name], expected), f"{name} of {graph}"
    assert seen == {"both", "channels", "lines", "whole"}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("index", [pytest.param(i, marks=pytest.mark.slow if i else ()) for i in range(4)])
def test_random_graphs_on_rtl(index, seed):
    """Also checks that words which the host does not write again are intact."""
    rng = np.random.default_rng([seed, 50 + index])
    config = draw_small(rng)
    for _ in range(3):
        graph, stages = draw_plan(rng, config)
        while len(cuts(graph, stages)) < 2:
            graph, stages = draw_plan(rng, config)
        maps = expected_maps(graph, draw_maps(rng, graph, stages[0].program.images))
        runs = check_stages(config, stages, maps)
        assert [run.mismatches for run in runs] == [0] * len(stages), f"{config} {graph}"
        assert [run.cycles for run in runs] == [run.predicted for run in runs]


def test_a_whole_network_is_one_stage_a_layer():
    graph = residual()
    stages = plan_stages(graph, CONFIG)
    assert [stage.name for stage in stages] == ["block", "last"]
    assert [stage.channels for stage in stages] == [(0, 9), (0, 3)]
    assert stages[0].inputs == {"input": MapLines("input", 0, 8)}


def test_lines_of_a_map_that_a_band_reads():
    """A 3x3 convolution over 6 lines, padded with zeros, in bands: a line more at each cut, padding at the ends."""
    graph = convolution()
    stages = stages_of(graph, "first", activation_depth=160)
    assert [stage.name for stage in stages] == ["first 1 of 2", "first 2 of 2"]
    assert [stage.lines for stage in stages] == [(0, 3), (3, 6)]
    assert [stage.inputs["input"] for stage in stages] == [MapLines("input", 0, 4), MapLines("input", 2, 6)]


def test_two_kernels_on_one_map_read_lines_of_their_own():
    rng = np.random.default_rng(0)
    segments = [Segment(source="input", weights=rng.random((4, 8, size, size)) < 0.5, padding=(size // 2,) * 4,
                        pad=np.zeros(8, dtype=bool)) for size in (3, 1)]
    layer = Layer(name="sum", segments=tuple(segments), thresholds=np.full((1, 1, 4), 40))
    graph = Graph(inputs={"input": MapShape(8, 8, 8)}, layers=(layer,))
    stages = plan_stages(graph, CONFIG.replace(activation_depth=150))
    assert stages[1].inputs == {"input[3:8]": MapLines("input", 3, 8), "input[4:8]": MapLines("input", 4, 8)}
    maps = draw_maps(rng, graph, 2)
    assert np.array_equal(run_stages(graph, stages, maps)["sum"], graph.run(maps)["sum"])


@pytest.mark.parametrize("pool", [(1, 1), (2, 1), (3, 2)])
def test_bands_of_whole_windows_with_border_classes(pool):
    """A pooled map with zero padding: each band takes the thresholds of its own classes."""
    rng = np.random.default_rng(1)
    segment = Segment(source="input", weights=rng.random((5, 9, 5, 5)) < 0.5, padding=(2, 2, 2, 2),
                      pad=np.zeros(9, dtype=bool))
    border = zero_padding_border(segment, MapShape(13, 9, 9))
    layer = Layer(name="layer", segments=(segment,), border=border, pool=pool,
                  thresholds=rng.integers(95, 130, (5, 5, 5)))
    graph = Graph(inputs={"input": MapShape(13, 9, 9)}, layers=(layer,))
    config = ArrayConfig(rows=3, cols=5, lanes=9, activation_depth=130, threshold_depth=1024, sum_bits=20)
    stages = plan_stages(graph, config, split=True)
    assert len(stages) > 2
    maps = draw_maps(rng, graph, 1)
    assert np.array_equal(run_stages(graph, stages, maps)["layer"], graph.run(maps)["layer"])


@pytest.mark.parametrize(("small", "groups"), [
    ({"weight_depth": 64}, [(0, 8), (8, 9)]), ({"requantize_depth": 8}, [(0, 3), (3, 6), (6, 9)]),
    ({"threshold_depth": 4}, [(0, 3), (3, 6), (6, 9)])])
def test_channel_groups_are_the_fewest_that_fit(small, groups):
    """9 channels: 3 tiles of 4 columns, each of 31 words of weights; 2 scales a channel; a threshold a channel."""
    graph = residual()
    stages = stages_of(graph, "block", **small)
    assert [stage.channels for stage in stages] == groups
    maps = draw_maps(np.random.default_rng(0), graph, 2)
    assert np.array_equal(run_stages(graph, stages, maps)["block"], graph.run(maps)["block"])


def test_maps_between_stages_keep_their_inverted_channels():
    graph = convolution()
    first = replace(graph.layers[0], inverted=np.arange(9) % 2 == 0)
    graph = Graph(inputs=graph.inputs, layers=(first, graph.layers[1]))
    maps = draw_maps(np.random.default_rng(0), graph, 2)
    found = run_stages(graph, plan_stages(graph, CONFIG), maps)
    assert np.array_equal(found["first"], graph.run(maps)["first"])


def test_what_lies_in_the_array_is_not_loaded_again():
    graph = convolution()
    whole = stage_costs(plan_stages(graph, CONFIG))[0]
    bands = stage_costs(plan_stages(graph, CONFIG.replace(activation_depth=160))[:2])
    assert bands[0].load > 0.8 * whole.load
    assert bands[1].load < 0.2 * whole.load
    assert [cost.inputs for cost in bands] == 2 * [2 * 4 * 6 * 3]       # images, lines, pixels, words
    groups = stage_costs(plan_stages(graph, CONFIG.replace(weight_depth=60))[:2])
    assert [cost.inputs for cost in groups] == [whole.inputs, 0]
    assert sum(cost.load for cost in groups) > 0.95 * whole.load
    assert sum(cost.results for cost in groups) >= whole.results


@pytest.mark.parametrize(("small", "message"), [
    ({"weight_depth": 10}, "words of weights in a column must be at most 10, not"),
    ({"activation_depth": 20}, "words of the maps in an activation bank must be at most 20, not"),
    ({"zero_padding": 0}, "layer first pads with zeros, which this array leaves out: "),
])
def test_refuses_what_no_cut_makes_fit(small, message):
    with pytest.raises(CapacityError, match=f"^{re.escape(message)}"):
        plan_stages(convolution(), CONFIG.replace(**small))


def test_refuses_bands_of_padding_alone():
    segment = Segment(source="input", weights=np.ones((4, 8, 1, 1), dtype=bool), padding=(1, 0, 0, 0),
                      pad=np.zeros(8, dtype=bool))
    layer = Layer(name="far", segments=(segment,), thresholds=np.full((1, 1, 4), 4))
    graph = Graph(inputs={"input": MapShape(7, 8, 8)}, layers=(layer,))
    assert len(plan_stages(graph, CONFIG)) == 1
    message = "lines 0 to 1 of layer far must read a line of map input, not its padding alone"
    with pytest.raises(CapacityError, match=f"^{message}$"):
        plan_stages(graph, CONFIG.replace(activation_depth=16))
