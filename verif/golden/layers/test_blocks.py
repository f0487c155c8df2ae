"""Blocks: one description of a network, in real numbers or in bits, and exact in all its binary styles."""

from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.fold import fold
from signum.golden.layers.binary import BatchNorm, Sign
from signum.golden.layers.blocks import FLOAT, Blocks, FloatBlock, Network, Style
from signum.golden.layers.encoder import Thermometer
from signum.golden.layers.gains import AlphaShape
from signum.golden.training.trainer import initial

ENCODER = Thermometer(levels=5, maximum=255)


def build(blocks: Blocks) -> Network:
    """A network with every kind of part."""
    narrow, wide = blocks.width(6), blocks.width(8)
    return Network(blocks, nn.Sequential(
        blocks.conv(blocks.inputs(1), narrow, kernel=5, stride=2), blocks.block(narrow, wide, stride=2),
        blocks.block(wide, wide, dilation=2), blocks.pair(wide, narrow), blocks.result(narrow, 3, kernel=3)))


def settled(style: Style, images: np.ndarray) -> Network:
    """A network in evaluation mode, with the norm statistics of the images."""
    network = initial(lambda: build(style.blocks(ENCODER, 255)), 1)
    for module in network.modules():
        if isinstance(module, BatchNorm | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(network.encode(images))
    return network.eval()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 1, 17, 14))


RESIDUALS: tuple[Literal["int4", "concat", "none"], ...] = ("int4", "concat", "none")
GAINS: tuple[AlphaShape | None, ...] = (None, "input")
STYLES = [Style(residual=residual, weight_gains=gains, activation_gains=activation, multiplier=1 + 0.5 * activation)
          for residual, gains, activation in product(RESIDUALS, GAINS, [False, True])]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_binary_networks_fold_exactly(style, images):
    network = settled(style, images)
    graph = fold(network.body, ENCODER, (1, 17, 14))
    last = graph.layers[-1]
    found = last.values(graph.run(ENCODER.bits(images))[last.name]) * network.scale
    with torch.no_grad():
        expected = network(network.encode(images)).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(found, expected)
    assert expected.std() > 0
    combines = [layer.combine for layer in graph.layers]
    assert ("residual" in combines) == (style.residual == "int4")


def test_widths(images):
    for style, channels in ((FLOAT, 8), (Style(), 8), (Style(multiplier=1.5), 12), (Style(multiplier=2), 16)):
        network = settled(style, images)
        first, second = list(network.body.children())[:2]
        assert second(first(network.encode(images))).shape == (6, channels, 5, 4)
        with torch.no_grad():
            assert network(network.encode(images)).shape == (6, 3, 5, 4)


def test_float_blocks_are_real(images):
    network = settled(FLOAT, images)
    assert any(isinstance(module, FloatBlock) for module in network.modules())
    assert not any(isinstance(module, Sign) for module in network.modules())
    assert network.encode(images).shape == images.shape
    assert float(network.encode(np.array([[[[255]]]])).max()) == 1


def test_names():
    assert [style.name for style in (FLOAT, Style(), Style(multiplier=1.5))] == ["float", "binary_m1", "binary_m1.5"]


def test_refusals():
    with pytest.raises(ValueError, match=r"^multiplier must be positive, not 0$"):
        Style(multiplier=0)
    residual: Any = "float"
    with pytest.raises(ValueError, match=r"^residual must be one of int4, concat, none, not float$"):
        Style(residual=residual)
