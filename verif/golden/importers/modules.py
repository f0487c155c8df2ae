"""Networks in plain PyTorch, in the styles of several authors."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["STYLES", "drawn_norm"]


def drawn_norm(channels: int, spread: float, flat: bool = False) -> nn.Module:
    """A batch norm in evaluation mode with drawn statistics; about half of its slopes are negative."""
    norm = nn.BatchNorm1d(channels) if flat else nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(channels))
        norm.bias.copy_(torch.randn(channels) / 2)
    norm.running_mean = torch.randn(channels) * spread
    norm.running_var = (torch.rand(channels) + 0.5) * spread**2
    return norm


class Straight(torch.autograd.Function):
    """+1 and -1, with the gradient of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, torch.ones_like(x), -torch.ones_like(x))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradients[0] * (x.abs() <= 1)


class XnorNet(nn.Module):
    """XNOR-Net's order: norm, sign, convolution; scaling factors are means of absolute weights, or are learned."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.randn(8, 3, 3, 3)), nn.Parameter(torch.randn(6, 8, 3, 3))
        self.third, self.last = nn.Parameter(torch.randn(6, 6, 2, 2)), nn.Parameter(torch.randn(10, 24))
        self.norms = nn.ModuleList([drawn_norm(3, 0.3), drawn_norm(8, 2.0), drawn_norm(6, 3.0)])
        self.scale = nn.Parameter(torch.rand(1, 6, 1, 1) + 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sign(self.norms[0](x - 0.5))
        factor = self.first.abs().mean((1, 2, 3), keepdim=True)
        x = functional.conv2d(x, factor * torch.sign(self.first), padding=1)
        x = torch.sign(self.norms[1](x))
        x = functional.max_pool2d(functional.conv2d(x, torch.sign(self.second)) * self.scale, 2)
        x = torch.sign(self.norms[2](x)) * 0.75
        x = torch.sign(functional.conv2d(x, torch.sign(self.third)))      # of sums that may be 0
        return functional.linear(torch.flatten(x, 1), torch.sign(self.last) * self.last.abs().mean())


class BinaryNet(nn.Module):
    """Courbariaux's order: linear, norm, hard tanh, sign by an autograd function that knows no 0; biases, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, 32), nn.Linear(32, 16), nn.Linear(16, 5, bias=False)])
        self.norms = nn.ModuleList([drawn_norm(32, 4.0, flat=True), drawn_norm(16, 3.0, flat=True),
                                    drawn_norm(5, 3.0, flat=True)])
        self.dropout, self.tanh = nn.Dropout(0.3), nn.Hardtanh(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = Straight.apply(x.view(-1, 64) * 2 - 1)
        for layer, norm in zip(self.layers[:2], self.norms[:2], strict=True):
            assert isinstance(layer, nn.Linear)
            x = functional.linear(x, Straight.apply(layer.weight), layer.bias)
            x = Straight.apply(self.tanh(norm(self.dropout(x))))
        return self.norms[2](functional.linear(x, Straight.apply(self.layers[2].weight))).argmax(1)


class Residual(nn.Module):
    """Branches added, and straight-through estimators by detach, whose rounding is part of the values."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([nn.Conv2d(channels, 8, 3, bias=False) for channels in (3, 8)])
        self.third = nn.Conv2d(8, 8, 3, bias=False)
        self.norms = nn.ModuleList([drawn_norm(8, 3.0) for _ in range(3)])
        self.last = nn.Linear(8, 10)

    @staticmethod
    def sign(x: Tensor) -> Tensor:
        clipped = x.clamp(-1, 1)
        return (torch.sign(x) - clipped).detach() + clipped

    @staticmethod
    def weights(layer: nn.Module) -> Tensor:
        assert isinstance(layer, nn.Conv2d)
        factor = layer.weight.abs().mean((1, 2, 3), keepdim=True)
        clipped = layer.weight.clamp(-1, 1)
        return (factor * torch.sign(layer.weight)).detach() - clipped.detach() + clipped

    def forward(self, x: Tensor) -> Tensor:
        x = torch.round(x * 15) / 15
        x = self.sign(self.norms[0](functional.conv2d(x, self.weights(self.convolutions[0]), padding=1)))
        y = self.sign(self.norms[1](functional.conv2d(x, self.weights(self.convolutions[1]), padding=1)))
        y += x
        y = self.sign(self.norms[2](functional.conv2d(y, torch.sign(self.third.weight), padding=1)))
        y = functional.adaptive_avg_pool2d(y, 1).flatten(1)
        return functional.linear(y, torch.sign(self.last.weight), self.last.bias)


class TwoBits(nn.Module):
    """DoReFa-Net's weights and activations of 2 bits, in steps of powers of two, average pools and a ranking."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([nn.Conv2d(1, 6, 3, bias=False), nn.Conv2d(6, 8, 3, bias=False)])
        self.norms = nn.ModuleList([drawn_norm(6, 1.0), drawn_norm(8, 1.0)])
        self.last = nn.Linear(8, 10, bias=False)

    @staticmethod
    def weights(w: Tensor) -> Tensor:
        bounded = torch.tanh(w) / (2 * torch.tanh(w).abs().max()) + 0.5
        return (2 * torch.round(bounded * 3) - 3) / 4

    def forward(self, x: Tensor) -> Tensor:
        for layer, norm in zip(self.convolutions, self.norms, strict=True):
            assert isinstance(layer, nn.Conv2d)
            x = norm(functional.conv2d(x, self.weights(layer.weight)))
            x = torch.round(torch.clamp(x, 0, 0.75) * 4) / 4
            if x.shape[2] == 8:
                x = functional.avg_pool2d(x, 2)
        return functional.linear(x.mean((2, 3)), self.weights(self.last.weight)).topk(3)[1]


STYLES: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "XNOR-Net": (XnorNet, (3, 8, 8)), "BinaryNet": (BinaryNet, (1, 8, 8)), "residual": (Residual, (3, 8, 8)),
    "2 bits": (TwoBits, (1, 10, 10))}
"""Modules with drawn weights, and the shape of their images."""
