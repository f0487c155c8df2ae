"""The digits: sizes, ranges, and splits that never mix."""

import numpy as np
import pytest

from signum.golden.training.data import DIGITS_MAXIMUM, Split, digits, validation_split


def keys(split: Split) -> list[bytes]:
    return [image.tobytes() for image in split.images]


def test_digits() -> None:
    data = digits()
    assert (len(data.train), len(data.test)) == (1437, 360)
    for split in (data.train, data.test):
        assert split.images.shape == (len(split), 1, 8, 8)
        assert split.images.dtype == np.int64
        assert split.labels.dtype == np.int64
        assert split.images.min() == 0
        assert split.images.max() == DIGITS_MAXIMUM
    counts = np.bincount(data.test.labels)
    assert counts.min() >= 34
    assert counts.max() <= 37
    assert not set(keys(data.train)) & set(keys(data.test))


def test_the_split_is_always_the_same() -> None:
    first, second = digits(), digits()
    np.testing.assert_array_equal(first.test.images, second.test.images)
    np.testing.assert_array_equal(first.train.labels, second.train.labels)


@pytest.mark.parametrize("seed", [0, 1])
def test_validation_is_taken_from_the_training_part(seed: int) -> None:
    train = digits().train
    fit, validation = validation_split(train, 300, seed)
    assert len(validation) == 300
    assert sorted(keys(fit) + keys(validation)) == sorted(keys(train))
