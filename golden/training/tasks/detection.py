"""Detection: the positions of a scene's digits as peaks of a heat map (after CenterNet, Zhou et al. 2019)."""

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn
from torch.nn import functional

from signum.golden.layers.blocks import Blocks, Network, Style
from signum.golden.layers.encoder import BitPlanes
from signum.golden.training.trainer import Recipe

from .scenes import CROWD, SIZE, Box, held_out, scenes
from .task import SplitName, Task
from .templates import TEMPLATE_SIZES, correlation

__all__ = ["NEAR", "STRIDE", "Detection", "average_precision", "heat_map", "matches", "peaks"]

matplotlib.use("Agg")

STRIDE = 4
NEAR = 4.0              # pixels between a peak and its digit, at most
SPREAD = 0.7            # standard deviation of the target's peaks, in cells
PEAK_PRIOR = 0.1        # share of peaks at an output of 0
LOGIT_PRIOR = float(np.log(PEAK_PRIOR / (1 - PEAK_PRIOR)))
BLUR = 11               # side of the mean filter, applied twice
SHOWN = 6
TRUE, FALSE, MISSED = "#37c871", "#e4572e", "#f4c430"


def heat_map(truth: list[list[Box]], lines: int, columns: int) -> np.ndarray:
    """The target of a network: float32 (B, 1, lines, columns), a Gaussian around the cell of each digit's centre.

    The cell itself is 1; of overlapping Gaussians the larger counts.
    """
    cells = np.zeros((len(truth), 1, lines, columns), np.float32)
    for image, boxes in zip(cells[:, 0], truth, strict=True):
        for box in boxes:
            i, j = (int((place + 0.5) // STRIDE) for place in box.centre)
            far = (np.arange(lines)[:, None] - i) ** 2 + (np.arange(columns) - j) ** 2
            np.maximum(image, np.exp(-far / (2 * SPREAD ** 2)), out=image)
    return cells


def peaks(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The local maxima of a map over 8 neighbours: images (P,), centres (P, 2) in pixels, scores (P,).

    Of equal neighbours the first in raster order is the peak.
    """
    board = np.pad(outputs[:, 0].astype(np.float64), ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    lines, columns = outputs.shape[2:]
    inner = board[:, 1:-1, 1:-1]
    highest = np.ones(inner.shape, bool)
    for k in range(9):
        other = board[:, k // 3:k // 3 + lines, k % 3:k % 3 + columns]
        if k != 4:
            highest &= inner > other if k < 4 else inner >= other
    image, i, j = np.nonzero(highest)
    return image, np.stack((i, j), axis=1) * STRIDE + (STRIDE - 1) / 2, inner[image, i, j]


def matches(outputs: np.ndarray, truth: list[list[Box]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The results of `peaks`, best first, and the digit of its image that each peak finds, -1 for none.

    Greedy: each peak takes the nearest digit that no better peak took, if its centre is at most `NEAR` pixels away.
    """
    image, places, scores = peaks(outputs)
    order = np.argsort(-scores, kind="stable")
    image, places, scores = image[order], places[order], scores[order]
    free = [{k: np.array(box.centre) for k, box in enumerate(boxes)} for boxes in truth]
    found = np.full(len(order), -1)
    for n, (i, place) in enumerate(zip(image, places, strict=True)):
        distances = {k: float(np.hypot(*(centre - place))) for k, centre in free[i].items()}
        nearest = min(distances, key=distances.__getitem__, default=-1)
        if nearest >= 0 and distances[nearest] <= NEAR:
            found[n] = nearest
            del free[i][nearest]
    return image, places, scores, found


def average_precision(outputs: np.ndarray, truth: list[list[Box]]) -> float:
    """Area under the curve of precision over recall, 0..1, of all peaks of all images together.

    The curve has a step for each distinct score: recall and precision of the peaks of at least this score.
    Peaks and digits are matched by `matches`.
    """
    _, _, scores, found = matches(outputs, truth)
    right = np.cumsum(found >= 0)
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.empty(0, int)
    gained = np.diff(right[last], prepend=0)
    return float((gained * right[last] / (last + 1)).sum() / sum(map(len, truth)))


def _threshold_of(scores: np.ndarray, found: np.ndarray, digits: int) -> float:
    """The score threshold with the fewest false peaks and missed digits, together."""
    errors = digits + np.cumsum(np.where(found < 0, 1, -1))
    return float(scores[errors.argmin()])


class Detection(Task):
    """Digits of any class; one output channel at a quarter of the image's size, the larger the surer of a centre.

    The metric is the average precision in percent; see `average_precision`.
    """

    name = "detection"
    metric = "AP"
    input_shape = (1, SIZE, SIZE)
    outputs = 1
    stride = STRIDE
    encoder = BitPlanes(8)
    recipe = Recipe(steps=3000, batch=8, rate=0.01, scores=8)
    style = Style(residual="concat", rectified=True, activation_gains=False, first_levels=3, last_levels=3,
                  first_bits=2, last_bits=2)

    def network(self, blocks: Blocks) -> Network:
        """A first convolution of pixels at half the size, two basic blocks at a quarter of it, and the heat map."""
        narrow, wide = blocks.width(24), blocks.width(32)
        return Network(blocks, nn.Sequential(
            blocks.pixels(1, narrow, kernel=5, stride=2),
            blocks.block(narrow, wide, stride=2), blocks.block(wide, wide, last=True),
            blocks.values(wide, self.outputs, kernel=3)))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, tuple[Tensor, ...]]:
        images, _, boxes = scenes("train", size, rng, most=CROWD)
        return images, (torch.from_numpy(heat_map(boxes, SIZE // STRIDE, SIZE // STRIDE)),)

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
        """The average precision in percent.

        Raises
        ------
        ValueError
            If the outputs are not (B, 1, h, w) for the B images of the truth.
        """
        if outputs.ndim != 4 or outputs.shape[:2] != (len(truth), 1):
            raise ValueError(f"outputs must be ({len(truth)}, 1, h, w), not {outputs.shape}")
        return 100 * average_precision(outputs, truth)

    def test_set(self) -> str:
        _, truth = self.split("test")
        digits = sum(map(len, truth))
        return f"{digits} digits in {len(truth)} scenes; a missed one is {100 / digits:.2f} points"

    def baselines(self) -> dict[str, float]:
        images, truth = self.split("test")
        return {
            "local contrast": self.score(_by_contrast(images), truth),
            "mean digit": self.score(_by_templates(images, by_class=False), truth),
            "mean digit of each class": self.score(_by_templates(images, by_class=True), truth),
        }

    def picture(self, path: Path, images: np.ndarray, truth: list[list[Box]], outputs: dict[str, np.ndarray]) -> None:
        """Some images with their digits, and the heat map and the boxes of each network.

        A box is green on a digit and red elsewhere; a missed digit has a yellow box. Boxes have the mean size of a
        digit, and are drawn above the score threshold with the fewest errors.
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
                        _frame(axes, box.centre, (box.h, box.w), TRUE)
                else:
                    axes.imshow(outputs[name][k, 0], cmap="inferno", alpha=0.45, interpolation="bilinear",
                                extent=(-0.5, images.shape[3] - 0.5, images.shape[2] - 0.5, -0.5))
                    for centre, colour in answer[k]:
                        _frame(axes, centre, _mean_size(), colour)
                axes.set_xticks([])
                axes.set_yticks([])
            grid[row, 0].set_ylabel(name, fontsize=11)
        scored = ", ".join(f"{name} {self.score(result, truth):.1f}" for name, result in outputs.items())
        figure.suptitle(f"Detection: {self.metric} {scored}", fontsize=11)
        figure.savefig(path, dpi=110)


def _answer(outputs: np.ndarray, truth: list[list[Box]]) -> list[list[tuple[tuple[float, float], str]]]:
    """Centres and colours of the boxes to draw, for each image."""
    image, places, scores, found = matches(outputs, truth)
    shown = scores >= _threshold_of(scores, found, sum(map(len, truth)))
    drawn: list[list[tuple[tuple[float, float], str]]] = [[] for _ in truth]
    missed = [dict(enumerate(boxes)) for boxes in truth]
    for i, (y, x), digit in zip(image[shown], places[shown], found[shown], strict=True):
        drawn[i].append(((y, x), FALSE if digit < 0 else TRUE))
        missed[i].pop(digit, None)
    for i, boxes in enumerate(missed):
        drawn[i] += [(box.centre, MISSED) for box in boxes.values()]
    return drawn


def _frame(axes: Axes, centre: tuple[float, float], size: tuple[float, float], colour: str) -> None:
    (y, x), (h, w) = centre, size
    axes.add_patch(Rectangle((x - w / 2, y - h / 2), w, h, fill=False, edgecolor=colour, linewidth=1.8))


@cache
def _mean_size() -> tuple[float, float]:
    """Mean height and width of a digit's ink in training scenes, in pixels."""
    sizes = np.array([(box.h, box.w) for boxes in scenes("train", 500, 0).boxes for box in boxes])
    h, w = sizes.mean(axis=0)
    return float(h), float(w)


def _by_contrast(images: np.ndarray) -> np.ndarray:
    """Standard deviation of the surrounding pixels, weighted by nearness; the mean of each cell."""
    def blurred(pixels: Tensor) -> Tensor:
        for _ in range(2):
            pixels = functional.avg_pool2d(functional.pad(pixels, [BLUR // 2] * 4, "replicate"), BLUR, 1)
        return pixels

    pixels = torch.from_numpy(images).float() / 255
    return functional.avg_pool2d((blurred(pixels ** 2) - blurred(pixels) ** 2).clamp(min=0).sqrt(), STRIDE).numpy()


def _by_templates(images: np.ndarray, by_class: bool) -> np.ndarray:
    """The best correlation with a mean digit of any size, the best of each cell."""
    fits = [correlation(images, size, by_class).amax(dim=1, keepdim=True) for size in TEMPLATE_SIZES]
    return functional.max_pool2d(torch.stack(fits).amax(dim=0), STRIDE).numpy()
