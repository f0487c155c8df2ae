"""Segmentation: classes of pixels from scores, the overlap with the truth, and the scores of simple methods."""

import re

import matplotlib.image
import numpy as np
import pytest
import torch

from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.training.tasks.segmentation import Segmentation, classes_of, intersection_over_union
from signum.golden.training.trainer import evaluate, initial


def scores_of(labels: np.ndarray) -> np.ndarray:
    """Scores (B, 11, H, W), 1 at the class of each pixel."""
    return np.eye(11)[labels].transpose(0, 3, 1, 2)


@pytest.fixture(scope="module")
def task() -> Segmentation:
    return Segmentation()


def test_the_first_of_equals() -> None:
    scores = np.zeros((1, 11, 2, 2))
    scores[0, [4, 7]] = 1
    scores[0, 9, 0, 1] = 3
    assert classes_of(scores).tolist() == [[[4, 9], [4, 4]]]


def test_intersection_over_union() -> None:
    labels = np.array([[[0, 0, 1, 1], [0, 0, 1, 1]]])
    answers = np.array([[[0, 0, 0, 1], [0, 0, 2, 1]]])
    assert intersection_over_union(answers, labels).tolist() == [4 / 5, 2 / 4, 0] + [1] * 8


def test_right_empty_and_shuffled(task) -> None:
    _, truth = task.split("validation")
    right = scores_of(truth)
    assert task.score(right, truth) == 100
    assert task.score(np.rint(50 * right).astype(np.int64), truth) == task.score(right, truth)
    assert task.score(0 * right, truth) < 10
    assert task.score(np.roll(right, 1, axis=0), truth) < 15
    assert task.score(np.roll(right, 1, axis=1), truth) < 2
    assert (intersection_over_union(truth, truth) == 1).all()


def test_batches_and_splits(task) -> None:
    (images, (labels,)), (again, _) = (task.batch(np.random.default_rng(2), 3) for _ in range(2))
    np.testing.assert_array_equal(images, again)
    assert images.shape == (3, *task.input_shape)
    assert labels.shape == (3, 48, 48)
    images, truth = task.split("test")
    assert images.shape[1:] == task.input_shape
    assert truth.shape == (len(images), 48, 48)


@pytest.mark.parametrize("style", [FLOAT, Style(multiplier=0.5)], ids=str)
def test_network(task, style) -> None:
    network = initial(lambda: task.network(style.blocks(task.encoder, task.maximum)), 0)
    images, _ = task.batch(np.random.default_rng(0), 2)
    assert evaluate(network, images).shape == (2, 11, 48, 48)


def test_loss_is_least_at_the_truth(task) -> None:
    _, targets = task.batch(np.random.default_rng(2), 4)
    right = torch.from_numpy(scores_of(targets[0].numpy())).float().requires_grad_()
    losses = [task.loss(scale * right, targets).item() for scale in (20, 0, -20)]
    assert losses[1] == pytest.approx(np.log(11))
    assert losses[0] < losses[1] < losses[2]
    task.loss(right, targets).backward()
    assert right.grad is not None
    assert right.grad.abs().max() > 0


def test_ink_weighs_more(task) -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    labels[0, :2] = 1
    for_ink, for_none = torch.zeros(1, 11, 4, 4), torch.zeros(1, 11, 4, 4)
    for_ink[:, 1], for_none[:, 0] = 5, 5
    assert task.loss(for_ink, (labels,)) < task.loss(for_none, (labels,))


@pytest.mark.slow
def test_baselines(task) -> None:
    background, digit = task.baselines().values()
    assert 1 + background < digit < 60


def test_picture(task, tmp_path) -> None:
    images, truth = task.split("validation")
    right = scores_of(truth)
    task.picture(tmp_path / "one.png", images, truth, {"right": right})
    task.picture(tmp_path / "two.png", images, truth, {"right": right, "nothing": 0 * right})
    one, two = (matplotlib.image.imread(tmp_path / name) for name in ("one.png", "two.png"))
    assert one.shape[0] < two.shape[0]
    assert one.std() > 0.05


def test_outputs_of_another_shape(task) -> None:
    with pytest.raises(ValueError, match=re.escape("outputs must be (2, 11, 48, 48), not (2, 11, 24, 24)")):
        task.score(np.zeros((2, 11, 24, 24)), np.zeros((2, 48, 48), np.int64))
