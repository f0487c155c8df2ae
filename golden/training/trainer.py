"""Training of a network for a task: bounded by steps, equal for equal seeds, resumed after an interruption.

Latent weights learn fast, relative to their initial scale, since only a change of sign matters. A share of the
steps may come first with binary activations but real weights (two-stage training). The rates of either stage fall to
zero along a cosine. A teacher, a trained network of the same task, may add its part to the loss. The random draws of a
step depend on the seed and the step alone, so a resumed training ends with the same weights.
"""

import math
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from signum.golden.layers.binary import BatchNorm, BinaryWeights, ErrorDecay, Sign, binarize, clamp
from signum.golden.layers.blocks import Network

__all__ = ["SETTLING", "Point", "Progress", "Recipe", "Trainable", "Trainer", "TrainingError", "evaluate", "initial",
           "reproducible"]

Progress = Callable[[int, int, str], None]
"""Called after steps with the finished steps, all steps, and the state of the training."""

EVALUATION_BATCH = 32
SETTLING = 64
"""Batches for the statistics of norms before a score."""
GRADIENTS = ("clip", "decay")
STEEPNESS = 0.1, 10.0


class TrainingError(ValueError):
    """A checkpoint of another training."""


class Trainable(Protocol):
    """The part of a task that a trainer uses; see `golden.training.tasks.task.Task`."""

    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, tuple[Tensor, ...]]: ...
    def loss(self, outputs: Tensor, targets: tuple[Tensor, ...]) -> Tensor: ...
    def imitation(self, outputs: Tensor, teacher: Tensor, targets: tuple[Tensor, ...]) -> Tensor: ...
    def split(self, name: Any) -> tuple[np.ndarray, Any]: ...
    def score(self, outputs: np.ndarray, truth: Any) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The parameters of a training.

    Parameters
    ----------
    steps, batch : int
        Steps of the optimiser, and images a step.
    latent_rate : float
        Learning rate of latent binary weights, relative to their initial scale.
    rate : float
        Learning rate of all other parameters.
    real_share : float
        Share of the steps with real weights and binary activations, before the weights become binary.
    decay : float
        Weight decay of the latent weights while they are real.
    scores : int
        Number of scores of the validation split, evenly over the training.
    distillation : float
        The share of the teacher's part in the loss, for networks that have a teacher (`Task.imitation`).
    patience : int
        Scores without a new best one after which the training stops early, and keeps the network of the best score.
        With 0 it takes all steps and keeps the last network.
    gradient : "clip" or "decay"
        Of signs: 1 where the argument is at most 1 in size, or that of IR-Net's error decay estimator (Qin et al.,
        2020), whose steepness grows from 0.1 to 10 over the training.

    Raises
    ------
    ValueError
        If a number is out of its range; the message names it.
    """

    steps: int
    batch: int = 16
    latent_rate: float = 0.1
    rate: float = 0.003
    real_share: float = 0.3
    decay: float = 1e-5
    scores: int = 4
    distillation: float = 0.0
    patience: int = 0
    gradient: Literal["clip", "decay"] = "clip"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "scores"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.real_share < 1:
            raise ValueError(f"real_share must be from 0 to below 1, not {self.real_share}")
        if self.patience < 0:
            raise ValueError(f"patience must be at least 0, not {self.patience}")
        if not 0 <= self.distillation <= 1:
            raise ValueError(f"distillation must be from 0 to 1, not {self.distillation}")
        if self.gradient not in GRADIENTS:
            raise ValueError(f"gradient must be one of {', '.join(GRADIENTS)}, not {self.gradient}")

    def binarizer(self, step: int) -> Callable[[Tensor], Tensor]:
        """The sign of a step, counted from 0."""
        if self.gradient == "clip":
            return binarize
        least, most = STEEPNESS
        return ErrorDecay(least * (most / least) ** (step / self.steps))

    @property
    def real_steps(self) -> int:
        """Steps of the first stage."""
        return round(self.steps * self.real_share)

    def rate_factor(self, step: int, staged: bool) -> float:
        """The factor of the learning rates in a step, counted from 0."""
        first = self.real_steps if staged else 0
        start, end = (0, first) if step < first else (first, self.steps)
        return (1 + math.cos(math.pi * (step - start) / (end - start))) / 2


@dataclass(frozen=True)
class Point:
    """A point of the learning curve: finished steps, mean loss since the previous point, and the validation score."""

    step: int
    loss: float
    score: float


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """One thread, since the order of float sums depends on the thread count, and a seed; both are restored after."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def evaluate(network: Network, images: np.ndarray) -> np.ndarray:
    """Results of a network in evaluation mode, (B, outputs, ...), on the device of its parameters."""
    device = next(chain(network.parameters(), network.buffers())).device
    network.eval()
    with torch.no_grad():
        return np.concatenate([
            network(network.encode(images[i:i + EVALUATION_BATCH]).to(device)).cpu().numpy()
            for i in range(0, len(images), EVALUATION_BATCH)])


class Trainer:
    """One training of one network.

    Parameters
    ----------
    task : Trainable
    network : Network
        Trained in place.
    recipe : Recipe
    seed : int
        Seed of the batches. (The caller draws the initial weights of the network, within `reproducible`.)
    checkpoint : Path, optional
        A file of the state at the last point of the learning curve; training resumes from it if it exists.
    teacher : Network, optional
        A trained network of the task, for the recipe's distillation.
    device : str, optional
        Device of PyTorch; by default a GPU if available. On a CPU the result depends on the arguments alone.

    Raises
    ------
    TrainingError
        If the checkpoint is of another recipe, seed or network, or unreadable.

    Members
    -------
    history : list of Point
        The learning curve.
    seconds : float
        Processor time of the steps so far.
    """

    def __init__(self, task: Trainable, network: Network, recipe: Recipe, *, seed: int = 0,
                 checkpoint: Path | None = None, teacher: Network | None = None, device: str | None = None) -> None:
        self.task = task
        self.recipe = recipe
        self.seed = seed
        self.checkpoint = checkpoint
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = network.to(self.device)
        self.teacher = teacher.to(self.device).eval() if teacher is not None and recipe.distillation else None
        self.history: list[Point] = []
        self.best: dict[str, Tensor] = {}
        self.done = 0
        self.seconds = 0.0
        self.binary = [m for m in network.modules() if isinstance(m, BinaryWeights)]
        self.signs = [m for m in network.modules() if isinstance(m, Sign)]
        known = {id(m.weight) for m in self.binary}
        groups = [
            *({"params": [m.weight for m in self.binary if m.initial_scale == scale],
               "lr": recipe.latent_rate * scale, "weight_decay": recipe.decay}
              for scale in sorted({m.initial_scale for m in self.binary})),
            {"params": [p for p in network.parameters() if id(p) not in known], "lr": recipe.rate}]
        self.optimizer = torch.optim.Adam([group for group in groups if group["params"]])
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        if checkpoint is not None and checkpoint.exists():
            self._resume(checkpoint)

    @property
    def _identity(self) -> dict[str, Any]:
        return {"recipe": asdict(self.recipe), "seed": self.seed}

    def _resume(self, path: Path) -> None:
        try:
            state = torch.load(path, weights_only=True)
            if state["identity"] != self._identity:
                raise TrainingError(f"{path} must be of the recipe and seed {self._identity}, not {state['identity']}")
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history = [Point(**point) for point in state["history"]]
            self.done, self.seconds, self.best = state["done"], state["seconds"], state["best"]
        except (EOFError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
            raise TrainingError(f"{path} must be a checkpoint of this network: {error}") from None

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = self.checkpoint.with_suffix(".part")
        torch.save({"identity": self._identity, "network": self.network.state_dict(), "done": self.done,
                    "seconds": self.seconds, "best": self.best, "optimizer": self.optimizer.state_dict(),
                    "history": [asdict(p) for p in self.history]}, part)
        part.replace(self.checkpoint)

    def run(self, progress: Progress | None = None) -> list[Point]:
        """Train to the last step, or as long as the recipe's patience; the network is left in evaluation mode.

        Returns the learning curve.
        """
        recipe = self.recipe
        points = {round(recipe.steps * (i + 1) / recipe.scores) for i in range(recipe.scores)}
        losses: list[float] = []
        self.network.train()
        with reproducible(self.seed):
            for step in range(self.done, recipe.steps):
                if self.stopped:
                    break
                began = time.process_time()
                losses.append(self._step(step))
                self.seconds += time.process_time() - began
                self.done = step + 1
                if self.done in points:
                    images, truth = self.task.split("validation")
                    for module in self.binary:
                        module.binarizer = binarize
                    self._settle()
                    score = self.task.score(evaluate(self.network, images), truth)
                    self.history.append(Point(self.done, float(np.mean(losses)), score))
                    losses = []
                    if recipe.patience and score > max((point.score for point in self.history[:-1]), default=-math.inf):
                        self.best = {name: value.clone() for name, value in self.network.state_dict().items()}
                    self._save()
                    self.network.train()
                if progress is not None and (self.done % 10 == 0 or self.done == recipe.steps):
                    reached = f", validation {self.history[-1].score:.2f}" if self.history else ""
                    progress(self.done, recipe.steps, f"loss {np.mean(losses or [0]):.3f}{reached}")
        if self.best:
            self.network.load_state_dict(self.best)
        self.network.eval()
        return self.history

    @property
    def stopped(self) -> bool:
        """Whether the recipe's patience is at its end."""
        scores = [point.score for point in self.history]
        return 0 < self.recipe.patience <= len(scores) - 1 - scores.index(max(scores)) if scores else False

    def _settle(self) -> None:
        """Set the statistics of the norms to means over `SETTLING` batches with the weights as they are.

        Running means lag behind binary weights, of which many change in a step: of a network in the middle of its
        training they are those of other weights.
        """
        norms = [module for module in self.network.modules() if isinstance(module, BatchNorm | nn.BatchNorm2d)]
        with ExitStack() as momenta, torch.no_grad():
            for norm in norms:
                momenta.callback(setattr, norm, "momentum", norm.momentum)
            for number in range(SETTLING if norms else 0):
                for norm in norms:
                    norm.momentum = 1 / (number + 1)
                images, _ = self.task.batch(np.random.default_rng([self.seed, self.done, number]), self.recipe.batch)
                self.network(self.network.encode(images).to(self.device))

    def _step(self, step: int) -> float:
        staged = bool(self.binary)
        real = staged and step < self.recipe.real_steps
        binarizer = self.recipe.binarizer(step)
        for sign in self.signs:
            sign.binarizer = binarizer
        for weights in self.binary:
            weights.binarizer = clamp if real else binarizer
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.recipe.rate_factor(step, staged)
            if "weight_decay" in group and not real:
                group["weight_decay"] = 0.0
        images, targets = self.task.batch(np.random.default_rng([self.seed, step]), self.recipe.batch)
        outputs = self.network(self.network.encode(images).to(self.device))
        targets = tuple(target.to(self.device) for target in targets)
        loss = self.task.loss(outputs, targets)
        if self.teacher is not None:
            with torch.no_grad():
                taught = self.teacher(self.teacher.encode(images).to(self.device))
            share = self.recipe.distillation
            loss = (1 - share) * loss + share * self.task.imitation(outputs, taught, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for module in self.binary:
                module.weight.clamp_(-1, 1)
        return loss.item()


def initial(make: Callable[[], Network], seed: int) -> Network:
    """A network with initial weights from a seed."""
    with reproducible(seed):
        return make()
