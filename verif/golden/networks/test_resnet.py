"""ResNet-18 of the paper's blocks: its shape, its integers, and PyTorch's activations in the graph."""

import numpy as np
import pytest
import torch

from signum.golden.compiler.fold import fold
from signum.golden.layers.blocks import Style
from signum.golden.networks.resnet import ResNet18, photograph, random_resnet18
from signum.verif.runs.resnet18 import pytorch_maps


@pytest.mark.parametrize("style", [Style(multiplier=0.25), Style(multiplier=0.125, residual="concat"),
                                   Style(multiplier=0.125, activation_gains=False, weight_gains="input")])
def test_graph_equals_pytorch(style):
    network = random_resnet18(style, 40, classes=10, seed=3)
    graph = fold(network.body, network.blocks.encoder, (3, 40, 40))
    images = photograph(40)
    expected = pytorch_maps(network, graph, images)
    found = graph.run(network.blocks.encoder.bits(images))
    last = graph.layers[-1]
    found[last.name] = last.values(found[last.name])
    assert found.keys() == expected.keys()
    for name, bits in expected.items():
        assert np.array_equal(found[name], bits), name
    logits = network(network.encode(images))
    assert logits.shape == (1, 10)
    assert np.array_equal((logits / network.scale).detach().numpy(), expected[last.name][:, 0, 0])
    assert len(torch.unique(logits)) > 5


def test_shape_at_the_size_of_imagenet():
    """The weights of ResNet-18, and a skip convolution in each of the eight blocks; the maps halve four times."""
    network = ResNet18(Style(multiplier=1))
    graph = fold(network.body, network.blocks.encoder, (3, 224, 224))
    assert len(graph.layers) == 18
    assert [layer.combine for layer in graph.layers] == ["sum", *["sum", "residual"] * 8, "sum"]
    sizes = [(shape.height, shape.channels) for shape in graph.shapes.values()][8:]
    assert sizes == [(56, 64)] * 5 + [(28, 128)] * 4 + [(14, 256)] * 4 + [(7, 512)] * 4 + [(1, 1000)]
    weights = sum(segment.weights.size for layer in graph.layers[1:-1] for segment in layer.segments)
    convolutions = sum(9 * (a * b + b * b) + a * b + 9 * 2 * b * b + b * b
                       for a, b in ((64, 64), (64, 128), (128, 256), (256, 512)))
    assert weights == convolutions
    assert [segment.weights.shape for segment in graph.layers[-1].segments] == 8 * [(1000, 512, 7, 7)]


def test_activations_are_balanced():
    network = random_resnet18(Style(multiplier=0.5), 64)
    graph = fold(network.body, network.blocks.encoder, (3, 64, 64))
    maps = graph.run(network.blocks.encoder.bits(photograph(64)))
    for layer in graph.layers[:-1]:
        assert 0.3 < maps[layer.name].mean() < 0.7, layer.name
    middle = maps[graph.layers[8].name]
    assert (middle.std(axis=(0, 1, 2)) > 0).mean() > 0.9


def test_a_seed_gives_one_network():
    first, same, other = (random_resnet18(Style(multiplier=0.125), 32, seed=seed) for seed in (1, 1, 2))
    for (name, value), again in zip(first.state_dict().items(), same.state_dict().values(), strict=True):
        assert torch.equal(value, again), name
    key = "body.classifier.1.0.weight"
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])
    assert not first.training


@pytest.mark.parametrize("size", [1, 32, 100, 224, 512])
def test_photograph(size):
    image = photograph(size)
    assert image.shape == (1, 3, size, size)
    assert image.dtype == np.int64
    assert image.min() >= 0
    assert image.max() <= 255
    assert size < 32 or image.std() > 30


@pytest.mark.parametrize("size", [0, 513])
def test_refuses_sizes_that_the_photograph_does_not_have(size):
    with pytest.raises(ValueError, match=f"^size must be 1 to 512, not {size}$"):
        photograph(size)
