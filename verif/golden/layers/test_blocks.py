"""Blocks: one description of a network, in real numbers or in bits, and exact in all its binary styles."""

from collections.abc import Callable
from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.fold import fold
from signum.golden.layers.binary import BatchNorm, Sign
from signum.golden.layers.blocks import FLOAT, Blocks, FloatBlock, Network, Style
from signum.golden.layers.encoder import BitPlanes, Encoder, Thermometer
from signum.golden.layers.gains import AlphaShape
from signum.golden.training.trainer import initial, reproducible

ENCODER = Thermometer(levels=5, maximum=255)


def build(blocks: Blocks) -> Network:
    """A network with every kind of part."""
    narrow, wide = blocks.width(6), blocks.width(8)
    return Network(blocks, nn.Sequential(
        blocks.conv(blocks.inputs(1), narrow, kernel=5, stride=2), blocks.block(narrow, wide, stride=2),
        blocks.block(wide, wide, dilation=2), blocks.pair(wide, narrow), blocks.result(narrow, 3, kernel=3)))


def of_pixels(blocks: Blocks) -> Network:
    """A network with 8-bit ends, and scores as its result."""
    narrow, wide = blocks.width(6), blocks.width(8)
    return Network(blocks, nn.Sequential(
        blocks.pixels(1, narrow, kernel=5, stride=2), blocks.block(narrow, wide, stride=2),
        blocks.values(wide, 3, kernel=3)))


def of_grey(blocks: Blocks) -> Network:
    """A network with grey levels as its result."""
    width = blocks.width(6)
    body = nn.Sequential(blocks.pixels(1, width, 3, centred=True), blocks.block(width, width))
    return Network(blocks, blocks.grey(body, width, 4, 3))


def settled(style: Style, images: np.ndarray, make: Callable[[Blocks], Network] = build,
            encoder: Encoder = ENCODER) -> Network:
    """A network in evaluation mode, with the norm statistics of the images."""
    network = initial(lambda: make(style.blocks(encoder, 255)), 1)
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

LEVELS = [
    Style(residual="concat", first_levels=3, levels=3, last_levels=3, rectified=True, first_bits=2, last_bits=2),
    Style(residual="concat", first_levels=2, levels=3, last_levels=1, weight_gains="output", last_bits=3),
    Style(residual="none", first_levels=7, levels=2, last_levels=7, activation_gains=False, centred_weights=True)]


@pytest.mark.parametrize("style", [*STYLES, *LEVELS], ids=str)
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


@pytest.mark.parametrize("make", [of_pixels, of_grey])
@pytest.mark.parametrize("style", [Style(), Style(residual="concat", multiplier=1.5), *LEVELS], ids=str)
def test_networks_of_pixels_fold_exactly(make, style, images):
    """All layers are the array's, the first and the last included."""
    encoder = BitPlanes(8)
    network = settled(style, images, make, encoder)
    graph = fold(network.body, encoder, (1, 17, 14))
    last = graph.layers[-1]
    with torch.no_grad():
        expected = network.body(network.encode(images)).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(last.values(graph.run(encoder.bits(images))[last.name]), expected)
    assert expected.std() > 0
    assert (last.bytes is not None) == (make is of_grey)
    with torch.no_grad():
        shapes = {settled(kind, images, make, encoder)(network.encode(images)).shape for kind in (FLOAT, style)}
    assert shapes == {(6, 3, 5, 4) if make is of_pixels else (6, 4, 17, 14)}


@pytest.mark.parametrize("style", [FLOAT, Style()], ids=str)
def test_centred_filters_do_not_see_brightness(style):
    blocks = style.blocks(BitPlanes(8), 255)
    with reproducible(0):
        (first, *_) = blocks.pixels(1, 6, 5, centred=True).children()
    image = np.random.default_rng(0).integers(20, 200, (1, 1, 9, 9))
    with torch.no_grad():
        one, other = (first(blocks.encode(values))[:, :, 2:-2, 2:-2] for values in (image, image + 55))
        shift = (other - one).abs().amax(dim=(0, 2, 3))
    # the sum of 25 odd weights is 1, unless the middle one would be above 255: a shift of 55 sums to 55
    assert shift.median() == 55 if style.binary else shift.max() < 1e-5
    assert one.std() > (5000 if style.binary else 0.1)


def test_grey_levels_are_kept_without_a_path():
    blocks = Style().blocks(BitPlanes(8), 255)
    with reproducible(0):
        body = blocks.grey(blocks.pixels(1, 6, 3), 6, 4, 3).eval()
    both: Any = next(body.children())
    images = np.arange(256).reshape(1, 1, 16, 16)
    with torch.no_grad():
        for conv in (both.paths[0][-1], both.paths[1]):
            conv.weight.copy_(torch.where(torch.arange(conv.weight[0].numel()) % 2 == 0, 1e-4, -1e-4).reshape(
                conv.weight[0].shape).expand(conv.weight.shape))
        both.paths[0][-1].binary_weight = lambda: torch.zeros_like(both.paths[0][-1].weight)
        found = body(blocks.encode(images))[:, :, 1:-1, 1:-1].numpy()
    # the other taps add and subtract the neighbours: within two levels of the pixel itself
    assert np.abs(found - images[:, :, 1:-1, 1:-1]).max() <= 2


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
    with pytest.raises(ValueError, match=r"^residual must be concat or none with activations of 3 signs, not int4$"):
        Style(levels=3)
    with pytest.raises(ValueError, match=r"^count must be an integer of 1 to 7, not 8$"):
        Style(residual="concat", code_levels=8)
    with pytest.raises(ValueError, match=r"^weight_bits must be an integer of 1 to 8, not 0$"):
        Style(first_bits=0)
    with pytest.raises(ValueError, match=r"^weight_gains must be None with centred_weights, not full$"):
        Style(centred_weights=True, weight_gains="full")


@pytest.mark.parametrize("style", [Style(residual="concat", code_levels=3, first_levels=3), Style()], ids=str)
def test_codes(style, images):
    """Codes of several signs are symmetric about 0."""
    def make(blocks: Blocks) -> Network:
        return Network(blocks, nn.Sequential(blocks.pixels(1, 6, 3), blocks.code(6, 5)))

    encoder = BitPlanes(8)
    network = settled(style, images, make, encoder)
    with torch.no_grad():
        expected = network(network.encode(images))
    assert expected.unique().tolist() == list(range(-style.code_levels, style.code_levels + 1, 2))
    graph = fold(network.body, encoder, (1, 17, 14))
    last = graph.layers[-1]
    found = graph.run(encoder.bits(images))[last.name] ^ (False if last.inverted is None else last.inverted)
    sums = np.where(found, 1, -1).reshape(6, 17, 14, 5, style.code_levels).sum(axis=-1)
    assert np.array_equal(sums, expected.permute(0, 2, 3, 1).numpy())
