"""Scenes: reproducible, with disjoint splits, and a truth consistent with the picture."""

import re

import numpy as np
import pytest

from signum.golden.training.tasks.photographs import photographs
from signum.golden.training.tasks.scenes import CLASSES, CROWD, Box, digits_of, held_out, ink, scenes

SPLITS = ("train", "validation", "test")


def test_scenes_are_those_of_their_seed() -> None:
    first, again, other = (scenes("train", 5, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.boxes == again.boxes
    assert (first.images != other.images).any()


def test_a_generator_goes_on() -> None:
    rng = np.random.default_rng(3)
    parts = [scenes("train", 2, rng).images for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate(parts), scenes("train", 4, 3).images)


@pytest.mark.parametrize("size", [18, 40, 48])
@pytest.mark.parametrize("split", SPLITS)
def test_shapes_and_ranges(split, size) -> None:
    images, labels, boxes = scenes(split, 20, 0, size)
    assert (images.shape, images.dtype) == ((20, 1, size, size), np.int64)
    assert (labels.shape, labels.dtype) == ((20, size, size), np.int64)
    assert 0 <= images.min() < images.max() <= 255
    assert 0 == labels.min() < labels.max() < CLASSES
    assert all(1 <= len(found) <= 4 for found in boxes)


def test_every_digit_is_where_its_box_says() -> None:
    _, labels, boxes = scenes("train", 40, 1, most=CROWD)
    for image, found in zip(labels, boxes, strict=True):
        rest = image.copy()
        for box in found:
            place = (slice(box.y, box.y + box.h), slice(box.x, box.x + box.w))
            full = (rest[place] == box.label).astype(int)
            assert full.any(axis=1)[[0, -1]].all()
            assert full.any(axis=0)[[0, -1]].all()
            assert (np.abs(np.diff(full, axis=1, prepend=0, append=0)).sum(axis=1) <= 2).all()      # no holes
            rest[place][full == 1] = 0
        assert not rest.any()
    assert max(map(len, boxes)) > 4


def test_ink_stands_out() -> None:
    images, labels, boxes = scenes("test", 100, 5)
    contrasts = []
    for image, classes, found in zip(images[:, 0], labels, boxes, strict=True):
        for box in found:
            place = tuple(slice(max(0, at - 2), at + length + 2) for at, length in ((box.y, box.h), (box.x, box.w)))
            around = image[place][classes[place] == 0]
            contrasts.append(image[place][classes[place] == box.label].mean() - around.mean())
    assert np.mean(np.abs(contrasts) > 30) > 0.9
    assert 0.2 < np.mean(np.array(contrasts) > 0) < 0.8


def test_splits_share_neither_photographs_nor_digits() -> None:
    digits = [{image.tobytes() for image in digits_of(split).images} for split in SPLITS]
    pictures = [{image.tobytes() for image in photographs(split)} for split in SPLITS]
    for kinds in (digits, pictures):
        assert all(kinds)
        assert not kinds[0] & kinds[1] | kinds[0] & kinds[2] | kinds[1] & kinds[2]


def test_held_out_scenes() -> None:
    assert [len(held_out(split).boxes) for split in ("validation", "test")] == [300, 400]
    assert held_out("test") is held_out("test")
    assert not {image.tobytes() for image in held_out("test").images} & {
        image.tobytes() for image in held_out("validation").images}


def test_ink_is_the_digit_enlarged() -> None:
    digit = np.zeros((8, 8))
    digit[:, 2:6] = 16
    np.testing.assert_array_equal(ink(digit, 8), np.minimum(digit, 1))
    large = ink(digit, 16)
    assert large.shape == (16, 16)
    np.testing.assert_allclose(large[:, 2:8], np.tile([0, 4 / 14, 12 / 14, 1, 1, 1], (16, 1)))
    np.testing.assert_array_equal(large, large[::-1, ::-1])


@pytest.mark.parametrize(("box", "centre"), [(Box(1, 0, 0, 1, 1), (0, 0)), (Box(1, 4, 2, 15, 8), (11, 5.5))])
def test_centre(box, centre) -> None:
    assert box.centre == centre


@pytest.mark.parametrize("size", [17, 96])
def test_sizes_that_do_not_fit(size) -> None:
    with pytest.raises(ValueError, match=re.escape(f"size must be 18 to 95, not {size}")):
        scenes("train", 1, 0, size)


def test_a_split_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="split must be one of train, validation, test, not all"):
        scenes("all", 1, 0)
