"""Classification: handwritten digits, ten classes."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from signum.golden.layers.blocks import Blocks, Network, Style
from signum.golden.layers.encoder import Thermometer
from signum.golden.training.data import DIGITS_MAXIMUM, Split, digits, validation_split
from signum.golden.training.trainer import Recipe

from .task import SplitName, Task, softened

__all__ = ["Classification", "Classifier"]

VALIDATION = 237


class Classifier(Network):
    """A network whose body ends in a result for each class: (B, classes)."""

    def after(self, y: Tensor, x: Tensor) -> Tensor:
        return super().after(y, x).flatten(1)


@cache
def _splits() -> dict[str, Split]:
    data = digits()
    train, validation = validation_split(data.train, VALIDATION)
    return {"train": train, "validation": validation, "test": data.test}


class Classification(Task):
    """Digits of 8x8 pixels, values 0..16; the metric is the accuracy on held-out images, in percent.

    1200 training, 237 validation and 360 test images, each class in equal shares.
    """

    name = "classification"
    metric = "accuracy %"
    input_shape = (1, 8, 8)
    outputs = 10
    stride = 8
    maximum = DIGITS_MAXIMUM
    encoder = Thermometer(levels=DIGITS_MAXIMUM, maximum=DIGITS_MAXIMUM)
    recipe = Recipe(steps=2400, batch=32, real_share=0.0, scores=8)
    style = Style(residual="concat")

    def network(self, blocks: Blocks) -> Network:
        """A first convolution, three basic blocks, and a last convolution over the whole remaining map (4x4)."""
        narrow, wide = blocks.width(24), blocks.width(32)
        return Classifier(blocks, nn.Sequential(
            blocks.conv(blocks.inputs(1), narrow),
            blocks.block(narrow, narrow),
            blocks.block(narrow, wide, stride=2),
            blocks.block(wide, wide),
            blocks.result(wide, self.outputs, kernel=4, padding=0)))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, tuple[Tensor, ...]]:
        """Half of the images are moved by a pixel."""
        train = _splits()["train"]
        chosen = rng.integers(0, len(train), size)
        padded = np.pad(train.images[chosen], ((0, 0), (0, 0), (1, 1), (1, 1)))
        moves = np.where(rng.random((size, 1)) < 0.5, rng.integers(0, 3, (size, 2)), 1)
        images = np.stack([image[:, y:y + 8, x:x + 8] for image, (y, x) in zip(padded, moves, strict=True)])
        return images, (torch.from_numpy(train.labels[chosen]),)

    def loss(self, outputs: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets[0])

    def imitation(self, outputs: Tensor, teacher: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        return softened(outputs, teacher)

    def split(self, name: SplitName) -> tuple[np.ndarray, np.ndarray]:
        split = _splits()[name]
        return split.images, split.labels

    def score(self, outputs: np.ndarray, truth: Any) -> float:
        """Percent of the images whose largest result (the first of equal ones) is at their class."""
        return 100 * float((outputs.reshape(len(truth), -1).argmax(axis=1) == truth).mean())

    def test_set(self) -> str:
        count = len(_splits()["test"])
        return f"{count} digits; one is {100 / count:.2f} points"

    def baselines(self) -> dict[str, float]:
        """A linear classifier and the nearest neighbour, on the pixels."""
        train, test = _splits()["train"], _splits()["test"]
        simple: dict[str, Callable[[], Any]] = {
            "logistic regression": lambda: LogisticRegression(max_iter=2000),
            "nearest neighbour": lambda: KNeighborsClassifier(1)}
        return {name: 100 * float(make().fit(train.images.reshape(len(train), -1), train.labels)
                                  .score(test.images.reshape(len(test), -1), test.labels))
                for name, make in simple.items()}

    def picture(self, path: Path, images: np.ndarray, truth: Any, outputs: dict[str, np.ndarray]) -> None:
        """The images misclassified by any network, then others, with the answer of every network."""
        answers = {name: scores.reshape(len(truth), -1).argmax(axis=1) for name, scores in outputs.items()}
        wrong = np.sum([found != truth for found in answers.values()], axis=0)
        order = np.argsort(-wrong, kind="stable")[:24]
        with matplotlib.rc_context({"font.size": 7}):
            figure = Figure(figsize=(10, 5.4), layout="constrained")
            for place, index in zip(figure.subplots(3, 8).flat, order, strict=True):
                place.imshow(images[index, 0], cmap="gray_r", vmin=0, vmax=self.maximum)
                place.set_axis_off()
                text = "\n".join(f"{name}: {found[index]}" for name, found in answers.items()
                                 if found[index] != truth[index])
                place.set_title(f"{truth[index]}" + (f"\n{text}" if text else ""),
                                color="tab:red" if text else "tab:green")
            figure.suptitle("held-out digits: the class in green where all networks agree, else who says what")
            figure.savefig(path, dpi=110)
