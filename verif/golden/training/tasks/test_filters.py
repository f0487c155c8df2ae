"""Filters on the host: invariant to brightness, and their activations are the array's input."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.layers.encoder import SignEncoder
from signum.golden.layers.int8 import Int8Conv2d, prepare, quantize
from signum.golden.training.tasks.filters import Filtered
from signum.golden.training.trainer import evaluate, initial


def network(style: Style) -> Filtered:
    blocks = style.blocks(SignEncoder(), 255)
    made = initial(lambda: Filtered(blocks, 6, 5, blocks.conv(6, 4)), 0)
    assert isinstance(made, Filtered)
    return made.eval()


IMAGES = np.random.default_rng(0).integers(20, 200, (3, 1, 9, 12))


@pytest.mark.parametrize("style", [FLOAT, Style()], ids=str)
def test_shapes_and_bits(style) -> None:
    made = network(style)
    assert evaluate(made, IMAGES).shape == (3, 4, 9, 12)
    with torch.no_grad():
        seen = made.before(made.encode(IMAGES))
    assert seen.shape == (3, 6, 9, 12)
    if style.binary:
        assert set(seen.unique().tolist()) == {-1, 1}


def test_brightness_is_not_seen() -> None:
    made = network(FLOAT)
    with torch.no_grad():
        made.filters.weight = made.filters.weight + 1
        one, other = (made.features(made.encode(images)) for images in (IMAGES, IMAGES + 55))
        flat = made.features(made.encode(np.full((1, 1, 9, 12), 200)))
    np.testing.assert_allclose(one, other, atol=1e-3)
    np.testing.assert_allclose(flat, 0, atol=1e-3)
    assert one.abs().max() > 10


def test_brightness_stays_unseen_in_training() -> None:
    made = network(FLOAT).train()
    optimizer = torch.optim.SGD(made.filters.parameters(), lr=0.1)
    before = made.filters.weight.detach().clone()
    made(made.encode(IMAGES)).square().sum().backward()
    optimizer.step()
    after = made.filters.weight.detach()
    assert (after - before).abs().max() > 1e-3
    np.testing.assert_allclose(after.mean(dim=(2, 3)), 0, atol=1e-6)


def test_eight_bits() -> None:
    made = network(Style())
    twin = quantize(made, made.encode(IMAGES))
    assert isinstance(twin.filters, Int8Conv2d)
    assert np.mean(evaluate(twin, IMAGES) == evaluate(made, IMAGES)) > 0.9
    loaded = prepare(network(Style()))
    loaded.load_state_dict(twin.state_dict())
    np.testing.assert_array_equal(evaluate(loaded, IMAGES), evaluate(twin, IMAGES))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^kernel must be odd, not 4$"):
        Filtered(FLOAT.blocks(SignEncoder(), 255), 6, 4, nn.Identity())
