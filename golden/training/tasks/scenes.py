"""Scenes: handwritten digits on crops of photographs, with the place and the class of every digit.

Each split has its own photographs and digits: validation and test share none with training.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from signum.golden.training.data import Split, digits, validation_split

from .photographs import photographs, random_view
from .task import SplitName

__all__ = ["CLASSES", "SIZE", "SIZES", "Box", "Scenes", "digits_of", "held_out", "ink", "scenes"]

SIZE = 48
"""Height and width of a scene unless said otherwise."""

CLASSES = 11
"""Classes of a pixel: 0 is background, 1 + d the digit d."""

SHRINKS = (1, 2)        # factors by which photographs shrink: textures come in two sizes
HAZE = (0.4, 0.8)       # remaining share of a photograph's contrast
DIGITS = 4              # in a scene at most
CROWD = 8               # the same for crowded training scenes, which teach more in a step
SIZES = (14, 18)        # pixels of a digit's side, of 8 at first
CONTRAST = (100, 127)   # between ink and the mean of its background; always possible on one side of 0..255
FULL = 14               # value of full ink in a digit; the largest is 16
MARGIN = 1              # pixels between two digits
TRIES = 20              # attempts to place a digit
HELD_OUT = {"validation": (300, 1), "test": (400, 2)}      # scenes, seed


class Box(NamedTuple):
    """A digit in a scene: its class 1..10, the top left pixel of its ink, and the ink's height and width."""

    label: int
    y: int
    x: int
    h: int
    w: int

    @property
    def centre(self) -> tuple[float, float]:
        """Line and column, where the centre of pixel (i, j) is (i, j)."""
        return self.y + (self.h - 1) / 2, self.x + (self.w - 1) / 2


class Scenes(NamedTuple):
    """Images, int64 (B, 1, S, S) of 0..255; class of each pixel, int64 (B, S, S); and the digits of each image."""

    images: np.ndarray
    labels: np.ndarray
    boxes: list[list[Box]]


@cache
def _backgrounds(split: str, shrink: int) -> list[np.ndarray]:
    """The photographs of a split, float64 (H, W) of 0..255; a pixel is the mean of ``shrink`` x ``shrink``."""
    shrunk = []
    for image in photographs(split):
        h, w = (length // shrink for length in image.shape)
        shrunk.append(image[:h * shrink, :w * shrink].reshape(h, shrink, w, shrink).mean(axis=(1, 3)))
    return shrunk


@cache
def digits_of(split: str) -> Split:
    """The handwritten digits of a split; the test split has the held-out digits of `golden.training.data.digits`."""
    data = digits()
    train, validation = validation_split(data.train, 300)
    return {"train": train, "validation": validation, "test": data.test}[split]


@cache
def _enlarging(length: int, size: int) -> np.ndarray:
    """Bilinear interpolation from ``length`` values to ``size``, as a matrix (size, length)."""
    places = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(length)))


def ink(digit: np.ndarray, size: int) -> np.ndarray:
    """Ink, 0..1, of a digit (8, 8) of 0..16 on the pixels of a square: (size, size), bilinear.

    A value of 14 and more is full ink.
    """
    enlarge = _enlarging(len(digit), size)
    return np.minimum(1, enlarge @ digit @ enlarge.T / FULL)


def _extent(mask: np.ndarray) -> tuple[slice, slice]:
    """The lines and the columns of the bounding box of a mask."""
    lines, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(lines[0], lines[-1] + 1), slice(columns[0], columns[-1] + 1)


def scenes(split: str, count: int, seed: int | np.random.Generator, size: int = SIZE,
           most: int = DIGITS) -> Scenes:
    """Draw ``count`` scenes of a split, "train", "validation" or "test"; equal seeds give equal scenes.

    A scene is a crop of a photograph, turned and hazed at random, with 1 to 4 separate digits of 14 to 18 pixels
    blended over it, each in one grey, brighter or darker than the background. The pixels of a digit are its silhouette:
    on each line, all from the first to the last pixel of at least half ink.

    Raises
    ------
    ValueError
        If the split is unknown, or a photograph is smaller than ``size`` or a digit larger.
    """
    largest = min(min(image.shape) for image in _backgrounds(split, max(SHRINKS)))
    if not SIZES[1] <= size <= largest:
        raise ValueError(f"size must be {SIZES[1]} to {largest}, not {size}")
    rng = np.random.default_rng(seed)
    drawn = digits_of(split)
    images = np.empty((count, 1, size, size), np.int64)
    labels = np.zeros((count, size, size), np.int64)
    boxes = []
    for i in range(count):
        image = _crop(random_view(rng, _backgrounds(split, rng.choice(SHRINKS))), size, rng)
        boxes.append(_paste(image, labels[i], drawn, most, rng))
        images[i, 0] = np.rint(image)
    return Scenes(images, labels, boxes)


def _crop(photo: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A square of a photograph, seen through some haze."""
    y, x = (rng.integers(length - size + 1) for length in photo.shape)
    return 127.5 + rng.uniform(*HAZE) * (photo[y:y + size, x:x + size] - 127.5)


def _paste(image: np.ndarray, labels: np.ndarray, drawn: Split, most: int, rng: np.random.Generator) -> list[Box]:
    """Write digits into an image and its labels."""
    boxes: list[Box] = []
    for _ in range(rng.integers(1, most + 1)):
        chosen = rng.integers(len(drawn))
        alpha = ink(drawn.images[chosen, 0], int(rng.integers(SIZES[0], SIZES[1] + 1)))
        alpha = alpha[_extent(alpha > 0)]
        h, w = alpha.shape
        for _ in range(TRIES):
            y, x = (int(rng.integers(free + 1)) for free in (len(image) - h, len(image) - w))
            if not any(y < b.y + b.h + MARGIN and b.y < y + h + MARGIN and x < b.x + b.w + MARGIN
                       and b.x < x + w + MARGIN for b in boxes):
                break
        else:
            continue
        below = image[y:y + h, x:x + w]
        below += alpha * (_grey(float(below.mean()), rng) - below)
        label, full = 1 + int(drawn.labels[chosen]), alpha >= 0.5
        silhouette = np.maximum.accumulate(full, axis=1) & np.maximum.accumulate(full[:, ::-1], axis=1)[:, ::-1]
        labels[y:y + h, x:x + w][silhouette] = label
        lines, columns = _extent(full)
        boxes.append(Box(label, y + lines.start, x + columns.start, lines.stop - lines.start,
                         columns.stop - columns.start))
    return boxes


def _grey(below: float, rng: np.random.Generator) -> float:
    """Grey of ink that stands out from its background."""
    contrast = rng.uniform(*CONTRAST)
    signs = [sign for sign in (-1, 1) if 0 <= below + sign * contrast <= 255]
    return below + signs[rng.integers(len(signs))] * contrast


@cache
def held_out(split: SplitName) -> Scenes:
    """The scenes for validation (300) and test (400); always the same."""
    count, seed = HELD_OUT[split]
    return scenes(split, count, seed)
