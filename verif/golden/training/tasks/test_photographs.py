"""Photographs: sizes, splits that never mix, pieces, and the stereo pair."""

import re

import numpy as np
import pytest

from signum.golden.training.tasks.photographs import (
    PHOTOGRAPHS,
    grey,
    photograph,
    photographs,
    pieces,
    random_view,
    stereo_pair,
    views,
)


def test_photographs_are_grey_and_fixed() -> None:
    for names in PHOTOGRAPHS.values():
        for name in names:
            image = photograph(name)
            assert image.dtype == np.uint8
            assert image.ndim == 2
            assert min(image.shape) >= 150
            assert image.std() > 5
            with pytest.raises(ValueError, match="read-only"):
                image[0, 0] = 0


def test_splits_are_disjoint() -> None:
    names = [name for split in PHOTOGRAPHS.values() for name in split]
    assert len(set(names)) == len(names)
    images = [image for split in PHOTOGRAPHS for image in photographs(split)]
    assert len({image.tobytes() for image in images}) == len(names)


def test_grey() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [7, 7, 7]]], np.uint8)
    assert grey(colours).tolist() == [[76, 150, 29, 255, 7]]
    assert grey(colours[..., 0]) is not colours
    np.testing.assert_array_equal(grey(colours[..., 0]), colours[..., 0])


def test_pieces_tile_the_image() -> None:
    image = np.arange(7 * 8).reshape(7, 8)
    parts = pieces(image, 3)
    assert parts.shape == (4, 3, 3)
    np.testing.assert_array_equal(np.block([[parts[0], parts[1]], [parts[2], parts[3]]]), image[:6, :6])


def test_random_view_gives_all_eight() -> None:
    image = np.arange(6).reshape(2, 3)
    rng = np.random.default_rng(0)
    seen = {random_view(rng, [image]).tobytes() for _ in range(100)}
    assert len(seen) == 8
    assert seen == {view.tobytes() for view in views(image)}


def test_views() -> None:
    turned = views(np.array([[1, 2], [3, 4]]))
    assert len({view.tobytes() for view in turned}) == 8
    assert [view.ravel().tolist() for view in turned[:2]] == [[1, 2, 3, 4], [2, 4, 1, 3]]
    assert [2, 1, 4, 3] in [view.ravel().tolist() for view in turned]


def test_random_view_prefers_large_images() -> None:
    rng = np.random.default_rng(0)
    images = [np.zeros((2, 2)), np.ones((6, 6))]
    share = np.mean([random_view(rng, images).mean() for _ in range(500)])
    assert 0.85 < share < 0.95


def test_stereo_pair_agrees_with_its_disparity() -> None:
    left, right, disparity = stereo_pair()
    assert left.shape == right.shape == disparity.shape == (500, 741)
    y, x = np.nonzero(np.isfinite(disparity))
    there = np.round(x - disparity[y, x]).astype(int)
    inside = there >= 0
    y, x, there = y[inside], x[inside], there[inside]
    matched = np.abs(left[y, x].astype(int) - right[y, there])
    unmatched = np.abs(left[y, x].astype(int) - right[y, x])
    assert np.median(matched) < np.median(unmatched) / 3


@pytest.mark.parametrize(("call", "message"), [
    (lambda: photograph("mona_lisa"), f"photograph must be one of {', '.join(sum(PHOTOGRAPHS.values(), ()))}, "
                                      "not mona_lisa"),
    (lambda: photographs("dev"), "split must be one of train, validation, test, not dev"),
])
def test_errors(call, message) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
