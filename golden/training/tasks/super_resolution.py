"""Super-resolution: a photograph at twice the resolution, from means of 2x2 pixels.

A network's result holds, for each pixel of the low resolution, the difference at its four places (top left, top
right, bottom left, bottom right) in the high resolution, in grey levels: EDSR's last map before its pixel shuffle, with
the nearest pixel as global skip (Lim et al., 2017).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from signum.golden.layers.blocks import Blocks, FloatBlocks, Network
from signum.golden.layers.encoder import BitPlanes
from signum.golden.training.trainer import Recipe

from .photographs import photographs, pieces, random_view, views
from .task import SplitName, Task

__all__ = ["FILTER", "Enlarger", "HighResolution", "SuperResolution", "bicubic", "enlarge", "learned_linear", "linear",
           "psnr", "shrink"]

CROP = 32           # low resolution pixels of a training image's side
PIECE = 128         # high resolution pixels of a validation or test image's side
BORDER = 4          # high resolution pixels at each side of an image left out of the score
FILTER = 5          # side of the filters of pixels
SHOWN = 3           # pieces in a picture


@dataclass(frozen=True, eq=False)
class HighResolution:
    """The truth of a split.

    Members
    -------
    images : (B, 2H, 2W) int64
        The originals.
    low : (B, H, W) int64
        The images of low resolution.
    photograph : (B,) int64
        Number of the photograph of each image.
    """

    images: np.ndarray
    low: np.ndarray
    photograph: np.ndarray


def shrink(images: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels, halves rounded up: int64 (..., 2H, 2W) to (..., H, W)."""
    images = images.astype(np.int64)
    return (images[..., ::2, ::2] + images[..., ::2, 1::2] + images[..., 1::2, ::2] + images[..., 1::2, 1::2] + 2) // 4


def enlarge(low: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Images (B, H, W) enlarged by a network's results (B, 4, H, W): int64 (B, 2H, 2W), rounded, 0..255."""
    count, height, width = low.shape
    places = (low[:, None] + outputs).reshape(count, 2, 2, height, width)
    whole = places.transpose(0, 3, 1, 4, 2).reshape(count, 2 * height, 2 * width)
    return np.floor(np.clip(whole, 0, 255) + 0.5).astype(np.int64)


def _places(images: np.ndarray) -> np.ndarray:
    """The four pixels (B, 4, H, W) under each pixel of low resolution, of images (B, 2H, 2W)."""
    return np.stack([images[:, y::2, x::2] for y in (0, 1) for x in (0, 1)], axis=1)


def psnr(images: np.ndarray, truth: np.ndarray) -> float:
    """10 log10(255^2 / mean squared error) in dB, of images (B, H, W) without a border of `BORDER` pixels.

    Infinite if they are equal.
    """
    inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    error = np.square(images[inner].astype(np.float64) - truth[inner]).mean()
    return float(10 * np.log10(255 ** 2 / error)) if error else float("inf")


def bicubic(low: np.ndarray) -> np.ndarray:
    """Results (B, 4, H, W) for images (B, H, W) by cubic convolution with a = -1/2 (Keys, 1981)."""
    # without antialias PyTorch uses a = -3/4, worse by 0.1 dB
    whole = functional.interpolate(torch.from_numpy(low)[:, None].double(), scale_factor=2, mode="bicubic",
                                   antialias=True)
    return _places(whole[:, 0].numpy()) - low[:, None]


def linear(low: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Results (B, 4, H, W) for images (B, H, W) by filters (4, K, K); the outermost pixels are repeated outwards."""
    side = filters.shape[-1] // 2
    padded = np.pad(low, ((0, 0), (side, side), (side, side)), mode="edge").astype(np.float64)
    return functional.conv2d(torch.from_numpy(padded)[:, None], torch.from_numpy(filters)[:, None]).numpy()


@cache
def learned_linear(kernel: int) -> np.ndarray:
    """The filters (4, kernel, kernel), float64, of least squared error on all views of the training photographs."""
    moment, target = np.zeros((kernel ** 2, kernel ** 2)), np.zeros((kernel ** 2, 4))
    inner = slice(kernel // 2, -(kernel // 2))
    even = [image[:image.shape[0] // 2 * 2, :image.shape[1] // 2 * 2] for image in photographs("train")]
    for image in (view for whole in even for view in views(whole)):
        low = shrink(image)
        windows = np.lib.stride_tricks.sliding_window_view(low, (kernel, kernel)).reshape(-1, kernel ** 2)
        taps = windows.astype(np.float64)
        wanted = (_places(image[None].astype(np.int64)) - low)[0][:, inner, inner].reshape(4, -1)
        moment += taps.T @ taps
        target += taps.T @ wanted.T
    return np.linalg.solve(moment, target).T.reshape(4, kernel, kernel).copy()


BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "nearest": lambda low: np.zeros((len(low), 4, *low.shape[1:])),
    "bicubic": bicubic,
    "learned linear 3x3": lambda low: linear(low, learned_linear(3)),
    "learned linear 5x5": lambda low: linear(low, learned_linear(5)),
}


@cache
def _split(name: SplitName) -> tuple[np.ndarray, HighResolution]:
    parts = [pieces(image, PIECE).astype(np.int64) for image in photographs(name)]
    images = np.concatenate(parts)
    low = shrink(images)
    return low[:, None], HighResolution(images, low, np.repeat(np.arange(len(parts)), [len(part) for part in parts]))


class Enlarger(Network):
    """A network with grey levels as the results of its body; their differences from the image count in a loss."""

    def after(self, y: Tensor, x: Tensor) -> Tensor:
        return y - x * (self.blocks.maximum if isinstance(self.blocks, FloatBlocks) else 1)


class SuperResolution(Task):
    """Photographs at twice their resolution; the metric is the PSNR, a mean over the photographs of a split.

    Images (B, 1, H, W), results (B, 4, H, W) in grey levels, to be added to the image (`enlarge`).
    """

    name = "super_resolution"
    metric = "PSNR dB"
    input_shape = (1, CROP, CROP)
    outputs = 4
    stride = 1
    encoder = BitPlanes(8)
    recipe = Recipe(steps=2400, batch=8, rate=0.01, scores=8)
    shuffle = 2

    def network(self, blocks: Blocks) -> Network:
        """A first convolution of pixels, two basic blocks, and their results added to filters of the pixels."""
        width = blocks.width(16)
        body = nn.Sequential(blocks.pixels(1, width, FILTER, centred=True),
                             blocks.block(width, width), blocks.block(width, width))
        return Enlarger(blocks, blocks.grey(body, width, self.outputs, FILTER))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, tuple[Tensor, ...]]:
        """Images (size, 1, CROP, CROP) and their true results (size, 4, CROP, CROP), float32."""
        images = np.empty((size, 2 * CROP, 2 * CROP), np.int64)
        for image in images:
            view = random_view(rng, photographs("train"))
            y, x = (rng.integers(length - 2 * CROP + 1) for length in view.shape)
            image[:] = view[y:y + 2 * CROP, x:x + 2 * CROP]
        low = shrink(images)[:, None]
        return low, (torch.from_numpy(_places(images) - low).float(),)

    def loss(self, outputs: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        """Mean squared error, of which PSNR is a function, in units of 50 squared grey levels, without the border."""
        inner = (..., *2 * (slice(BORDER // 2, -BORDER // 2),))
        return functional.mse_loss(outputs[inner], targets[0][inner]) / 50

    def split(self, name: SplitName) -> tuple[np.ndarray, HighResolution]:
        """Pieces (B, 1, 64, 64) of the split's photographs, and their truth."""
        return _split(name)

    def score(self, outputs: np.ndarray, truth: HighResolution) -> float:
        """PSNR in dB over all pieces of a photograph, averaged over the photographs."""
        images = enlarge(truth.low, outputs)
        return float(np.mean([psnr(images[truth.photograph == number], truth.images[truth.photograph == number])
                              for number in np.unique(truth.photograph)]))

    def test_set(self) -> str:
        truth = self.split("test")[1]
        photographs_of = len(np.unique(truth.photograph))
        return f"{len(truth.images)} pieces of {PIECE} x {PIECE} pixels, of {photographs_of} photographs"

    def baselines(self) -> dict[str, float]:
        """Test PSNR of the nearest pixel, of bicubic interpolation, and of learned linear filters."""
        truth = self.split("test")[1]
        return {name: self.score(method(truth.low), truth) for name, method in BASELINES.items()}

    def picture(self, path: Path, images: np.ndarray, truth: HighResolution, outputs: dict[str, np.ndarray]) -> None:
        """Low resolution, bicubic, the networks, the truth, for the pieces with the largest gain by bicubic."""
        results = {"low resolution": BASELINES["nearest"](truth.low), "bicubic": bicubic(truth.low), **outputs}
        enlarged = {name: enlarge(truth.low, result) for name, result in results.items()}
        before, after = (np.abs(enlarged[name] - truth.images).mean(axis=(1, 2)) for name in list(enlarged)[:2])
        numbers = [max(np.flatnonzero(truth.photograph == number), key=lambda piece: before[piece] - after[piece])
                   for number in np.unique(truth.photograph)][:SHOWN]
        figure = Figure(figsize=(2.1 * (len(enlarged) + 1), 2.35 * len(numbers)), layout="constrained")
        grid = figure.subplots(len(numbers), len(enlarged) + 1, squeeze=False)
        inner = slice(PIECE // 4, -PIECE // 4)
        for line, number in zip(grid, numbers, strict=True):
            for axes, name in zip(line, [*enlarged, "truth"], strict=True):
                shown = truth.images[number] if name == "truth" else enlarged[name][number]
                figures = "" if name == "truth" else f"\n{psnr(shown, truth.images[number]):.2f} dB"
                axes.imshow(shown[inner, inner], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                axes.set_title(name + figures, fontsize=9)
                axes.set_xticks([])
                axes.set_yticks([])
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
