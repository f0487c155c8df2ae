"""Super-resolution: data, metric and baselines on known cases."""

from typing import Any

import numpy as np
import pytest
import torch

from signum.golden.compiler.fold import fold
from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.training.tasks import named
from signum.golden.training.tasks.super_resolution import (
    HighResolution,
    SuperResolution,
    bicubic,
    enlarge,
    learned_linear,
    linear,
    psnr,
    shrink,
)

TASK = SuperResolution()


def test_shrink() -> None:
    assert shrink(np.array([[0, 1, 255, 255], [1, 0, 255, 254]], np.uint8)).tolist() == [[1, 255]]
    assert shrink(np.array([[0, 0], [0, 1]])).tolist() == [[0]]


def test_enlarge() -> None:
    low = np.array([[[10, 250]]])
    outputs = np.array([-20, 0.4, 0.5, 9.0]).reshape(1, 4, 1, 1) * np.ones((1, 1, 1, 2))
    assert enlarge(low, outputs).tolist() == [[[0, 10, 230, 250], [11, 19, 251, 255]]]


def test_psnr() -> None:
    truth = np.full((2, 12, 12), 100)
    image = truth.copy()
    image[:, :4] = 0
    assert psnr(image, truth) == np.inf     # only the border is wrong
    image[:, 4:8, 4:8] = 110
    assert psnr(image, truth) == pytest.approx(20 * np.log10(255 / 10))


def test_score_is_a_mean_over_photographs() -> None:
    low = np.full((3, 6, 6), 100)
    images = np.full((3, 12, 12), 101)
    images[2] = 110
    truth = HighResolution(images, low, np.array([0, 0, 1]))
    expected = np.mean([20 * np.log10(255), 20 * np.log10(255 / 10)])
    assert TASK.score(np.zeros((3, 4, 6, 6)), truth) == pytest.approx(expected)


def test_batches_are_drawn_from_their_generator() -> None:
    first, second, other = (TASK.batch(np.random.default_rng(seed), 4) for seed in (0, 0, 1))
    assert first[0].shape == (4, *TASK.input_shape)
    assert first[0].dtype == np.int64
    np.testing.assert_array_equal(first[0], second[0])
    assert (first[0] != other[0]).any()


def test_targets_are_what_makes_the_truth() -> None:
    low, (targets,) = TASK.batch(np.random.default_rng(0), 4)
    truth = enlarge(low[:, 0], targets.numpy())
    np.testing.assert_array_equal(shrink(truth), low[:, 0])
    assert TASK.loss(targets, (targets,)) == 0
    assert TASK.loss(targets + 5, (targets,)) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["validation", "test"])
def test_splits(name) -> None:
    images, truth = TASK.split(name)
    assert images.shape == (len(images), 1, 64, 64)
    assert truth.images.shape == (len(images), 128, 128)
    np.testing.assert_array_equal(images[:, 0], truth.low)
    np.testing.assert_array_equal(shrink(truth.images), truth.low)
    assert TASK.split(name)[0] is images
    right = np.stack([truth.images[:, y::2, x::2] - truth.low for y in (0, 1) for x in (0, 1)], axis=1)
    assert TASK.score(right, truth) == np.inf


def test_linear_filters() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 5, 6))
    left = np.zeros((4, 3, 3))
    left[2, 1, 0] = 1
    result = linear(image, left)
    np.testing.assert_array_equal(result[0, 2, :, 1:], image[0, :, :-1])
    np.testing.assert_array_equal(result[0, 2, :, 0], image[0, :, 0])
    assert not result[0, [0, 1, 3]].any()


@pytest.mark.parametrize("kernel", [3, 5])
def test_learned_filters_are_mirrored_and_leave_flat_images_alone(kernel) -> None:
    filters = learned_linear(kernel)
    assert filters.shape == (4, kernel, kernel)
    np.testing.assert_allclose(filters.sum(axis=(1, 2)), 0, atol=0.01)
    assert np.abs(filters).max() > 0.1
    np.testing.assert_allclose(filters, filters[[1, 0, 3, 2], :, ::-1], atol=1e-6)
    np.testing.assert_allclose(filters, filters[[0, 2, 1, 3]].swapaxes(1, 2), atol=1e-6)


def test_bicubic_keeps_a_plane() -> None:
    y, x = np.mgrid[:12, :12]
    whole = enlarge((4 * x + 8 * y + 20)[None], bicubic((4 * x + 8 * y + 20)[None]))
    y, x = np.mgrid[:24, :24]
    np.testing.assert_allclose(whole[0, 4:-4, 4:-4], (2 * x + 4 * y + 17)[4:-4, 4:-4])


def test_baselines() -> None:
    scores = TASK.baselines()
    assert list(scores) == ["nearest", "bicubic", "learned linear 3x3", "learned linear 5x5"]
    assert list(scores.values()) == sorted(scores.values())
    assert scores["learned linear 5x5"] - scores["bicubic"] > 0.3


@pytest.mark.parametrize("style", [FLOAT, Style(), Style(multiplier=2)], ids=str)
def test_network_holds_a_filter_of_5x5(style) -> None:
    """With a path of no effect the results are those of the learned linear filters, to the rounding of the weights."""
    network = TASK.network(style.blocks(TASK.encoder, TASK.maximum)).eval()
    body: Any = network.body
    wanted = learned_linear(5)
    centred = wanted - wanted.mean(axis=(1, 2), keepdims=True)
    low = TASK.split("validation")[0][:2]
    expected = linear(low[:, 0], centred)[:, :, 3:-3, 3:-3]
    if style.binary:
        both = body[0]
        last, filters = both.paths[0][-1], both.paths[1]
        last.binary_weight = lambda: torch.zeros_like(last.weight)
        with torch.no_grad():
            filters.weight.copy_(torch.from_numpy(centred * 129 / 255)[:, None])
    else:
        path, filters = body.path[-1], body.filters
        with torch.no_grad():
            for value in path.parameters():
                value.zero_()
            filters.weight = torch.from_numpy(centred).float()[:, None]
    with torch.no_grad():
        found = network(network.encode(low)).numpy()[:, :, 3:-3, 3:-3]
    # weights are multiples of 2/129, and results are whole levels within 0..255
    np.testing.assert_allclose(found, expected, atol=4 if style.binary else 1e-3)
    assert np.abs(found - expected).mean() < 0.6
    assert np.abs(expected).max() > 10


def test_body_folds() -> None:
    network = TASK.network(Style().blocks(TASK.encoder, TASK.maximum)).eval()
    last = fold(network.body, TASK.encoder, (1, 8, 8)).layers[-1]
    assert (last.channels, len(last.segments)) == (4, 8 * 8 + 8)
    assert last.bytes is not None


def test_picture(tmp_path) -> None:
    images, truth = TASK.split("validation")
    TASK.picture(tmp_path / "a" / "picture.png", images, truth, {"linear": linear(truth.low, learned_linear(5))})
    assert (tmp_path / "a" / "picture.png").stat().st_size > 10_000


def test_name() -> None:
    assert isinstance(named(TASK.name), SuperResolution)
