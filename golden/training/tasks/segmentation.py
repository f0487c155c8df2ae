"""Segmentation: the class of each pixel of a scene, background or a digit (after FCN, Long et al. 2015)."""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from signum.golden.layers.blocks import Blocks, Network, Style
from signum.golden.layers.encoder import BitPlanes
from signum.golden.training.trainer import Recipe

from .scenes import CLASSES, CROWD, SIZE, held_out, scenes
from .task import SplitName, Task, softened
from .templates import TEMPLATE_SIZES, correlation, templates

__all__ = ["STRIDE", "Segmentation", "classes_of", "intersection_over_union"]

matplotlib.use("Agg")

STRIDE = 4              # pixels of a cell's side
DIGIT_WEIGHT = 2.0      # of a digit's pixels in the loss; the background has 1
SHOWN = 6
FITTED = 200            # training scenes that choose the least fit of a mean digit
LEAST = 0.6             # the smallest candidate for the least fit
COLOURS = ("#000000", "#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45",
           "#9a6324")


def classes_of(outputs: np.ndarray) -> np.ndarray:
    """The class of each pixel, int64 (B, H, W): the largest of the scores (B, 11, H, W), the first of equal ones."""
    return outputs.argmax(axis=1)


def intersection_over_union(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each of the 11 classes: its pixels in both over its pixels in either, of all images together, (11,).

    A class in neither counts 1.
    """
    counts = np.bincount(CLASSES * labels.ravel() + answers.ravel(), minlength=CLASSES ** 2).reshape(CLASSES, CLASSES)
    both = counts.diagonal()
    either = counts.sum(axis=0) + counts.sum(axis=1) - both
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _mean_iou(answers: np.ndarray, labels: np.ndarray) -> float:
    """In percent."""
    return 100 * float(intersection_over_union(answers, labels).mean())


class PerPixel(Network):
    """A network whose last layer has the scores of `STRIDE` x `STRIDE` pixels in the channels of each cell."""

    def after(self, y: Tensor, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(super().after(y, x), STRIDE)


class Segmentation(Task):
    """A class for each pixel: background or one of ten digits; 11 output channels.

    The metric is the mean over the classes of `intersection_over_union`, in percent.
    """

    name = "segmentation"
    metric = "mIoU"
    input_shape = (1, SIZE, SIZE)
    outputs = CLASSES
    stride = 1
    encoder = BitPlanes(8)
    recipe = Recipe(steps=8000, batch=8, rate=0.01, real_share=0.0, scores=8)
    style = Style(residual="concat", rectified=True, activation_gains=False, first_levels=3, levels=3, last_levels=3,
                  first_bits=2, last_bits=1)
    answer = "ranks"
    shuffle = STRIDE

    def network(self, blocks: Blocks) -> Network:
        """A first convolution of pixels at half the size, two basic blocks at a quarter of it, and the scores of all
        pixels of a cell (Shi et al., 2016)."""
        narrow, wide = blocks.width(24), blocks.width(48)
        return PerPixel(blocks, nn.Sequential(
            blocks.pixels(1, narrow, kernel=5, stride=2),
            blocks.block(narrow, wide, stride=2), blocks.block(wide, wide, last=True),
            blocks.values(wide, STRIDE**2 * self.outputs, kernel=3)))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, tuple[Tensor, ...]]:
        images, labels, _ = scenes("train", size, rng, most=CROWD)
        return images, (torch.from_numpy(labels),)

    def loss(self, outputs: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        """Cross entropy of the scores; pixels of digits weigh more than the background."""
        weights = torch.full((CLASSES,), DIGIT_WEIGHT, device=outputs.device)
        weights[0] = 1
        return functional.cross_entropy(outputs, targets[0], weights)

    def imitation(self, outputs: Tensor, teacher: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        return softened(outputs, teacher)

    def split(self, name: SplitName) -> tuple[np.ndarray, np.ndarray]:
        images, labels, _ = held_out(name)
        return images, labels

    def score(self, outputs: np.ndarray, truth: np.ndarray) -> float:
        """The mean intersection over union in percent.

        Raises
        ------
        ValueError
            If the outputs are not (B, 11, H, W) for a truth of (B, H, W).
        """
        b, h, w = truth.shape
        wanted = (b, CLASSES, h, w)
        if outputs.shape != wanted:
            raise ValueError(f"outputs must be {wanted}, not {outputs.shape}")
        return _mean_iou(classes_of(outputs), truth)

    def test_set(self) -> str:
        _, _, boxes = held_out("test")
        count, labels = sum(map(len, boxes)), self.split("test")[1]
        return (f"{count} digits in {len(labels)} scenes of {SIZE} x {SIZE} pixels; one of a wrong class is about "
                f"{200 / (CLASSES * (count / (CLASSES - 1))):.2f} points")

    def baselines(self) -> dict[str, float]:
        """Background everywhere, and mean digits painted at their best fits."""
        fit = scenes("train", FITTED, 0)
        found, fits = _painted(fit.images)
        tried = {least: _mean_iou(np.where(fits >= least, found, 0), fit.labels) for least in np.arange(LEAST, 1, 0.02)}
        images, truth = self.split("test")
        found, fits = _painted(images)
        found[fits < max(tried, key=tried.__getitem__)] = 0
        return {"background everywhere": _mean_iou(np.zeros_like(truth), truth),
                "mean digit of each class": _mean_iou(found, truth)}

    def picture(self, path: Path, images: np.ndarray, truth: np.ndarray, outputs: dict[str, np.ndarray]) -> None:
        """Some images, their classes in colours, and the classes by each network."""
        shown = min(SHOWN, len(images))
        rows = {"truth": truth, **{name: classes_of(result) for name, result in outputs.items()}}
        figure = Figure(figsize=(2 * shown, 2.1 * (1 + len(rows))), layout="constrained")
        grid = figure.subplots(1 + len(rows), shown, squeeze=False)
        colours = ListedColormap(COLOURS)
        for k in range(shown):
            grid[0, k].imshow(images[k, 0], cmap="gray", vmin=0, vmax=255)
            for axes, answer in zip(grid[1:, k], rows.values(), strict=True):
                axes.imshow(images[k, 0] // 3, cmap="gray", vmin=0, vmax=255)
                axes.imshow(np.ma.masked_equal(answer[k], 0), cmap=colours, vmin=0, vmax=CLASSES - 1,
                            interpolation="nearest")
        for axes, name in zip(grid[:, 0], ("image", *rows), strict=True):
            axes.set_ylabel(name, fontsize=11)
        for axes in grid.flat:
            axes.set_xticks([])
            axes.set_yticks([])
        for label in range(1, CLASSES):
            grid[1, 0].plot([], [], "s", color=COLOURS[label], label=str(label - 1))
        figure.legend(loc="outside lower center", ncols=CLASSES - 1, frameon=False, fontsize=10)
        scored = ", ".join(f"{name} {self.score(result, truth):.1f}" for name, result in outputs.items())
        figure.suptitle(f"Segmentation: {self.metric} {scored}", fontsize=11)
        figure.savefig(path, dpi=110)


def _painted(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class, int64 (B, H, W), of the best-fitting mean digit that covers each pixel, and its fit.

    Zero where no fit reaches `LEAST`.
    """
    edge = max(TEMPLATE_SIZES) // 2
    board = np.pad(np.zeros(images[:, 0].shape), ((0, 0), (edge, edge), (edge, edge)))
    found = board.astype(np.int64)
    masks = [digit for size in TEMPLATE_SIZES for digit in templates(size, by_class=True) >= 0.5]
    fits = torch.cat([correlation(images, size, by_class=True) for size in TEMPLATE_SIZES], dim=1).numpy()
    places = np.argwhere(fits >= LEAST)
    values = fits[tuple(places.T)]
    for n in np.argsort(values, kind="stable"):     # best fits last
        image, k, y, x = places[n]
        mask = masks[k]
        top, left = y + edge - len(mask) // 2, x + edge - len(mask) // 2
        window = (image, slice(top, top + len(mask)), slice(left, left + len(mask)))
        board[window][mask] = values[n]
        found[window][mask] = k % (CLASSES - 1) + 1
    return found[:, edge:-edge, edge:-edge], board[:, edge:-edge, edge:-edge]
