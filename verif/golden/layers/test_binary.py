"""Binary layers: their forward values, their gradients, and their refusals."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.layers.binary import (
    BatchNorm,
    BinaryConv2d,
    BinaryLinear,
    Bytes,
    ErrorDecay,
    Logits,
    MaxPool,
    Sign,
    Sum,
    SumPool,
    binarize,
    round_through,
    sign,
)


def test_sign_of_zero_is_positive() -> None:
    x = torch.tensor([-2.0, -1e-45, -0.0, 0.0, 1e-45, 3.0])
    want = [-1, -1, 1, 1, 1, 1]
    assert sign(x).tolist() == want
    assert Sign()(x).tolist() == want
    assert Sign().bits(x).tolist() == [value > 0 for value in want]


def test_the_gradient_of_the_sign_is_straight_through() -> None:
    x = torch.tensor([-1.5, -1.0, 0.0, 0.5, 1.0, 1.01], requires_grad=True)
    (binarize(x) * torch.tensor([1.0, 2, 3, 4, 5, 6])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 2, 3, 4, 5, 0]


@pytest.mark.parametrize("steepness", [0.1, 1.0, 10.0])
def test_the_gradient_of_the_error_decay_estimator(steepness: float) -> None:
    """That of ``max(1/t, 1) * tanh(t * x)``."""
    x = torch.linspace(-2, 2, 41, dtype=torch.float64, requires_grad=True)
    found = ErrorDecay(steepness)(x)
    assert torch.equal(found, sign(x))
    found.sum().backward()
    other = x.detach().clone().requires_grad_()
    (max(1 / steepness, 1) * torch.tanh(steepness * other)).sum().backward()
    torch.testing.assert_close(x.grad, other.grad)


def test_the_gradient_of_rounding_is_that_of_the_identity() -> None:
    x = torch.tensor([0.4, 0.6, -2.2], requires_grad=True)
    y = round_through(x)
    y.sum().backward()
    assert y.tolist() == [0, 1, -2]
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize("pad", [1, -1, 0])
def test_convolution_by_hand(pad: int) -> None:
    """Uneven padding, stride and dilation, against sums by hand, tap by tap."""
    torch.manual_seed(0)
    conv = BinaryConv2d(2, 3, (2, 3), stride=(2, 1), dilation=(1, 2), padding=(1, 0, 2, 3), pad=pad)
    x = sign(torch.randn(2, 2, 5, 6))
    found = conv(x).detach().numpy()
    board = np.full((2, 2, 5 + 3, 6 + 3), pad)
    board[:, :, 1:6, 0:6] = x.numpy()
    weights = np.where(conv.weight.detach().numpy() >= 0, 1, -1)
    assert found.shape == (2, 3, 4, 5)
    for b, n, y, u in np.ndindex(found.shape):
        window = board[b, :, 2 * y:2 * y + 2, u:u + 5:2]
        assert found[b, n, y, u] == sum(weights[n][at] * window[at] for at in np.ndindex(2, 2, 3))


def test_linear_by_hand() -> None:
    torch.manual_seed(1)
    linear = BinaryLinear(7, 4)
    x = sign(torch.randn(3, 7))
    weights = np.where(linear.weight.detach().numpy() >= 0, 1, -1)
    np.testing.assert_array_equal(linear(x).detach().numpy(), x.numpy() @ weights.T)


def test_latent_weights_learn() -> None:
    conv = BinaryConv2d(2, 3, 3, padding=1)
    conv(torch.ones(1, 2, 4, 4)).square().sum().backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(64, 5), (16, 5, 3, 4)])
def test_batch_norm_is_that_of_pytorch(shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    ours = BatchNorm(5, momentum=0.3, eps=1e-3)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(5, momentum=0.3, eps=1e-3)
    for norm in (ours, theirs):
        norm.weight.data = torch.tensor([1.0, -2.0, 0.0, 0.5, 3.0])
        norm.bias.data = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5])
    for _ in range(3):
        x = torch.randn(shape) * 4 + 1
        torch.testing.assert_close(ours(x), theirs(x))
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    x = torch.randn(shape)
    torch.testing.assert_close(ours(x), theirs(x))
    a, c = ours.affine()
    wide = (1, 5, *[1] * (len(shape) - 2))
    assert torch.equal(ours(x), x * a.reshape(wide) + c.reshape(wide))


def test_pooling_drops_what_is_left_over() -> None:
    x = torch.arange(35.0).reshape(1, 1, 5, 7)
    assert MaxPool((2, 3))(x).tolist() == [[[[9, 12], [23, 26]]]]


def test_sum_pooling_is_average_pooling_without_its_division() -> None:
    x = sign(torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(SumPool((2, 3))(x), (6 * nn.functional.avg_pool2d(x, (2, 3))).round())
    assert torch.equal(SumPool()(x), x.sum(dim=(2, 3), keepdim=True))


def test_sum_adds_its_paths() -> None:
    torch.manual_seed(3)
    long = nn.Sequential(BinaryConv2d(2, 4, 3, stride=2, padding=1), Sign(), BinaryConv2d(4, 3, 1))
    short = BinaryConv2d(2, 3, 1, stride=2)
    x = sign(torch.randn(2, 2, 6, 6))
    assert torch.equal(Sum(long, short)(x), long(x) + short(x))


def test_logits_are_integers() -> None:
    logits = Logits(3, scale=0.1)
    logits.bias.data = torch.tensor([0.26, -0.34, 0.0])
    sums = torch.tensor([[5.0, -3.0, 1.0]])
    assert logits(sums).tolist() == [[8, -6, 1]]
    assert logits(sums[:, :, None, None]).shape == (1, 3, 1, 1)
    torch.testing.assert_close(logits.scaled(logits(sums)), torch.tensor([[0.8, -0.6, 0.1]]))
    logits(sums).sum().backward()
    assert logits.bias.grad is not None
    assert (logits.bias.grad > 0).all()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: BinaryConv2d(1, 1, 0), "kernel must be one or two integers of at least 1, not 0"),
    (lambda: BinaryConv2d(1, 1, 3, stride=(1, 0)),
     "stride must be one or two integers of at least 1, not (1, 0)"),
    (lambda: BinaryConv2d(1, 1, 3, padding=-1), "padding must be one or two integers of at least 0, not -1"),
    (lambda: BinaryConv2d(1, 1, 3, pad=8), "pad must be an integer of -7 to 7, not 8"),
    (lambda: MaxPool((2, 0)), "size must be one or two integers of at least 1, not (2, 0)"),
    (lambda: SumPool(0), "size must be one or two integers of at least 1, not 0"),
    (lambda: Logits(3, scale=0.0), "scale must be positive, not 0.0"),
    (lambda: Bytes(3, factor=256, shift=3), "factor must be an integer of 1 to 255, not 256"),
    (lambda: Bytes(3, factor=2, shift=0), "shift must be an integer of 1 to 31, not 0"),
    (lambda: Sum(), "paths must be one or more modules, not none"),
])
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_bytes_are_rounded_in_integers() -> None:
    rng = np.random.default_rng(0)
    end = Bytes(3, factor=127, shift=9).eval()
    sums = rng.integers(-500, 1500, (40, 3, 2, 2))
    with torch.no_grad():
        end.bias.copy_(torch.tensor([0.0, 10.2, -30.0]))
        found = end(torch.from_numpy(sums).float()).numpy()
    bias = [0, round(10.2 * 512 / 127), round(-30 * 512 / 127)]
    wanted = [[min(255, max(0, ((int(z) + bias[c]) * 127 + 256) // 512)) for z in sums[:, c].reshape(-1)]
              for c in range(3)]
    assert found.transpose(1, 0, 2, 3).reshape(3, -1).tolist() == wanted
    assert {0, 255} < set(found.reshape(-1).tolist())


def test_the_gradient_of_bytes_is_that_of_the_level() -> None:
    end = Bytes(1, factor=2, shift=3)
    x = torch.tensor([[-5.0], [100.0], [101.0], [1200.0]], requires_grad=True)
    y = end(x)
    assert y.flatten().tolist() == [0, 25, 25, 255]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0, 0.25, 0.25, 0]
