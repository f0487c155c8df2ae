"""Shared sums: the same maps in another order, fewer cycles, and layers that are left alone."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import GraphError
from signum.golden.compiler.shared_sums import levels_of, share_sums
from signum.golden.compiler.stages import plan_stages, run_stages
from signum.golden.layers.binary import BatchNorm, BinaryConv2d, MaxPool, Sign
from signum.golden.layers.encoder import SignEncoder
from signum.golden.layers.quant import Levels
from signum.golden.reference.interpret import interpret
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_graph, draw_maps

CONFIG = ArrayConfig(rows=2, cols=8, lanes=16, tile=4, threshold_levels=3, weight_depth=4096, activation_depth=4096,
                     threshold_depth=4096, program_depth=1024, sum_bits=20, requantize_depth=300)


def test_maps_are_those_of_the_graph_in_another_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shared = 0
    while shared < 20:
        try:
            graph = draw_graph(rng, 3, levels=3)
        except GraphError:
            continue
        found = share_sums(graph, CONFIG)
        maps = draw_maps(rng, graph, 2)
        one, other = graph.run(maps), found.run(maps)
        last = graph.layers[-1].name
        assert np.array_equal(one[last], other[last])
        for before, after in zip(graph.layers, found.layers, strict=True):
            assert before.channels == after.channels
            levels = levels_of(after)
            shared += levels > 1
            # each of the network's channels is in one place of the map
            if levels > 1:
                assert after.outputs * levels == before.channels
                assert np.array_equal(np.sort(one[before.name].reshape(-1, before.channels).sum(0)),
                                      np.sort(other[before.name].reshape(-1, before.channels).sum(0)))


def network(count: int, channels: int = 16) -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        BinaryConv2d(40, channels, 3, padding=1, pad=0), BatchNorm(channels, momentum=1.0), Levels(count, spacing=0.6),
        MaxPool(2), BinaryConv2d(channels, 20, 2), BatchNorm(20, momentum=1.0), Sign())
    with torch.no_grad():
        made(SignEncoder().tensor(np.random.default_rng(0).integers(-5, 5, (9, 40, 7, 8))))
    return made.eval()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("split", [False, True])
def test_networks_of_several_bits(count: int, split: bool) -> None:
    graph = fold(network(count), SignEncoder(), (40, 7, 8))
    images = np.random.default_rng(1).integers(-5, 5, (3, 40, 7, 8))
    maps = SignEncoder().bits(images)
    once, often = (compile_graph(graph, CONFIG.replace(threshold_levels=levels), split=split) for levels in (3, 1))
    assert once.records[0].fields["levels"] == count - 1
    cycles = [predict_cycles(program.config, program.records) for program in (once, often)]
    assert cycles[0] < 0.8 * cycles[1]
    assert once.weights.shape[1] < often.weights.shape[1]
    last = graph.layers[-1].name
    for program in (once, often):
        memory, _ = interpret(program, maps)
        place = program.maps[last]
        assert np.array_equal(place.to_elements(memory[:, place.addresses]), graph.run(maps)[last])


@pytest.mark.parametrize("depth", [4096, 200])
def test_stages_share_sums(depth: int) -> None:
    """Whole layers and bands of lines share sums, with fewer cycles; maps are in the network's order."""
    model, encoder = network(3), SignEncoder()
    images = np.random.default_rng(1).integers(-5, 5, (2, 40, 7, 8))
    graph = fold(model, encoder, images.shape[1:])
    config = CONFIG.replace(activation_depth=depth)
    stages = plan_stages(graph, config)
    assert (len(stages) > 2) == (depth < 4096)
    assert stages[0].program.output.shares is not None
    maps = encoder.bits(images)
    found = run_stages(graph, stages, maps)
    assert all(np.array_equal(found[name], expected) for name, expected in graph.run(maps).items() if name in found)
    assert set(found) >= {layer.name for layer in graph.layers}
    alone = plan_stages(graph, config.replace(threshold_levels=0))
    first, other = (sum(predict_cycles(stage.program.config, stage.program.records) for stage in plan
                        if stage.name.startswith("0")) for plan in (stages, alone))
    assert first < other


def test_a_last_layer_of_several_bits() -> None:
    """Its map is in the order of the hardware, its results are in the network's."""
    model, encoder = network(3)[:4], SignEncoder()
    images = np.random.default_rng(1).integers(-5, 5, (2, 40, 7, 8))
    graph = fold(model, encoder, images.shape[1:])
    program = compile_graph(graph, CONFIG)
    assert program.output.shares is not None
    maps = encoder.bits(images)
    memory, _ = interpret(program, maps)
    place = program.maps[program.output.name]
    found = place.to_elements(memory[:, place.addresses])
    expected = graph.run(maps)[program.output.name]
    assert not np.array_equal(found, expected)
    assert np.array_equal(program.output.ordered(found), expected)
    assert np.array_equal(program.output.placed(expected), found)


def test_layers_that_are_left_alone() -> None:
    graph = fold(network(3), SignEncoder(), (40, 7, 8))
    assert levels_of(share_sums(graph, CONFIG).layers[0]) == 3
    for config in (CONFIG.replace(threshold_levels=2), CONFIG.replace(cols=48, tile=48)):
        assert share_sums(graph, config).layers[0].shares is None       # of 3 levels, or all channels fit at once
