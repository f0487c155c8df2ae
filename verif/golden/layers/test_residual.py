"""The INT4 residual: the same integers in PyTorch's evaluation and in the graph."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.fold import FoldError, fold
from signum.golden.layers.binary import BatchNorm, BinaryConv2d, MaxPool, Sign
from signum.golden.layers.encoder import SignEncoder
from signum.golden.layers.gains import Gain, GainSign, ScaledConv2d
from signum.golden.layers.residual import HIGH, INT4_STEP, LOW, SHIFT, Int4, Residual
from signum.verif.golden.compiler.test_fold import norm_with
from signum.verif.golden.layers.test_gains import randomize


def path(rng, inputs, outputs, kernel, stride=1, gain=False):
    """A convolution and its quantiser, with norms of special slopes."""
    conv = ScaledConv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, pad=int(rng.choice([1, -1])))
    taps = inputs * kernel**2
    end = Int4(outputs, taps, Gain(outputs, taps) if gain else None)
    end.norm = norm_with(rng, outputs, taps)
    return nn.Sequential(conv, end)


@pytest.mark.parametrize("seed", range(8))
def test_block_equals_its_graph(seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels, outputs, stride = int(rng.integers(2, 9)), int(rng.integers(2, 12)), int(rng.integers(1, 3))
    inner = BinaryConv2d(channels, outputs, 3, stride=stride, padding=1)
    sign = randomize(GainSign(outputs), seed) if seed % 2 else nn.Sequential(norm_with(rng, outputs, 3), Sign())
    model = nn.Sequential(
        Residual(nn.Sequential(inner, BatchNorm(outputs), Sign(), path(rng, outputs, outputs, 3, gain=True)),
                 path(rng, channels, outputs, 1, stride)),
        sign, BinaryConv2d(outputs, 4, 3)).eval()
    images = rng.integers(-1, 1, (4, channels, 9, 8))
    encoder = SignEncoder()
    graph = fold(model, encoder, images.shape[1:])
    with torch.no_grad():
        expected = model(encoder.tensor(images)).permute(0, 2, 3, 1).numpy()
    last = graph.layers[-1]
    assert np.array_equal(last.values(graph.run(encoder.bits(images))[last.name]), expected)
    layer = graph.layers[1]
    assert layer.combine == "residual"
    assert layer.top == 30
    thresholds = np.asarray(layer.thresholds)
    assert thresholds.min() >= 0
    assert thresholds.max() <= layer.top + 1


@pytest.mark.parametrize("after", [False, True])
def test_pooled_block(after):
    rng = np.random.default_rng(3)
    torch.manual_seed(3)
    norm = BatchNorm(6)
    with torch.no_grad():
        norm.bias.uniform_(-1, 1)
        norm.weight.copy_(torch.tensor([1.0, 0.5, 0, -1, -2, -0.1]) if after else torch.ones(6))
    behind = [MaxPool(2), norm, Sign()] if after else [norm, Sign(), MaxPool(2)]
    model = nn.Sequential(Residual(path(rng, 5, 6, 3), path(rng, 5, 6, 1)), *behind).eval()
    images = rng.integers(-1, 1, (4, 5, 8, 8))
    encoder = SignEncoder()
    graph = fold(model, encoder, images.shape[1:])
    (layer,) = graph.layers
    bits = graph.run(encoder.bits(images))[layer.name] ^ (False if layer.inverted is None else layer.inverted)
    with torch.no_grad():
        expected = model(encoder.tensor(images)).permute(0, 2, 3, 1).numpy() > 0
    assert np.array_equal(bits, expected)


def test_levels_follow_the_formula():
    torch.manual_seed(0)
    end = Int4(3, 90).eval()
    with torch.no_grad():
        end.norm.weight.copy_(torch.tensor([0.7, -1.3, 0.0]))
        end.norm.bias.copy_(torch.tensor([0.1, -0.2, 0.6]))
        end.norm.running_var.fill_(90.0)
        z = torch.arange(-90, 91, 2.0)[:, None, None, None].expand(-1, 3, 1, 1)
        found = end(z) / INT4_STEP
        exact = torch.floor(end.norm(z) / INT4_STEP + 0.5).clamp(LOW, HIGH)
    a, b = end.integers()
    p = (z.long() + 90) // 2
    assert torch.equal(found, torch.clamp((p * a[:, None, None] + b[:, None, None]) >> SHIFT, -8, 7).float())
    assert (found - exact).abs().max() <= 1
    assert (found != exact).float().mean() < 0.02
    assert set(found[:, 0].flatten().tolist()) == set(range(-8, 8))


def test_training_and_evaluation_agree():
    torch.manual_seed(1)
    conv, end = BinaryConv2d(16, 8, 3), Int4(8, 144)
    end.norm.momentum = 1.0
    x = torch.where(torch.randn(8, 16, 12, 12) >= 0, 1.0, -1.0)
    trained = end.train()(conv(x))
    evaluated = end.eval()(conv(x))
    assert ((trained - evaluated).abs() <= INT4_STEP).all()
    assert (trained != evaluated).float().mean() < 0.03


def test_a_channel_that_hardly_varies_fits():
    end = Int4(2, 9).eval()
    with torch.no_grad():
        end.norm.running_var.copy_(torch.tensor([0.0, 9.0]))
    a, b = end.integers()
    assert a.tolist()[0] == (1 << 16) - 1
    assert b.abs().max() < 1 << 31


def test_refusals():
    encoder = SignEncoder()
    rng = np.random.default_rng(0)
    good = path(rng, 3, 4, 3)
    for model, text in (
        (nn.Sequential(Residual(BinaryConv2d(3, 4, 3)), Sign()), "0.paths.0 of a Residual must end with a binary "
                                                                 "convolution and Int4"),
        (nn.Sequential(good, good), "must follow a Sign, not the sums of 0.0"),
        (nn.Sequential(BinaryConv2d(3, 4, 3), BatchNorm(4), Int4(4, 27)), "must stand right behind a binary conv"),
        (nn.Sequential(Int4(4, 27)), "must follow a binary convolution"),
        (nn.Sequential(Residual(good)), "must end with a Sign, or with nothing but Logits"),
        (nn.Sequential(Residual(nn.Sequential(BinaryConv2d(3, 4, 3, padding=1, pad=0), Int4(4, 27))), Sign()),
         "must be padded with 1 or -1, not 0"),
    ):
        with pytest.raises(FoldError, match=text):
            fold(model, encoder, (3, 8, 8))
    with pytest.raises(ValueError, match=r"^paths must be one or more modules, not none$"):
        Residual()
