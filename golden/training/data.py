"""Training and test images, from installed packages; nothing is downloaded."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

__all__ = ["DIGITS_MAXIMUM", "Digits", "Split", "digits", "validation_split"]

DIGITS_MAXIMUM = 16
HELD_OUT = 360


@dataclass(frozen=True, eq=False)
class Split:
    """Images, int64 (B, C, H, W), and their classes, int64 (B,)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits of 8x8 pixels, values 0..16, classes 0..9: 1437 to train on, 360 held out."""

    train: Split
    test: Split


def digits() -> Digits:
    """The digits of scikit-learn, always split in the same way, each class in equal shares."""
    data = load_digits()
    images = data.images.astype(np.int64)[:, None]
    return Digits(*_divide(Split(images, data.target.astype(np.int64)), HELD_OUT, seed=0))


def validation_split(split: Split, size: int, seed: int = 0) -> tuple[Split, Split]:
    """Split ``size`` images off a training set, for the choice of hyper-parameters; returns the rest, then these."""
    return _divide(split, size, seed)


def _divide(split: Split, size: int, seed: int) -> tuple[Split, Split]:
    parts = train_test_split(split.images, split.labels, test_size=size, random_state=seed,
                             stratify=split.labels)
    return Split(parts[0], parts[2]), Split(parts[1], parts[3])
