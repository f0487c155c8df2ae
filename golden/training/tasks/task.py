"""The interface of every task for training, reports and runs on hardware."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from signum.golden.layers.blocks import Blocks, Network, Style
from signum.golden.layers.encoder import Encoder
from signum.golden.training.trainer import Recipe

__all__ = ["Answer", "SplitName", "Task", "softened"]

TEMPERATURE = 2.0
SHOWN = 6

SplitName = Literal["validation", "test"]
Answer = Literal["values", "ranks", "words"]


def softened(outputs: Tensor, teacher: Tensor) -> Tensor:
    """Knowledge distillation of classes along axis 1 (Hinton et al., 2015): the mean divergence of the softened
    classes of the outputs from the teacher's, times the square of the temperature, `TEMPERATURE`."""
    wanted, given = ((x / TEMPERATURE).log_softmax(1) for x in (teacher, outputs))
    return TEMPERATURE**2 * (wanted.exp() * (wanted - given)).sum(1).mean()


class Task(ABC):
    """A vision task. Images are int64 (B, C, H, W) with values 0..255 unless a task says otherwise.

    Members
    -------
    name, metric : str
        Name of the task, and of its figure of merit; larger is better.
    input_shape : (C, H, W)
        Shape of one training image.
    outputs, stride : int
        Channels of a network's result, and its stride in input positions.
    encoder : Encoder
        Encoding of images for a binary network.
    maximum : int
        The largest value of an image.
    recipe : Recipe
        Training of its networks, of any blocks.
    style : Style
        The blocks of its binary networks, of any multiplier.
    answer : "values", "ranks" or "words"
        The answer of a device for each pixel of a binary network's result: its values, the channel of the largest one,
        or its bits.
    shuffle : int
        Pixels along each side that a pixel of the last layer stands for, in the order of ``nn.PixelShuffle``.
    """

    name: ClassVar[str]
    metric: ClassVar[str]
    input_shape: tuple[int, int, int]
    outputs: int
    stride: int
    encoder: Encoder
    maximum: int = 255
    recipe: Recipe
    style: Style = Style()
    answer: Answer = "values"
    shuffle: int = 1

    @abstractmethod
    def network(self, blocks: Blocks) -> Network:
        """An untrained network of these blocks."""

    @abstractmethod
    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, tuple[Tensor, ...]]:
        """``size`` training images, drawn and augmented, and the targets of `loss`."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        """A scalar from a network's results (B, outputs, h, w) or (B, outputs)."""

    def imitation(self, outputs: Tensor, teacher: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        """A scalar that is least where a network's results agree with those of a teacher; both (B, outputs, ...).

        Here the mean squared difference.
        """
        return functional.mse_loss(outputs, teacher)

    @abstractmethod
    def split(self, name: SplitName) -> tuple[np.ndarray, Any]:
        """The images of a split, always the same, and their truth, for `score`."""

    @abstractmethod
    def score(self, outputs: np.ndarray, truth: Any) -> float:
        """The metric of a network's results, float or integer (B, outputs, ...), on a whole split."""

    def baselines(self) -> dict[str, float]:
        """Scores of simple methods on the test split, by name; here none."""
        return {}

    def test_set(self) -> str:
        """The size of the test split, and the weight of one error, as a phrase."""
        return f"{len(self.split('test')[0])} images"

    def further(self) -> dict[str, tuple[np.ndarray, Any, dict[str, float]]]:
        """Further test images, by name: the images, their truth, and the scores of the simple methods."""
        return {}

    def picture(self, path: Path, images: np.ndarray, truth: Any, outputs: dict[str, np.ndarray]) -> None:
        """Draw some images with their truth, and the outputs of the named networks; here images and the scores."""
        shown = min(SHOWN, len(images))
        figure = Figure(figsize=(1.8 * shown, 2.4), layout="constrained")
        for axes, image in zip(figure.subplots(1, shown, squeeze=False)[0], images, strict=False):
            axes.imshow(image[0], cmap="gray", vmin=0, vmax=self.maximum)
            axes.set_axis_off()
        scored = ", ".join(f"{name} {self.score(result, truth):.1f}" for name, result in outputs.items())
        figure.suptitle(f"{self.name}: {self.metric} {scored}", fontsize=9)
        figure.savefig(path, dpi=110)
