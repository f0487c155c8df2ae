"""Networks by their shapes: their operations equal the literature's."""

import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph, MapShape
from signum.golden.layers.blocks import Style
from signum.golden.networks.geometry import Builder, reactnet_a, resnet18
from signum.golden.networks.resnet import random_resnet18
from signum.hdl.config import ArrayConfig


def operations(graph: Graph, first: bool = True) -> int:
    """Multiplications, counted for each bit plane."""
    return sum(segment.weights.size * int(np.prod(graph.sums_size(layer)))
               for layer in graph.layers[0 if first else 1:] for segment in layer.segments)


def test_resnet18_of_8_bits():
    graph = resnet18(8)
    assert operations(graph) == 1_813_561_344     # 1814 M with the classifier's half a million
    assert graph.shapes[graph.layers[-1].name] == MapShape(7, 7, 512)


@pytest.mark.parametrize(("multiplier", "millions"), [(1.0, 1760), (1.5, 3959)])
def test_resnet18_of_bits(multiplier, millions):
    graph = resnet18(1, multiplier)
    assert round(operations(graph, first=False) / 1e6) == millions
    assert [layer.combine for layer in graph.layers].count("residual") == 8
    assert len(graph.layers[0].segments) == 8


def test_reactnet_a():
    graph, updates = reactnet_a()
    assert round(operations(graph, first=False) / 1e6) == 4817
    assert round(sum(update.elements for update in updates) / 1e4) == 464
    assert len(updates) == len(graph.layers) - 1 == 26


def test_blank_weights_take_the_cycles_of_real_ones():
    config = ArrayConfig(rows=4, cols=8, lanes=16, tile=4, acc_bits=13, sum_bits=20, weight_depth=65536,
                         activation_depth=16384, threshold_depth=4096, program_depth=1024, requantize_depth=4096)
    network = random_resnet18(Style(multiplier=0.25), 32)
    whole = fold(network.body, network.blocks.encoder, (3, 32, 32))
    real = Graph(inputs=whole.inputs, layers=whole.layers[:-1])     # without the classifier
    cycles = [predict_cycles(config, compile_graph(graph, config).records)
              for graph in (real, resnet18(1, 0.25, 32))]
    assert cycles[0] == cycles[1]


def test_builder():
    builder = Builder(8, {"a": MapShape(8, 8, 3)})
    assert builder.layer("one", ("a", 3, 2), outputs=5, pool=2) == "one"
    builder.layer("two", ("one", 3, 1), ("one", 1, 1), outputs=7)
    graph = builder.graph
    assert graph.shapes["one"] == MapShape(2, 2, 5)
    assert graph.shapes["two"] == MapShape(2, 2, 7)
    assert graph.element_bits == 8
