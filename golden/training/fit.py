"""Training: latent weights with straight-through gradients, bounded by steps, and equal for equal seeds.

Latent weights learn fast (a tenth of their initial scale a step, Adam), since only a change of sign matters;
all other parameters learn as in any network. The rates fall to zero along a cosine.
"""

import pickle
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from signum.golden.layers.binary import INITIAL_SCALE, BinaryConv2d, BinaryLinear, Logits
from signum.golden.layers.encoder import Encoder, encoder_from_dict
from signum.golden.networks.digits import digits_encoder, digits_float, digits_network

from .data import Split, digits
from .trainer import Progress, reproducible

__all__ = ["DIGITS_RECIPE", "FLOAT_RECIPE", "Point", "Recipe", "TrainedDigits", "accuracy", "fit",
           "load_digits_network", "save_digits_network", "train_digits"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The parameters of a training.

    Parameters
    ----------
    epochs, batch : int
        Passes over the images, and images a step; a last, smaller batch of a pass is left out.
    latent_rate : float
        Learning rate of latent weights, relative to their initial scale.
    rate : float
        Learning rate of all other parameters.
    shift : float
        Share of the images moved by one pixel in one of four directions.
    """

    epochs: int
    batch: int = 32
    latent_rate: float = 0.1
    rate: float = 0.003
    shift: float = 0.5

    def steps(self, images: int) -> int:
        """Steps of a training on a number of images."""
        return self.epochs * (images // self.batch)


DIGITS_RECIPE = Recipe(epochs=80)
"""Chosen on `golden.training.data.validation_split` of the training digits: shifts halve the errors there, a rate of
0.003 is as good as 0.01 or better, and latent rates of 0.03 to 0.2 are alike."""

FLOAT_RECIPE = Recipe(epochs=30)
"""Fewer passes: the float twin converges long before the binary network."""


@dataclass(frozen=True)
class Point:
    """A pass of training: its number from 1, its mean loss, and its training accuracy."""

    epoch: int
    loss: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class TrainedDigits:
    """A trained digits network, in evaluation mode, with its record; accuracies are shares 0..1.

    ``accuracy`` and ``accuracy_float`` (of the float twin) are on the held-out digits.
    """

    model: nn.Module
    encoder: Encoder
    seed: int
    accuracy: float
    accuracy_float: float
    history: list[Point]
    history_float: list[Point]


def _shifted(images: np.ndarray) -> Iterator[np.ndarray]:
    """The images unmoved, then moved by one pixel up, left, right and down; vacated pixels are 0."""
    height, width = images.shape[2:]
    board = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for y, x in ((1, 1), (2, 1), (1, 2), (1, 0), (0, 1)):
        yield board[:, :, y:y + height, x:x + width]


def _optimizer(model: nn.Module, recipe: Recipe) -> tuple[torch.optim.Optimizer, list[nn.Parameter]]:
    """Adam, and the latent weights among the parameters."""
    latent = [m.weight for m in model.modules() if isinstance(m, BinaryConv2d | BinaryLinear)]
    known = {id(weight) for weight in latent}
    others = [p for p in model.parameters() if id(p) not in known]
    groups = [{"params": latent, "lr": recipe.latent_rate * INITIAL_SCALE},
              {"params": others, "lr": recipe.rate}]
    return torch.optim.Adam([group for group in groups if group["params"]]), latent


def fit(model: nn.Module, encoder: Encoder, split: Split, recipe: Recipe, seed: int,
        progress: Progress | None = None) -> list[Point]:
    """Train a classifier in place, with cross entropy; it is left in evaluation mode.

    Uses one thread while it runs. Equal arguments and equal initial weights give equal results.
    """
    rng = np.random.default_rng(seed)
    views = torch.stack([encoder.tensor(view) for view in _shifted(split.images)])
    labels = torch.from_numpy(split.labels)
    optimizer, latent = _optimizer(model, recipe)
    batches = len(split) // recipe.batch
    total = recipe.steps(len(split))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    scales = [m.scale for m in model.modules() if isinstance(m, Logits)] or [1.0]
    history = []
    model.train()
    with reproducible(seed):
        for epoch in range(recipe.epochs):
            order = torch.from_numpy(rng.permutation(len(split)))[:batches * recipe.batch]
            moved = rng.integers(1, len(views), len(order)) * (rng.random(len(order)) < recipe.shift)
            loss_sum, right = 0.0, 0
            for images, view in zip(order.split(recipe.batch), torch.from_numpy(moved).split(recipe.batch),
                                    strict=True):
                logits = model(views[view, images])
                loss = nn.functional.cross_entropy(logits * scales[0], labels[images])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                with torch.no_grad():
                    for weight in latent:
                        weight.clamp_(-1, 1)
                loss_sum += loss.item()
                right += int((logits.argmax(1) == labels[images]).sum())
            history.append(Point(epoch + 1, loss_sum / batches, right / len(order)))
            if progress is not None:
                progress((epoch + 1) * batches, total, f"loss {loss_sum / batches:.3f}")
    model.eval()
    return history


def accuracy(model: nn.Module, encoder: Encoder, split: Split) -> float:
    """Share of the images whose largest logit (the first of equal ones) is at their class."""
    with torch.no_grad():
        logits = model.eval()(encoder.tensor(split.images)).numpy()
    return float((logits.argmax(axis=1) == split.labels).mean())


def train_digits(seed: int = 0, progress: Progress | None = None, recipe: Recipe = DIGITS_RECIPE,
                 recipe_float: Recipe = FLOAT_RECIPE) -> TrainedDigits:
    """Train the digits network and its float twin on the same images; the held-out digits are for the test alone."""
    data, encoder = digits(), digits_encoder()
    with reproducible(seed):
        model, twin = digits_network(), digits_float()

    steps, steps_float = recipe.steps(len(data.train)), recipe_float.steps(len(data.train))

    def tell(done: int, text: str) -> None:
        if progress is not None:
            progress(done, steps + steps_float, text)

    history = fit(model, encoder, data.train, recipe, seed,
                  lambda done, _, text: tell(done, f"binary, {text}"))
    history_float = fit(twin, encoder, data.train, recipe_float, seed,
                        lambda done, _, text: tell(steps + done, f"float, {text}"))
    return TrainedDigits(model, encoder, seed, accuracy(model, encoder, data.test),
                         accuracy(twin, encoder, data.test), history, history_float)


def save_digits_network(trained: TrainedDigits, path: Path) -> None:
    """Write a trained network to one file; its folder is made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({
        "weights": trained.model.state_dict(), "encoder": trained.encoder.to_dict(), "seed": trained.seed,
        "accuracy": trained.accuracy, "accuracy_float": trained.accuracy_float,
        "history": [asdict(point) for point in trained.history],
        "history_float": [asdict(point) for point in trained.history_float],
    }, path)


def load_digits_network(path: Path) -> TrainedDigits:
    """Read a file of `save_digits_network`; no code in the file is run.

    Raises
    ------
    ValueError
        If the file is not a digits network.
    """
    try:
        values = torch.load(path, weights_only=True)
        model = digits_network()
        model.load_state_dict(values["weights"])
        histories = [[Point(**point) for point in values[name]] for name in ("history", "history_float")]
        return TrainedDigits(model.eval(), encoder_from_dict(values["encoder"]), values["seed"],
                             values["accuracy"], values["accuracy_float"], *histories)
    except (EOFError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} must be a digits network written by save_digits_network: {error}") from None
