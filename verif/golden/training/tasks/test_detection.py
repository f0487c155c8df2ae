"""Detection: targets, peaks, the matching of peaks to digits, and the average precision."""

import re

import matplotlib.image
import numpy as np
import pytest
import torch

from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.training.tasks.detection import (
    DIGIT_CLASSES,
    Detection,
    average_precisions,
    heat_maps,
    matches,
    peaks,
)
from signum.golden.training.tasks.scenes import Box
from signum.golden.training.trainer import evaluate, initial


def box(y: float, x: float, label: int = 0) -> Box:
    """A digit with this centre."""
    return Box(1 + label, round(y - 7), round(x - 4), 15, 9)


def at(*cells: tuple[int, int, int, float], images: int = 1, label: int = 0) -> np.ndarray:
    """Outputs with a score in each cell (image, line, column, score) of the map of a class, and -9 elsewhere."""
    outputs = np.full((images, DIGIT_CLASSES, 12, 12), -9.0)
    for image, i, j, score in cells:
        outputs[image, label, i, j] = score
    return outputs


@pytest.fixture(scope="module")
def task() -> Detection:
    return Detection()


def test_heat_maps() -> None:
    heat = heat_maps([[box(9, 14), box(9, 22), box(9, 14, label=9)], []], 12, 12)
    assert heat.shape == (2, 10, 12, 12)
    assert np.argwhere(heat == 1).tolist() == [[0, 0, 2, 3], [0, 0, 2, 5], [0, 9, 2, 3]]
    assert heat[0, 0, 2, 4] == pytest.approx(np.exp(-1 / (2 * 0.7**2)))
    assert heat[0, 0, 3, 3] == pytest.approx(heat[0, 0, 2, 4])
    assert not heat[0, 1:9].any()
    assert not heat[1].any()


def test_peaks() -> None:
    outputs = at((0, 0, 0, 1), (0, 0, 1, 2), (1, 11, 11, 3), images=2)
    outputs[1, 9, 11, 10] = 4           # a neighbour, but of another class
    found = peaks(outputs)
    high = found.scores > -9
    assert found.images[high].tolist() == [1, 1, 0]
    assert found.classes[high].tolist() == [9, 0, 0]
    assert found.centres[high].tolist() == [[45.5, 41.5], [45.5, 45.5], [1.5, 5.5]]
    assert found.scores[high].tolist() == [4, 3, 2]


@pytest.mark.parametrize("cells", [[(4, 4), (4, 5)], [(4, 4), (5, 3), (5, 4), (6, 4)], [(4, 4), (5, 5)]])
def test_the_first_of_equals_is_the_peak(cells) -> None:
    outputs = at(*((0, i, j, 1) for i, j in cells)).astype(np.int64)
    found = peaks(outputs)
    assert found.centres[found.scores == 1].tolist() == [[17.5, 17.5]]


def test_a_peak_takes_the_nearest_free_digit() -> None:
    truth = [[box(17, 17), box(17, 21)]]
    found = peaks(at((0, 4, 4, 3), (0, 4, 6, 2), (0, 8, 8, 1)))
    digits = matches(found, truth)
    assert found.centres[:2].tolist() == [[17.5, 17.5], [17.5, 25.5]]
    assert digits[:2].tolist() == [0, -1]        # 25.5 is more than 4 pixels from 21
    assert (digits[2:] == -1).all()
    assert matches(peaks(at((0, 4, 5, 3), (0, 4, 3, 2))), truth)[:2].tolist() == [1, 0]


def test_a_peak_takes_a_digit_of_its_class() -> None:
    truth = [[box(17, 17), box(17, 21, label=9)]]
    outputs = at((0, 4, 4, 3)) + 9 + at((0, 4, 4, 2), label=9)
    assert matches(peaks(outputs), truth)[:2].tolist() == [0, 1]
    assert matches(peaks(at((0, 4, 4, 3), label=8)), truth)[0] == -1


@pytest.mark.parametrize(("outputs", "area"), [
    (at((0, 4, 4, 3), (1, 4, 4, 2), images=2), 1),
    (at((0, 4, 4, 3), (0, 9, 9, 2), (1, 4, 4, 1), images=2), 1 / 2 + 1 / 2 * 2 / 3),
    (at((0, 9, 9, 4), (0, 4, 4, 3), images=2), 1 / 2 * 1 / 2),
    (at((0, 9, 9, 3), (0, 4, 4, 3), (1, 4, 4, 3), images=2), 2 / 3),        # one step for equal scores
    (at((0, 9, 9, 3), (1, 9, 9, 3), images=2), 0),
])
def test_average_precisions(outputs, area) -> None:
    truth = [[box(17, 17)], [box(17, 17), box(41, 41, label=3)]]
    np.testing.assert_allclose(average_precisions(outputs, truth),
                               [area, *(0 if label == 3 else np.nan for label in range(1, DIGIT_CLASSES))])


def test_the_score_is_the_mean_over_the_classes_that_are_there(task) -> None:
    truth = [[box(17, 17), box(41, 41, label=3)]]
    assert task.score(at((0, 4, 4, 3)), truth) == 50
    assert task.score(at((0, 4, 4, 3)), [truth[0][:1]]) == 100


def test_perfect_empty_and_shuffled(task) -> None:
    _, truth = task.split("validation")
    perfect = heat_maps(truth, 12, 12)
    assert task.score(perfect, truth) > 99
    assert task.score(np.zeros_like(perfect), truth) < 5
    assert task.score(perfect, truth[1:] + truth[:1]) < 20
    assert task.score(np.rint(100 * perfect).astype(np.int64), truth) > 99


def test_batches_and_splits(task) -> None:
    (images, (heat,)), (again, _) = (task.batch(np.random.default_rng(2), 3) for _ in range(2))
    np.testing.assert_array_equal(images, again)
    assert images.shape == (3, *task.input_shape)
    assert heat.shape == (3, task.outputs, 12, 12)
    images, truth = task.split("test")
    assert images.shape[1:] == task.input_shape
    assert len(images) == len(truth)


@pytest.mark.parametrize("style", [FLOAT, Style(multiplier=0.5)], ids=str)
def test_network(task, style) -> None:
    network = initial(lambda: task.network(style.blocks(task.encoder, task.maximum)), 0)
    images, _ = task.batch(np.random.default_rng(0), 2)
    assert evaluate(network, images).shape == (2, 10, 12, 12)


def test_loss_is_least_at_the_truth(task) -> None:
    _, targets = task.batch(np.random.default_rng(2), 4)
    (heat,) = targets
    right = torch.where(heat == 1, 12.0, -12.0).requires_grad_()
    losses = [task.loss(outputs, targets).item() for outputs in (right, 0 * heat, -right)]
    assert losses[0] < 1e-3 < losses[1] < losses[2]
    task.loss(right, targets).backward()
    assert right.grad is not None
    assert right.grad.isfinite().all()


def test_a_near_miss_costs_less(task) -> None:
    (heat,) = targets = (torch.from_numpy(heat_maps([[box(17, 17)]], 12, 12)),)
    near, far = (torch.where(heat == 1, 5.0, -5.0) for _ in range(2))
    near[0, 0, 4, 5], far[0, 0, 9, 9] = 3.0, 3.0
    assert task.loss(near, targets) < task.loss(far, targets)


@pytest.mark.slow
def test_baselines(task) -> None:
    one, ten = task.baselines().values()
    assert 0 < one < ten < 90


def test_picture(task, tmp_path) -> None:
    images, truth = task.split("validation")
    perfect = heat_maps(truth, 12, 12)
    task.picture(tmp_path / "one.png", images, truth, {"perfect": perfect})
    task.picture(tmp_path / "two.png", images, truth, {"perfect": perfect, "nothing": 0 * perfect})
    one, two = (matplotlib.image.imread(tmp_path / name) for name in ("one.png", "two.png"))
    assert one.shape[0] < two.shape[0]
    assert one.std() > 0.05


def test_outputs_of_another_shape(task) -> None:
    with pytest.raises(ValueError, match=re.escape("outputs must be (1, 10, h, w), not (1, 2, 12, 12)")):
        task.score(np.zeros((1, 2, 12, 12)), [[]])
