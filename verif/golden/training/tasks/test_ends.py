"""Networks with 8-bit ends: the parts are joined in order, for any blocks."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.layers.encoder import BitPlanes
from signum.golden.layers.int8 import Int8Conv2d, quantize
from signum.golden.training.tasks.ends import Ends, stem
from signum.golden.training.trainer import evaluate, initial


@pytest.mark.parametrize("style", [FLOAT, Style(), Style(weight_gains="input")], ids=str)
def test_ends(style) -> None:
    blocks = style.blocks(BitPlanes(8), 255)
    network = initial(lambda: Ends(blocks, stem(blocks, 1, 6, kernel=5, stride=2), blocks.block(6, 8, stride=2),
                                   nn.Sequential(nn.Conv2d(8, 4, 1), nn.PixelShuffle(2))), 0).eval()
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 20))
    assert evaluate(network, images).shape == (3, 1, 8, 10)
    assert isinstance(network, Ends)
    with torch.no_grad():
        bits = network.before(network.encode(images))
        assert bits.shape == (3, 6, 8, 10)
        np.testing.assert_array_equal(network.last(network.body(bits)), evaluate(network, images))
    if style.binary:
        assert set(bits.unique().tolist()) == {-1, 1}
        assert set(network.body(bits).unique().tolist()) <= {-1, 1}
        twin = quantize(network, network.encode(images))
        assert [name for name, part in twin.named_modules() if isinstance(part, Int8Conv2d)] == ["first.0", "last.0"]
