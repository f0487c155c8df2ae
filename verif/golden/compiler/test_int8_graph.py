"""The 8-bit twin as an integer graph: equal scores, and results at most a step apart, seldom."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.int8_graph import Int8GraphError, int8_graph
from signum.golden.layers.blocks import FLOAT
from signum.golden.layers.int8 import Int8Conv2d, quantize
from signum.verif.golden.layers.test_blocks import images, settled

__all__ = ["images"]


def test_graph_is_the_twin(images):
    network = settled(FLOAT, images)
    x = network.encode(images)
    twin = quantize(network, x)
    graph = int8_graph(twin.body, (1, 17, 14))
    assert [layer.combine for layer in graph.graph.layers] == ["residual"] * 7 + ["sum"]
    assert [len(layer.segments) for layer in graph.graph.layers] == [1, 1, 2, 1, 2, 1, 1, 1]
    with torch.no_grad():
        real, expected = network.body(x).numpy(), twin.body(x).numpy()
    found = graph.results(x)
    assert found.shape == expected.shape
    spread = expected.std()
    assert np.abs(found - expected).mean() < 0.02 * spread
    assert np.abs(found - real).mean() < 0.05 * spread
    maps = graph.graph.run(graph.maps(x))
    for layer in graph.graph.layers[:-1]:
        assert maps[layer.name].dtype == np.uint8
        assert maps[layer.name].max() > 200


def test_refusals(images):
    network = settled(FLOAT, images)
    twin = quantize(network, network.encode(images))
    with pytest.raises(Int8GraphError, match=r"^1 \(Tanh\) must be an 8-bit convolution, a ReLU or a block$"):
        int8_graph(nn.Sequential(next(twin.body.children()), nn.Tanh()), (1, 17, 14))
    signed = quantize(nn.Sequential(nn.Conv2d(1, 2, 1)), torch.randn(2, 1, 4, 4))
    with pytest.raises(Int8GraphError, match=r"^the input of 0 must not have values below zero$"):
        int8_graph(signed, (1, 4, 4))
    bare = quantize(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)), torch.rand(2, 1, 4, 4))
    for conv in bare:
        assert isinstance(conv, Int8Conv2d)
        conv.signed.fill_(False)
    with pytest.raises(Int8GraphError, match=r"^0 must be followed by a ReLU, or be the last one$"):
        int8_graph(bare, (1, 4, 4))
