"""Gain terms fold: a folded network has signs and one threshold a channel."""

from typing import TypeVar, cast

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.fold import fold
from signum.golden.layers.binary import BatchNorm
from signum.golden.layers.encoder import SignEncoder
from signum.golden.layers.gains import AlphaShape, Gain, GainConv, GainLevels, GainSign, ScaledConv2d
from signum.verif.golden.compiler.test_fold import norm_with

S = TypeVar("S", bound=GainSign)


def randomize(sign: S, seed: int) -> S:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter, low, high in ((sign.b0, -6, 6), (sign.b1, -4, 4), (sign.tau, -0.5, 2.0)):
            parameter.uniform_(low, high, generator=generator)
        sign.k.fill_(1.7 if seed % 2 else -0.6)
    return sign


def test_threshold_of_an_activation():
    sign = randomize(GainSign(64), 0)
    x = torch.linspace(-20, 20, 4001)[:, None].expand(-1, 64)
    expected = x >= sign.thresholds()
    far = (x - sign.thresholds()).abs() > 1e-3 * sign.slope().reciprocal().clamp(min=1)
    assert (sign.bits(x) == expected)[far].all()
    assert sign.bits(x).any()
    assert not sign.bits(x).all()


@pytest.mark.parametrize("alpha", ["output", "input", "full"])
@pytest.mark.parametrize("seed", range(4))
def test_network_folds_to_bits_and_thresholds(alpha, seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    first = randomize(GainSign(9), seed)
    model = nn.Sequential(
        GainConv(3, 9, 3, alpha=alpha, padding=1, pad=int(rng.choice([1, -1]))), norm_with(rng, 9, 27), first,
        GainConv(9, 7, 3, alpha=alpha, activation=first, stride=2), norm_with(rng, 7, 5),
        randomize(GainSign(7), seed + 1)).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, ScaledConv2d):
                module.alpha.uniform_(-1, 2)
            if isinstance(module, Gain):
                module.weight.uniform_(-0.5, 1.5)
    images = rng.integers(-1, 1, (5, 3, 9, 8))
    encoder = SignEncoder()
    graph = fold(model, encoder, (3, 9, 8))
    layer = graph.layers[-1]
    with torch.no_grad():
        expected = model(encoder.tensor(images)).permute(0, 2, 3, 1).numpy() > 0
    assert np.array_equal(graph.run(encoder.bits(images))[layer.name], expected)
    assert [np.asarray(layer.thresholds).shape for layer in graph.layers] == [(1, 1, 9), (1, 1, 7)]
    assert all(segment.weights.dtype == bool for layer in graph.layers for segment in layer.segments)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_levels_fold(count):
    """Shifts, slopes and spacings of either sign become thresholds."""
    rng = np.random.default_rng(count)
    first, last = randomize(GainLevels(9, count), count), randomize(GainLevels(6, count), count + 1)
    for levels, channels in ((first, 9), (last, 6)):
        with torch.no_grad():
            levels.b0.mul_(0.1)
            levels.b1.mul_(0.1)
            levels.spacing.copy_(torch.from_numpy(rng.uniform(-0.4, 0.8, channels)))
    model = nn.Sequential(
        GainConv(3, 9, 3, padding=1), norm_with(rng, 9, 27), first,
        GainConv(9, 6, 3, activation=first, padding=1, pad=-count), norm_with(rng, 6, 27 * count), last).eval()
    images = rng.integers(-1, 1, (5, 3, 7, 8))
    encoder = SignEncoder()
    graph = fold(model, encoder, (3, 7, 8))
    with torch.no_grad():
        expected = model(encoder.tensor(images)).permute(0, 2, 3, 1).numpy()
    layer = graph.layers[-1]
    found = graph.run(encoder.bits(images))[layer.name]
    if layer.inverted is not None:
        found = found ^ layer.inverted
    values = np.where(found, 1, -1).reshape(*expected.shape, count).sum(axis=4)
    assert np.array_equal(values, expected)
    assert len(np.unique(expected)) > count // 2


def test_spacing_learns():
    levels = GainLevels(1, 3)
    x = torch.tensor([[0.9], [-1.2], [4.0]])
    levels(x).sum().backward()
    assert levels(x)[:, 0].tolist() == [1, -3, 3]
    assert levels.spacing.grad is not None
    # signs within 1 of their thresholds, 1, 0 and -1: of 0.9 the upper and the middle one, of -1.2 the lower one
    assert levels.spacing.grad.tolist() == [-1 + 0 + 1]


def test_gain_is_shared_with_the_activation():
    sign = GainSign(4)
    conv = GainConv(4, 5, 3, activation=sign)
    with torch.no_grad():
        sign.k.fill_(3.0)
    assert torch.equal(conv.gain.factor(), 3 * conv.gain.weight)
    assert len(list(nn.Sequential(sign, conv).parameters())) == 4 + 3


def test_gains_learn():
    torch.manual_seed(0)
    sign = GainSign(4)
    model = nn.Sequential(BatchNorm(4), sign, GainConv(4, 5, 3, activation=sign))
    model(torch.randn(2, 4, 6, 6)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_refusals():
    with pytest.raises(ValueError, match=r"^alpha must be one of output, input, full, not channel$"):
        ScaledConv2d(3, 4, 3, alpha=cast(AlphaShape, "channel"))
