"""Detection: the classes and the positions of a scene's digits as peaks of heat maps (CenterNet, Zhou et al. 2019)."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn
from torch.nn import functional

from signum.golden.layers.blocks import Blocks, Network, Style
from signum.golden.layers.encoder import TablePlanes
from signum.golden.training.trainer import Recipe

from .scenes import CLASSES, CROWD, SIZE, Box, held_out, scenes
from .task import SplitName, Task
from .templates import TEMPLATE_SIZES, correlation

__all__ = ["DIGIT_CLASSES", "NEAR", "STRIDE", "Detection", "Found", "average_precisions", "heat_maps", "matches",
           "peaks"]

matplotlib.use("Agg")

DIGIT_CLASSES = CLASSES - 1     # each with a heat map
STRIDE = 4
NEAR = 4.0              # pixels between a peak and its digit, at most
SPREAD = 0.7            # standard deviation of the target's peaks, in cells
PEAK_PRIOR = 0.1        # share of peaks at an output of 0
LOGIT_PRIOR = float(np.log(PEAK_PRIOR / (1 - PEAK_PRIOR)))
PIXEL_BITS = 4          # of a pixel in a binary network
SHOWN = 6
TRUE, FALSE, MISSED = "#37c871", "#e4572e", "#f4c430"


class Found(NamedTuple):
    """Detections of a set of images, best first: the image, the class 0..9, the centre and the score of each, arrays
    (P,), (P,), (P, 2) in pixels and (P,)."""

    images: np.ndarray
    classes: np.ndarray
    centres: np.ndarray
    scores: np.ndarray


def heat_maps(truth: list[list[Box]], lines: int, columns: int) -> np.ndarray:
    """The target of a network: float32 (B, 10, lines, columns), a Gaussian around the cell of each digit's centre in
    the map of its class.

    The cell itself is 1; of overlapping Gaussians the larger counts.
    """
    cells = np.zeros((len(truth), DIGIT_CLASSES, lines, columns), np.float32)
    for maps, boxes in zip(cells, truth, strict=True):
        for box in boxes:
            i, j = (int((place + 0.5) // STRIDE) for place in box.centre)
            far = (np.arange(lines)[:, None] - i) ** 2 + (np.arange(columns) - j) ** 2
            one = maps[box.label - 1]
            np.maximum(one, np.exp(-far / (2 * SPREAD ** 2)), out=one)
    return cells


def peaks(outputs: np.ndarray) -> Found:
    """The local maxima of maps (B, 10, lines, columns) over 8 neighbours.

    Of equal neighbours the first in raster order is the peak.
    """
    board = np.pad(outputs.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    lines, columns = outputs.shape[2:]
    inner = board[:, :, 1:-1, 1:-1]
    highest = np.ones(inner.shape, bool)
    for k in range(9):
        other = board[:, :, k // 3:k // 3 + lines, k % 3:k % 3 + columns]
        if k != 4:
            highest &= inner > other if k < 4 else inner >= other
    image, label, i, j = np.nonzero(highest)
    scores = inner[image, label, i, j]
    order = np.argsort(-scores, kind="stable")
    centres = np.stack((i, j), axis=1) * STRIDE + (STRIDE - 1) / 2
    return Found(image[order], label[order], centres[order], scores[order])


def matches(found: Found, truth: list[list[Box]]) -> np.ndarray:
    """The digit of its image that each detection finds, -1 for none: int64 (P,).

    Greedy: each takes the nearest digit of its class that no better one took, if its centre is at most `NEAR` pixels
    away.
    """
    digits = np.full(len(found.scores), -1)
    free = [dict(enumerate(boxes)) for boxes in truth]
    for n, (i, label, centre) in enumerate(zip(found.images, found.classes, found.centres, strict=True)):
        distances = {k: float(np.hypot(*(box.centre - centre)))
                     for k, box in free[i].items() if box.label == label + 1}
        nearest = min(distances, key=distances.__getitem__, default=-1)
        if nearest >= 0 and distances[nearest] <= NEAR:
            digits[n] = nearest
            del free[i][nearest]
    return digits


def average_precisions(outputs: np.ndarray, truth: list[list[Box]]) -> np.ndarray:
    """For each class, the area under the curve of precision over recall, 0..1, of the peaks of all images: (10,).

    The curve has a step for each distinct score: recall and precision of the peaks of at least this score. Peaks and
    digits are matched by `matches`. A class without digits counts NaN.
    """
    found = peaks(outputs)
    digits = matches(found, truth)
    areas = np.full(DIGIT_CLASSES, np.nan)
    for label in range(DIGIT_CLASSES):
        there = sum(box.label == label + 1 for boxes in truth for box in boxes)
        scores, right = found.scores[found.classes == label], np.cumsum(digits[found.classes == label] >= 0)
        last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.empty(0, int)
        gained = np.diff(right[last], prepend=0)
        if there:
            areas[label] = (gained * right[last] / (last + 1)).sum() / there
    return areas


def _threshold_of(scores: np.ndarray, found: np.ndarray, digits: int) -> float:
    """The score threshold with the fewest false peaks and missed digits, together."""
    errors = digits + np.cumsum(np.where(found < 0, 1, -1))
    return float(scores[errors.argmin()])


class Detection(Task):
    """Digits of ten classes; an output channel for each at a quarter of the image's size, the larger the surer of a
    centre.

    The metric is the mean over the classes of `average_precisions`, in percent.
    """

    name = "detection"
    metric = "mAP"
    input_shape = (1, SIZE, SIZE)
    outputs = DIGIT_CLASSES
    stride = STRIDE
    encoder = TablePlanes(PIXEL_BITS, tables=(tuple(value >> 8 - PIXEL_BITS for value in range(256)),))
    recipe = Recipe(steps=12_000, batch=8, rate=0.01, scores=8)
    style = Style(residual="concat", rectified=True, activation_gains=False, first_levels=2, levels=2, last_levels=2,
                  first_bits=2, last_bits=2)

    def network(self, blocks: Blocks) -> Network:
        """A first convolution of pixels at a quarter of the size, two basic blocks, and the heat maps."""
        wide = blocks.width(32)
        return Network(blocks, nn.Sequential(
            blocks.pixels(1, wide, kernel=7, stride=STRIDE),
            blocks.block(wide, wide), blocks.block(wide, wide, last=True),
            blocks.values(wide, self.outputs, kernel=3)))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, tuple[Tensor, ...]]:
        images, _, boxes = scenes("train", size, rng, most=CROWD)
        return images, (torch.from_numpy(heat_maps(boxes, SIZE // STRIDE, SIZE // STRIDE)),)

    def loss(self, outputs: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        """CenterNet's focal loss with less penalty near a centre (alpha 2, beta 4), for each digit.

        The logit is the output plus a constant: at an output of 0 the probability of a peak is `PEAK_PRIOR`.
        """
        (heat,) = targets
        logits = outputs + LOGIT_PRIOR
        probability = logits.sigmoid()
        centre = heat == 1
        hit = (1 - probability) ** 2 * functional.logsigmoid(logits)
        miss = (1 - heat) ** 4 * probability ** 2 * functional.logsigmoid(-logits)
        return -torch.where(centre, hit, miss).sum() / centre.sum().clamp(min=1)

    def imitation(self, outputs: Tensor, teacher: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        """`loss` with the teacher's probabilities as targets, as binary cross entropy."""
        return functional.binary_cross_entropy_with_logits(outputs + LOGIT_PRIOR, (teacher + LOGIT_PRIOR).sigmoid())

    def split(self, name: SplitName) -> tuple[np.ndarray, list[list[Box]]]:
        images, _, boxes = held_out(name)
        return images, boxes

    def score(self, outputs: np.ndarray, truth: list[list[Box]]) -> float:
        """The mean average precision in percent.

        Raises
        ------
        ValueError
            If the outputs are not (B, 10, h, w) for the B images of the truth.
        """
        if outputs.ndim != 4 or outputs.shape[:2] != (len(truth), DIGIT_CLASSES):
            raise ValueError(f"outputs must be ({len(truth)}, {DIGIT_CLASSES}, h, w), not {outputs.shape}")
        return 100 * float(np.nanmean(average_precisions(outputs, truth)))

    def test_set(self) -> str:
        _, truth = self.split("test")
        digits = sum(map(len, truth))
        return f"{digits} digits in {len(truth)} scenes; a missed one is {100 / digits:.2f} points"

    def baselines(self) -> dict[str, float]:
        images, truth = self.split("test")
        return {
            "mean digit, of any class": self.score(_by_templates(images, by_class=False), truth),
            "mean digit of each class": self.score(_by_templates(images, by_class=True), truth),
        }

    def picture(self, path: Path, images: np.ndarray, truth: list[list[Box]], outputs: dict[str, np.ndarray]) -> None:
        """Some images with their digits, and the largest heat of any class and the boxes of each network.

        A box has its class, and is green on a digit of this class and red elsewhere; a missed digit has a yellow box.
        Boxes have the mean size of a digit, and are drawn above the score threshold with the fewest errors.
        """
        shown = min(SHOWN, len(images))
        figure = Figure(figsize=(2 * shown, 2.1 * (1 + len(outputs))), layout="constrained")
        grid = figure.subplots(1 + len(outputs), shown, squeeze=False)
        for row, name in enumerate(("truth", *outputs)):
            answer = _answer(outputs[name], truth) if name in outputs else None
            for k, axes in enumerate(grid[row]):
                axes.imshow(images[k, 0], cmap="gray", vmin=0, vmax=255)
                if answer is None:
                    for box in truth[k]:
                        _frame(axes, Frame(box.label - 1, box.centre, (box.h, box.w), TRUE))
                else:
                    axes.imshow(outputs[name][k].max(axis=0), cmap="inferno", alpha=0.45, interpolation="bilinear",
                                extent=(-0.5, images.shape[3] - 0.5, images.shape[2] - 0.5, -0.5))
                    for frame in answer[k]:
                        _frame(axes, frame)
                axes.set_xticks([])
                axes.set_yticks([])
            grid[row, 0].set_ylabel(name, fontsize=11)
        scored = ", ".join(f"{name} {self.score(result, truth):.1f}" for name, result in outputs.items())
        figure.suptitle(f"Detection: {self.metric} {scored}", fontsize=11)
        figure.savefig(path, dpi=110)


class Frame(NamedTuple):
    """A box to draw: a digit's class, its centre and its height and width in pixels, and a colour."""

    label: int
    centre: tuple[float, float]
    size: tuple[float, float]
    colour: str


def _answer(outputs: np.ndarray, truth: list[list[Box]]) -> list[list[Frame]]:
    """The boxes to draw, for each image."""
    found = peaks(outputs)
    digits = matches(found, truth)
    drawn: list[list[Frame]] = [[] for _ in truth]
    missed = [dict(enumerate(boxes)) for boxes in truth]
    for n in np.flatnonzero(found.scores >= _threshold_of(found.scores, digits, sum(map(len, truth)))):
        i, (y, x) = found.images[n], found.centres[n]
        drawn[i].append(Frame(found.classes[n], (y, x), _mean_size(), FALSE if digits[n] < 0 else TRUE))
        missed[i].pop(digits[n], None)
    for frames, boxes in zip(drawn, missed, strict=True):
        frames += [Frame(box.label - 1, box.centre, _mean_size(), MISSED) for box in boxes.values()]
    return drawn


def _frame(axes: Axes, frame: Frame) -> None:
    (y, x), (h, w) = frame.centre, frame.size
    axes.add_patch(Rectangle((x - w / 2, y - h / 2), w, h, fill=False, edgecolor=frame.colour, linewidth=1.8))
    side, align = (w / 2, "right") if frame.colour == FALSE else (-w / 2, "left")   # a false class beside the true one
    axes.text(x + side, y - h / 2, str(frame.label), color="black", fontsize=8, ha=align, va="bottom",
              bbox={"facecolor": frame.colour, "linewidth": 0, "pad": 0.8})


@cache
def _mean_size() -> tuple[float, float]:
    """Mean height and width of a digit's ink in training scenes, in pixels."""
    sizes = np.array([(box.h, box.w) for boxes in scenes("train", 500, 0).boxes for box in boxes])
    h, w = sizes.mean(axis=0)
    return float(h), float(w)


def _by_templates(images: np.ndarray, by_class: bool) -> np.ndarray:
    """The best correlation with the mean digit of each class, of any size, the best of each cell: (B, 10, h, w)."""
    fits = torch.stack([correlation(images, size, by_class) for size in TEMPLATE_SIZES]).amax(dim=0)
    return functional.max_pool2d(fits.expand(-1, DIGIT_CLASSES, -1, -1), STRIDE).numpy()
