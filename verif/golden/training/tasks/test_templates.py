"""Templates: means of digits, and their best fits."""

import numpy as np
import pytest
import torch

from signum.golden.training.tasks.templates import TEMPLATE_SIZES, correlation, templates


def test_templates() -> None:
    for size in TEMPLATE_SIZES:
        one, ten = templates(size, by_class=False), templates(size, by_class=True)
        assert one.shape == (1, size, size)
        assert ten.shape == (10, size, size)
        assert ten.min() >= 0
        assert ten.max() <= 1
    assert ten[0, size // 2, size // 2] < 0.2 < 0.8 < ten[1, size // 2, size // 2]      # a zero is hollow, a one is not


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", TEMPLATE_SIZES)
def test_a_template_fits_itself(size, sign) -> None:
    images = np.full((1, 1, 40, 40), 128)
    images[0, 0, 10:10 + size, 8:8 + size] += np.rint(sign * 100 * templates(size, by_class=True)[3]).astype(np.int64)
    fits = correlation(images, size, by_class=True)
    assert fits.shape == (1, 10, 40, 40)
    assert fits.max() <= 1 + 1e-4
    best = np.unravel_index(int(fits.argmax()), fits.shape)
    assert best == (0, 3, 10 + size // 2, 8 + size // 2)
    assert fits.max() > 0.99


def test_nothing_fits_a_flat_image() -> None:
    assert torch.equal(correlation(np.full((1, 1, 20, 20), 77), 12, by_class=False).round(decimals=3),
                       torch.zeros(1, 1, 20, 20))
