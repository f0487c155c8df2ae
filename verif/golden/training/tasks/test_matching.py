"""Matching: known warps, corners, the metric on cases by hand, and baselines."""

import numpy as np
import pytest
import torch

from signum.golden.compiler.fold import fold
from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.training.tasks import named
from signum.golden.training.tasks.matching import (
    Correspondences,
    Matching,
    brief,
    corners,
    mapped,
    nearest,
    patch_signs,
    photometric,
    random_homography,
    strength,
    warp,
)
from signum.golden.training.tasks.photographs import photograph

TASK = Matching()
IMAGE = photograph("camera")


def test_mapped() -> None:
    homography = np.array([[2, 0, 1], [0, 3, 0], [0, 0.5, 1]])
    points = np.array([[0, 0], [2, 4]])
    np.testing.assert_allclose(mapped(homography, points), [[0.0, 1.0], [3.0, 4.5]])


@pytest.mark.parametrize(("homography", "expected"), [
    (np.eye(3), IMAGE[100:140, 200:240]),
    (np.array([[1, 0, 3], [0, 1, -2], [0, 0, 1]]), IMAGE[102:142, 197:237]),
    (np.array([[0, -1, 39], [1, 0, 0], [0, 0, 1]]), np.rot90(IMAGE[100:140, 200:240], -1)),
    (np.array([[2, 0, 0], [0, 2, 0], [0, 0, 2]]), IMAGE[100:140, 200:240]),
], ids=["identity", "shift", "turn", "projective scale"])
def test_warp(homography, expected) -> None:
    np.testing.assert_allclose(warp(IMAGE, homography, (100, 200), 40), expected, atol=1e-9)


def test_warp_of_a_plane() -> None:
    y, x = np.mgrid[:120, :120]
    plane = (2.0 * x + 3.0 * y)
    homography = random_homography(np.random.default_rng(0), 40)
    image = warp(plane, homography, (40, 40), 40)
    points = np.array([[20, 20], [15, 22], [24, 16]])
    there = mapped(homography, points)
    near = np.round(there).astype(int)
    back = mapped(np.linalg.inv(homography), near.astype(float))
    expected = 2 * (back[:, 1] + 40) + 3 * (back[:, 0] + 40)
    np.testing.assert_allclose(image[near[:, 0], near[:, 1]], expected)


def test_warp_repeats_the_edge() -> None:
    moved = warp(IMAGE, np.array([[1, 0, 10], [0, 1, 0], [0, 0, 1]]), (0, 0), 20)
    np.testing.assert_array_equal(moved[:, :11], np.repeat(IMAGE[:20, :1], 11, axis=1))


def test_random_homographies_stay_within_their_bounds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        homography = random_homography(rng, 64)
        middle = mapped(homography, np.array([31.5, 31.5]))
        assert np.abs(middle - 31.5).max() <= 3
        right = mapped(homography, np.array([31.5, 31.6])) - middle
        assert np.abs(np.rad2deg(np.arctan2(right[0], right[1]))) < 45.5
        assert 0.7 < 10 * np.linalg.norm(right) < 1.42


def test_photometric() -> None:
    rng = np.random.default_rng(0)
    changed = [photometric(rng, np.full((50, 50), 128)) for _ in range(50)]
    assert all(image.dtype == np.int64 for image in changed)
    assert np.mean([image.std() for image in changed]) == pytest.approx(6, rel=0.05)
    means = [image.mean() for image in changed]
    assert 100 < min(means) < 110
    assert 145 < max(means) < 156
    steep = photometric(rng, np.repeat([[0, 255]], 50, axis=0))
    assert steep.min() >= 0
    assert steep.max() <= 255


def test_corners() -> None:
    image = np.zeros((2, 30, 30))
    image[0, 10:, 12:] = 100
    image[1, :, 15:] = 100      # an edge is no corner
    (corner,) = corners(image)
    np.testing.assert_allclose(corner, [0, 10, 12], atol=1)
    assert strength(image)[1].max() < 0.1


def test_corners_do_not_depend_on_other_images() -> None:
    images = np.stack([IMAGE[100:164, 200:264], IMAGE[:64, :64]])
    both = corners(images)
    alone = corners(images[1:])
    np.testing.assert_array_equal(both[both[:, 0] == 1][:, 1:], alone[:, 1:])


def truth_of(count: int) -> Correspondences:
    """Points of two pairs, each at its own place, the same in A and B."""
    a = np.array([(image, 2 * i, i) for image in range(2) for i in range(count)])
    return Correspondences(a, a + np.array([2, 0, 0]))


def test_nearest_by_hand() -> None:
    truth = truth_of(3)
    maps = np.zeros((4, 2, 6, 6))
    here = np.array([[1, 0], [0, 1], [-1, 0]])
    there = np.array([[9, 1], [-1, 0.1], [0.1, 1]])     # lengths have no effect; the last two are exchanged
    for points, values in ((truth.a, here), (truth.b, there)):
        for (image, y, x), value in zip(points, np.tile(values, (2, 1)), strict=True):
            maps[image, :, y, x] = value
    assert nearest(maps, truth).tolist() == [0, 2, 1, 3, 5, 4]
    assert TASK.score(maps, truth) == pytest.approx(100 / 3)


def test_the_first_of_equals_counts() -> None:
    assert nearest(np.ones((4, 8, 6, 6)), truth_of(3)).tolist() == [0, 0, 0, 3, 3, 3]
    assert nearest(np.zeros((4, 8, 6, 6)), truth_of(3)).tolist() == [0, 0, 0, 3, 3, 3]


def test_the_cosine_of_bits_is_the_hamming_distance() -> None:
    rng = np.random.default_rng(0)
    truth = truth_of(5)
    maps = rng.choice([-1.0, 1.0], (4, 9, 12, 12)).astype(np.float32)
    for number in range(2):
        mine = np.flatnonzero(truth.a[:, 0] == number)
        here, there = (maps[p[mine, 0], :, p[mine, 1], p[mine, 2]] for p in (truth.a, truth.b))
        distances = (here[:, None] != there).sum(axis=2)
        np.testing.assert_array_equal(nearest(maps, truth)[mine], mine[distances.argmin(axis=1)])


def test_batches_are_drawn_from_their_generator() -> None:
    first, second, other = (TASK.batch(np.random.default_rng(seed), 3) for seed in (0, 0, 1))
    assert first[0].shape == (6, *TASK.input_shape)
    np.testing.assert_array_equal(first[0], second[0])
    assert torch.equal(first[1][0], second[1][0])
    assert (first[0] != other[0]).any()
    a, b = first[1]
    assert a.shape == b.shape
    assert len(torch.unique(b, dim=0)) == len(b)
    assert torch.equal(a[:, 0] + 3, b[:, 0])
    assert torch.bincount(a[:, 0], minlength=3).min() > 0
    assert torch.bincount(a[:, 0]).max() <= 32


@pytest.mark.parametrize("name", ["validation", "test"])
def test_splits_show_the_same_at_corresponding_points(name) -> None:
    images, truth = TASK.split(name)
    assert TASK.split(name)[0] is images
    check_correspondences(images, truth)
    assert np.unique(truth.a[:, 0]).tolist() == list(range(len(images) // 2))


def test_stereo_shows_the_same_at_corresponding_points() -> None:
    images, truth = TASK.stereo()
    check_correspondences(images, truth)
    np.testing.assert_array_equal(truth.a[:, 1], truth.b[:, 1])     # rectified


def check_correspondences(images: np.ndarray, truth: Correspondences) -> None:
    assert images.shape == (len(images), 1, 64, 64)
    assert len(truth.a) > 800
    assert len(np.unique(truth.b, axis=0)) == len(truth.b)
    np.testing.assert_array_equal(truth.a[:, 0] + len(images) // 2, truth.b[:, 0])
    for points in (truth.a, truth.b):
        assert points[:, 1:].min() >= 8
        assert points[:, 1:].max() < 56
    values = images[:, 0].astype(float)
    values -= values.mean(axis=(1, 2), keepdims=True)
    here, there = (values[tuple(p.T)] for p in (truth.a, truth.b))
    assert np.corrcoef(here, there)[0, 1] > 0.6
    assert abs(np.corrcoef(here, there[::-1])[0, 1]) < 0.2


def test_loss_is_least_for_descriptors_that_agree() -> None:
    images, targets = TASK.batch(np.random.default_rng(0), 2)
    rng = np.random.default_rng(0)
    right = torch.from_numpy(rng.normal(size=(4, 64, *images.shape[2:])))
    wrong = right.clone()
    values = torch.from_numpy(rng.normal(size=(len(targets[0]), 64)))
    for points in targets:
        right[points[:, 0], :, points[:, 1], points[:, 2]] = values
    low, high = TASK.loss(right, targets), TASK.loss(wrong, targets)
    assert low < 0.2 < 3 < high
    torch.testing.assert_close(TASK.loss(7 * right, targets), low)


def test_patch_signs() -> None:
    image = np.zeros((1, 1, 32, 32))
    image[..., 16:] = 80
    bits = patch_signs(image)
    assert bits.shape == (1, 121, 32, 32)
    np.testing.assert_array_equal(bits[0, :, 16, 15].reshape(11, 11)[0], np.repeat([-1, 1], [6, 5]))
    np.testing.assert_array_equal(bits, patch_signs(image + 50))


def test_brief() -> None:
    image = IMAGE[None, None, 100:164, 200:264].astype(int)
    bits = brief(image)
    assert bits.shape == (1, 256, 64, 64)
    assert set(np.unique(bits)) == {-1, 1}
    np.testing.assert_array_equal(bits, brief(image + 9))
    moved = brief(IMAGE[None, None, 101:165, 203:267].astype(int))
    np.testing.assert_array_equal(bits[..., 24:44, 26:44], moved[..., 23:43, 23:41])
    assert 0.3 < (brief(255 - image) != bits).mean() <= 1


@pytest.mark.slow
def test_baselines() -> None:
    warped, stereo = TASK.baselines(), TASK.baselines_stereo()
    for scores in (warped, stereo):
        assert list(scores) == ["patch signs, 121 bits", "BRIEF, 256 bits"]
        assert 40 < scores["patch signs, 121 bits"] < scores["BRIEF, 256 bits"] < 95
    assert warped["BRIEF, 256 bits"] < stereo["BRIEF, 256 bits"]


@pytest.mark.parametrize(("style", "values"), [(FLOAT, None), (Style(), {-1, 1})], ids=["float", "binary"])
def test_network(style, values) -> None:
    network = TASK.network(style.blocks(TASK.encoder, TASK.maximum)).eval()
    with torch.no_grad():
        descriptors = network(network.encode(IMAGE[None, None, 100:120, 200:224]))
    assert descriptors.shape == (1, 128, 20, 24)
    assert values is None or set(descriptors.unique().tolist()) == values


def test_body_folds() -> None:
    network = TASK.network(Style().blocks(TASK.encoder, TASK.maximum)).eval()
    assert fold(network.body, TASK.encoder, (1, 8, 8)).layers[-1].channels == 128


def test_picture(tmp_path) -> None:
    images, truth = TASK.split("validation")
    TASK.picture(tmp_path / "a" / "picture.png", images, truth, {"signs": patch_signs(images)})
    assert (tmp_path / "a" / "picture.png").stat().st_size > 10_000


def test_name() -> None:
    assert isinstance(named(TASK.name), Matching)
