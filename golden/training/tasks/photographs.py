"""Grey photographs from installed packages, for training, validation and test."""

from functools import cache

import numpy as np
import skimage.data
from sklearn.datasets import load_sample_image

__all__ = ["PHOTOGRAPHS", "grey", "photograph", "photographs", "pieces", "random_view", "stereo_pair", "views"]

PHOTOGRAPHS = {
    "train": ("astronaut", "coffee", "flower", "brick", "immunohistochemistry", "hubble_deep_field", "page"),
    "validation": ("rocket", "coins", "grass"),
    "test": ("camera", "chelsea", "china", "gravel"),
}
"""Names by split; each split has scenes and textures, and no photograph is in two splits."""

SAMPLES = ("china", "flower")   # from scikit-learn; all others are from scikit-image


def grey(image: np.ndarray) -> np.ndarray:
    """Luminance of an image (H, W) or (H, W, 3), uint8 (H, W): 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded."""
    if image.ndim == 2:
        return image
    return np.floor(image @ np.array([0.299, 0.587, 0.114]) + 0.5).astype(np.uint8)


@cache
def photograph(name: str) -> np.ndarray:
    """The luminance of a photograph: uint8 (H, W), read-only.

    Raises
    ------
    ValueError
        If no photograph has the name.
    """
    known = [known for names in PHOTOGRAPHS.values() for known in names]
    if name not in known:
        raise ValueError(f"photograph must be one of {', '.join(known)}, not {name}")
    return _frozen(grey(load_sample_image(f"{name}.jpg") if name in SAMPLES else getattr(skimage.data, name)()))


def photographs(split: str) -> list[np.ndarray]:
    """The photographs of a split, in the order of their names in `PHOTOGRAPHS`.

    Raises
    ------
    ValueError
        If the split is unknown.
    """
    if split not in PHOTOGRAPHS:
        raise ValueError(f"split must be one of {', '.join(PHOTOGRAPHS)}, not {split}")
    return [photograph(name) for name in PHOTOGRAPHS[split]]


@cache
def stereo_pair() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A rectified stereo pair (Middlebury 2014, motorcycle): left and right, uint8 (500, 741), and the disparity of
    the left image's pixels, float32: a point at column x on the left is at column x - disparity on the right. Unknown
    disparities are infinite. The pair is in no split.
    """
    left, right, disparity = skimage.data.stereo_motorcycle()
    return _frozen(grey(left)), _frozen(grey(right)), _frozen(disparity)


def pieces(image: np.ndarray, size: int) -> np.ndarray:
    """Squares of ``size`` pixels, side by side, (N, size, size); the remainders at the right and bottom are dropped."""
    lines, columns = (length // size for length in image.shape)
    whole = image[:lines * size, :columns * size].reshape(lines, size, columns, size)
    return whole.swapaxes(1, 2).reshape(-1, size, size)


def views(image: np.ndarray) -> list[np.ndarray]:
    """The image turned and mirrored in all eight ways, without a copy."""
    return [np.rot90(side, turns) for side in (image, image[:, ::-1]) for turns in range(4)]


def random_view(rng: np.random.Generator, images: list[np.ndarray]) -> np.ndarray:
    """A random one of the `views` of an image, drawn with a probability proportional to its area."""
    areas = np.array([image.size for image in images])
    return views(images[rng.choice(len(images), p=areas / areas.sum())])[rng.integers(8)]


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
