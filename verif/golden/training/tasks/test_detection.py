"""Detection: targets, peaks, the matching of peaks to digits, and the average precision."""

import re

import matplotlib.image
import numpy as np
import pytest
import torch

from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.training.tasks.detection import Detection, average_precision, heat_map, matches, peaks
from signum.golden.training.tasks.scenes import Box
from signum.golden.training.trainer import evaluate, initial


def box(y: float, x: float) -> Box:
    """A digit with this centre."""
    return Box(1, round(y - 7), round(x - 4), 15, 9)


def at(*cells: tuple[int, int, int, float], images: int = 1) -> np.ndarray:
    """Outputs with a score in each cell (image, line, column, score), and -9 elsewhere."""
    outputs = np.full((images, 1, 12, 12), -9.0)
    for image, i, j, score in cells:
        outputs[image, 0, i, j] = score
    return outputs


@pytest.fixture(scope="module")
def task() -> Detection:
    return Detection()


def test_heat_map() -> None:
    heat = heat_map([[box(9, 14), box(9, 22)], []], 12, 12)
    assert heat.shape == (2, 1, 12, 12)
    assert np.argwhere(heat == 1).tolist() == [[0, 0, 2, 3], [0, 0, 2, 5]]
    assert heat[0, 0, 2, 4] == pytest.approx(np.exp(-1 / (2 * 0.7**2)))
    assert heat[0, 0, 3, 3] == pytest.approx(heat[0, 0, 2, 4])
    assert not heat[1].any()


def test_peaks() -> None:
    image, centres, scores = peaks(at((0, 0, 0, 1), (0, 0, 1, 2), (1, 11, 11, 3), images=2))
    high = scores > -9
    assert image[high].tolist() == [0, 1]
    assert centres[high].tolist() == [[1.5, 5.5], [45.5, 45.5]]
    assert scores[high].tolist() == [2, 3]


@pytest.mark.parametrize("cells", [[(4, 4), (4, 5)], [(4, 4), (5, 3), (5, 4), (6, 4)], [(4, 4), (5, 5)]])
def test_the_first_of_equals_is_the_peak(cells) -> None:
    outputs = at(*((0, i, j, 1) for i, j in cells)).astype(np.int64)
    _, centres, scores = peaks(outputs)
    assert centres[scores == 1].tolist() == [[17.5, 17.5]]


def test_a_peak_takes_the_nearest_free_digit() -> None:
    truth = [[box(17, 17), box(17, 21)]]
    _, centres, _, found = matches(at((0, 4, 4, 3), (0, 4, 6, 2), (0, 8, 8, 1)), truth)
    assert centres[:2].tolist() == [[17.5, 17.5], [17.5, 25.5]]
    assert found[:2].tolist() == [0, -1]        # 25.5 is more than 4 pixels from 21
    assert (found[2:] == -1).all()
    _, _, _, found = matches(at((0, 4, 5, 3), (0, 4, 3, 2)), truth)
    assert found[:2].tolist() == [1, 0]


@pytest.mark.parametrize(("outputs", "area"), [
    (at((0, 4, 4, 3), (1, 4, 4, 2), images=2), 1),
    (at((0, 4, 4, 3), (0, 9, 9, 2), (1, 4, 4, 1), images=2), 1 / 2 + 1 / 2 * 2 / 3),
    (at((0, 9, 9, 4), (0, 4, 4, 3), images=2), 1 / 2 * 1 / 2),
    (at((0, 9, 9, 3), (0, 4, 4, 3), (1, 4, 4, 3), images=2), 2 / 3),        # one step for equal scores
    (at((0, 9, 9, 3), (1, 9, 9, 3), images=2), 0),
])
def test_average_precision(outputs, area) -> None:
    truth = [[box(17, 17)], [box(17, 17)]]
    assert average_precision(outputs, truth) == pytest.approx(area)


def test_perfect_empty_and_shuffled(task) -> None:
    _, truth = task.split("validation")
    perfect = heat_map(truth, 12, 12)
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
    assert evaluate(network, images).shape == (2, 1, 12, 12)


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
    (heat,) = targets = (torch.from_numpy(heat_map([[box(17, 17)]], 12, 12)),)
    near, far = (torch.where(heat == 1, 5.0, -5.0) for _ in range(2))
    near[0, 0, 4, 5], far[0, 0, 9, 9] = 3.0, 3.0
    assert task.loss(near, targets) < task.loss(far, targets)


@pytest.mark.slow
def test_baselines(task) -> None:
    contrast, one, ten = task.baselines().values()
    assert 0 < contrast < one < ten < 90


def test_picture(task, tmp_path) -> None:
    images, truth = task.split("validation")
    perfect = heat_map(truth, 12, 12)
    task.picture(tmp_path / "one.png", images, truth, {"perfect": perfect})
    task.picture(tmp_path / "two.png", images, truth, {"perfect": perfect, "nothing": 0 * perfect})
    one, two = (matplotlib.image.imread(tmp_path / name) for name in ("one.png", "two.png"))
    assert one.shape[0] < two.shape[0]
    assert one.std() > 0.05


def test_outputs_of_another_shape(task) -> None:
    with pytest.raises(ValueError, match=re.escape("outputs must be (1, 1, h, w), not (1, 2, 12, 12)")):
        task.score(np.zeros((1, 2, 12, 12)), [[]])
