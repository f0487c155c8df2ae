"""The 8-bit twin: a trained float network with 8-bit weights and activations in every convolution.

The usual quantisation after training: batch norms are folded into the convolutions, weights are rounded
to -127..127 with a scale for each output channel, and the input of each convolution to 0..255 (to -128..127 where
values below zero were seen) with one scale, chosen on training images. The sums of a convolution are exact integers.
"""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["Int8Conv2d", "prepare", "quantize"]

N = TypeVar("N", bound=nn.Module)

CLIPPED = 1e-4
"""Share of the largest input values that may be clipped."""


class Int8Conv2d(nn.Module):
    """A convolution with 8-bit operands.

    Parameters
    ----------
    conv : Conv2d
        The source of the geometry; `set` takes the weights.

    Members
    -------
    weight : int8 (N, C, KH, KW)
    weight_scale, bias : float32 (N,)
    input_scale : float32 ()
        The input is ``input_scale`` times integers.
    signed : bool ()
        The integers are -128..127, not 0..255.
    """

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor
    input_scale: Tensor
    signed: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.stride = conv.stride
        self.padding = conv.padding
        self.dilation = conv.dilation
        self.register_buffer("weight", torch.zeros(conv.weight.shape, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(len(conv.weight)))
        self.register_buffer("bias", torch.zeros(len(conv.weight)))
        self.register_buffer("input_scale", torch.ones(()))
        self.register_buffer("signed", torch.zeros((), dtype=torch.bool))

    def set(self, conv: nn.Conv2d, inputs: Tensor) -> None:
        """Take the weights of a convolution, and the scale of its input from the observed values, any shape."""
        weight = conv.weight.detach()
        scale = (weight.abs().amax(dim=(1, 2, 3)) / 127).clamp(min=1e-12)
        self.weight.copy_((weight / scale[:, None, None, None]).round())
        self.weight_scale.copy_(scale)
        if conv.bias is not None:
            self.bias.copy_(conv.bias.detach())
        self.signed.fill_(bool(inputs.min() < 0))
        sizes = inputs.abs().flatten()
        largest = sizes.kthvalue(max(1, round(len(sizes) * (1 - CLIPPED)))).values
        self.input_scale.copy_((largest / (127 if self.signed else 255)).clamp(min=1e-12))

    def integers(self, x: Tensor) -> Tensor:
        """The input as integers, in the dtype of ``x``."""
        low, high = (-128, 127) if self.signed else (0, 255)
        return (x / self.input_scale).round().clamp(low, high)

    def sums(self, x: Tensor) -> Tensor:
        """The integer sums of the convolution, (B, N, OH, OW), exact in their float type."""
        reach = 255 * int(self.weight.abs().sum(dim=(1, 2, 3), dtype=torch.int64).max())
        kind = torch.float32 if reach < 2**24 else torch.float64
        return nn.functional.conv2d(self.integers(x).to(kind), self.weight.to(kind), stride=self.stride,
                                    padding=self.padding, dilation=self.dilation)

    def forward(self, x: Tensor) -> Tensor:
        scale = (self.weight_scale * self.input_scale).double()
        value = self.sums(x) * scale[:, None, None] + self.bias.double()[:, None, None]
        return value.to(x.dtype)


def _convolutions(module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Conv2d]]:
    """All convolutions, each with its parent module and its name there."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                yield parent, name, child


def _plain(conv: nn.Conv2d) -> nn.Conv2d:
    """A convolution with the weights of one with a parametrization.

    ``remove_parametrizations`` would take the weights away from the original of a copied module, too: the two share
    the class that PyTorch makes for a parametrization.
    """
    outputs, inputs, height, width = conv.weight.shape
    made = nn.Conv2d(inputs, outputs, (height, width), bias=conv.bias is not None)
    made.stride, made.padding, made.dilation = conv.stride, conv.padding, conv.dilation
    made._reversed_padding_repeated_twice = conv._reversed_padding_repeated_twice
    with torch.no_grad():
        made.weight.copy_(conv.weight)
        if conv.bias is not None and made.bias is not None:
            made.bias.copy_(conv.bias)
    return made.train(conv.training)


def _fold_norms(network: nn.Module) -> None:
    """Fold each batch norm into the convolution right before it; weights of a parametrization become plain ones."""
    for parent, name, conv in list(_convolutions(network)):
        if parametrize.is_parametrized(conv):
            setattr(parent, name, _plain(conv))
    for parent in list(network.modules()):
        if not isinstance(parent, nn.Sequential):
            continue
        children = list(parent.named_children())
        for (place, module), (norm_place, norm) in pairwise(children):
            if isinstance(module, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, place, nn.utils.fuse_conv_bn_eval(module, norm))
                setattr(parent, norm_place, nn.Identity())


def prepare(network: N) -> N:
    """A copy of a float network with empty 8-bit convolutions, for the state of a quantised network."""
    network = copy.deepcopy(network).eval()
    _fold_norms(network)
    for parent, name, conv in list(_convolutions(network)):
        setattr(parent, name, Int8Conv2d(conv))
    return network


def quantize(network: N, inputs: Tensor) -> N:
    """The 8-bit twin of a float network.

    Parameters
    ----------
    network : Module
        Consists of ``nn.Conv2d`` and modules without weights; batch norms directly follow convolutions in an
        ``nn.Sequential``. Left unchanged.
    inputs : Tensor
        Encoded training images, for the scales.
    """
    network = copy.deepcopy(network).eval()
    _fold_norms(network)
    seen: dict[nn.Module, list[Tensor]] = {}
    found = list(_convolutions(network))
    hooks = [conv.register_forward_pre_hook(lambda module, given: seen.setdefault(module, []).append(given[0]))
             for _, _, conv in found]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    for parent, name, conv in found:
        twin = Int8Conv2d(conv)
        twin.set(conv, torch.cat([given.flatten() for given in seen[conv]]))
        setattr(parent, name, twin)
    return network
