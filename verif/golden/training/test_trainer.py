"""The trainer: progress, reproducibility, resumption after a stop, and refusal of foreign checkpoints."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.layers.binary import BatchNorm, BinaryConv2d, ErrorDecay, Sign, binarize, clamp
from signum.golden.layers.blocks import FLOAT, Network, Style
from signum.golden.layers.encoder import SignEncoder
from signum.golden.training.trainer import SETTLING, Recipe, Trainer, TrainingError, evaluate, initial, reproducible

RECIPE = Recipe(steps=12, batch=8, scores=3)


class Stripes:
    """Vertical or horizontal stripes: a task of two classes that a small network learns in few steps."""

    def draw(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 2, size)
        phase = rng.integers(0, 2, size)
        at = np.arange(6)
        rows = np.broadcast_to((at[:, None] + phase[:, None, None]) % 2, (size, 6, 6))
        images = np.where(labels[:, None, None] == 1, rows, rows.transpose(0, 2, 1))
        noise = rng.random(images.shape) < 0.1
        return np.where(images ^ noise, 3, -3)[:, None], labels

    def batch(self, rng, size):
        images, labels = self.draw(rng, size)
        return images, (torch.from_numpy(labels),)

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs.mean(dim=(2, 3)), targets[0])

    def imitation(self, outputs, teacher, targets):
        return nn.functional.mse_loss(outputs.mean(dim=(2, 3)), teacher.mean(dim=(2, 3)))

    def split(self, name):
        return self.draw(np.random.default_rng(77), 64)

    def score(self, outputs, truth):
        return 100 * float((outputs.mean(axis=(2, 3)).argmax(axis=1) == truth).mean())


BINARY = Style()


def network(style: Style = BINARY, seed: int = 0) -> Network:
    def make() -> Network:
        blocks = style.blocks(SignEncoder(), 3)
        return Network(blocks, nn.Sequential(blocks.conv(1, 8), blocks.block(8, 8), blocks.result(8, 2)))

    return initial(make, seed)


def state(net: nn.Module) -> list[torch.Tensor]:
    return list(net.state_dict().values())


@pytest.mark.parametrize("style", [FLOAT, Style(), Style(weight_gains="full")], ids=["float", "binary", "gains"])
def test_learns(style):
    net = network(style)
    trainer = Trainer(Stripes(), net, replace(RECIPE, steps=60), device="cpu")
    seen = []
    history = trainer.run(lambda *told: seen.append(told))
    assert [point.step for point in history] == [20, 40, 60]
    assert history[-1].score > 90
    assert history[-1].loss < history[0].loss
    assert seen[-1][:2] == (60, 60)
    assert not net.training
    images, truth = Stripes().split("test")
    assert Stripes().score(evaluate(net, images), truth) == history[-1].score


def test_repeats_itself():
    first, second, other = network(), network(), network()
    for net, seed in ((first, 3), (second, 3), (other, 4)):
        Trainer(Stripes(), net, RECIPE, seed=seed, device="cpu").run()
    assert all(torch.equal(a, b) for a, b in zip(state(first), state(second), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(state(first), state(other), strict=True))


def test_goes_on_where_it_stopped(tmp_path):
    whole = network()
    expected = Trainer(Stripes(), whole, RECIPE, device="cpu").run()

    class StopError(Exception):
        pass

    def stop(done: int, total: int, text: str) -> None:
        if done == 10:
            raise StopError

    path = tmp_path / "deep" / "state.pt"
    with pytest.raises(StopError):
        Trainer(Stripes(), network(), RECIPE, checkpoint=path, device="cpu").run(stop)
    net = network(seed=9)
    trainer = Trainer(Stripes(), net, RECIPE, checkpoint=path, device="cpu")
    assert trainer.done == 8
    assert trainer.run() == expected
    assert all(torch.equal(a, b) for a, b in zip(state(whole), state(net), strict=True))


def test_stages():
    recipe = Recipe(steps=10, real_share=0.4)
    factors = [recipe.rate_factor(step, True) for step in range(10)]
    assert factors[0] == factors[4] == 1
    assert factors[:4] == sorted(factors[:4], reverse=True)
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert [recipe.rate_factor(step, False) for step in range(10)] == sorted(
        (recipe.rate_factor(step, False) for step in range(10)), reverse=True)
    net = network()
    trainer = Trainer(Stripes(), net, replace(RECIPE, real_share=0.5), device="cpu")
    (conv, *_) = [module for module in net.modules() if isinstance(module, BinaryConv2d)]
    used = []
    trainer.run(lambda done, total, text: used.append((done, conv.binarizer)))
    assert used == [(10, binarize), (12, binarize)]
    trainer._step(0)
    assert conv.binarizer is clamp


class Contrary(Network):
    """A teacher that mistakes each class for the other."""

    def __init__(self) -> None:
        blocks = FLOAT.blocks(SignEncoder(), 3)
        super().__init__(blocks, blocks.conv(1, 1))
        self.eval()

    def forward(self, x):
        columns = (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean(dim=(1, 2, 3))
        rows = (x[:, :, 1:] - x[:, :, :-1]).abs().mean(dim=(1, 2, 3))
        return 5 * torch.stack([rows - columns, columns - rows], dim=1)[:, :, None, None]


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 90, 100), (1.0, 0, 10)])
def test_learns_from_its_teacher(share, least, most):
    """With the whole loss from a teacher that is wrong, the network is as wrong."""
    images, truth = Stripes().split("test")
    assert Stripes().score(evaluate(Contrary(), images), truth) < 5
    net = network()
    recipe = replace(RECIPE, steps=60, distillation=share)
    Trainer(Stripes(), net, recipe, teacher=Contrary(), device="cpu").run()
    assert least <= Stripes().score(evaluate(net, images), truth) <= most


@pytest.mark.parametrize("style", [FLOAT, BINARY])
def test_norms_settle_before_a_score(style):
    """Their statistics are means of batches with the weights of the moment, not running ones of weights before."""
    net = network(style)
    trainer = Trainer(Stripes(), net, replace(RECIPE, steps=4, scores=1), device="cpu")
    trainer.run()
    norm = next(module for module in net.modules() if isinstance(module, BatchNorm | nn.BatchNorm2d))
    sums = next(module for module in net.modules() if isinstance(module, BinaryConv2d | nn.Conv2d))
    means = []
    for number in range(SETTLING):
        images, _ = Stripes().batch(np.random.default_rng([0, 4, number]), RECIPE.batch)
        with torch.no_grad():
            means.append(sums(net.encode(images)).mean(dim=(0, 2, 3)))
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0), rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1
    images, truth = Stripes().split("validation")
    assert Stripes().score(evaluate(net, images), truth) == trainer.history[-1].score


def test_gradient_of_the_recipe():
    """The steepness of the error decay estimator grows from 0.1 to 10, for weights and activations alike."""
    recipe = replace(RECIPE, gradient="decay", real_share=0.25)
    made = [recipe.binarizer(step) for step in (0, 6, 12)]
    assert [one.steepness for one in made if isinstance(one, ErrorDecay)] == pytest.approx([0.1, 1, 10])
    assert RECIPE.binarizer(5) is binarize
    net = network()
    trainer = Trainer(Stripes(), net, recipe, device="cpu")
    trainer.run()
    trainer._step(6)
    assert {module.binarizer for module in net.modules() if isinstance(module, Sign | BinaryConv2d)} == {
        recipe.binarizer(6)}
    trainer._step(0)
    assert {module.binarizer for module in net.modules() if isinstance(module, BinaryConv2d)} == {clamp}


def test_what_does_not_belong(tmp_path):
    path = tmp_path / "state.pt"
    Trainer(Stripes(), network(), RECIPE, checkpoint=path, device="cpu").run()
    with pytest.raises(TrainingError, match="must be of the recipe and seed"):
        Trainer(Stripes(), network(), RECIPE, seed=1, checkpoint=path, device="cpu")
    with pytest.raises(TrainingError, match="must be a checkpoint of this network"):
        Trainer(Stripes(), network(Style(residual="concat")), RECIPE, checkpoint=path, device="cpu")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="must be a checkpoint of this network"):
        Trainer(Stripes(), network(), RECIPE, checkpoint=path, device="cpu")
    for changes, text in (({"steps": 0}, "steps must be at least 1, not 0"), ({"batch": 0}, "batch must be at least"),
                          ({"real_share": 1.0}, "real_share must be from 0 to below 1, not 1.0"),
                          ({"distillation": 1.5}, "distillation must be from 0 to 1, not 1.5"),
                          ({"gradient": "steep"}, "gradient must be one of clip, decay, not steep")):
        with pytest.raises(ValueError, match=text):
            replace(RECIPE, **changes)


def test_reproducible_puts_back():
    threads = torch.get_num_threads()
    before = torch.random.get_rng_state()
    with reproducible(5):
        torch.rand(3)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), before)
