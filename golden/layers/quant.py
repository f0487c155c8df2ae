"""Layers with weights of several bits: sums of +-2**j, each bit a plane of binary weights on the same array.

A weight of w bits is an odd integer of ``-(2**w - 1)..2**w - 1``, the sum over j of ``2**j * b_j`` with bits b_j of -1
and +1: no plane has a sign of its own, as in two's complement. A layer of w-bit weights on activations of a bits takes
``a*w`` binary passes (bit-serial, as in BISMO: Umuroglu et al., 2018).
"""

from typing import Any

import torch
from torch import Tensor

from .binary import BinaryConv2d, BinaryLinear, binarize

__all__ = ["MOST_WEIGHT_BITS", "QuantConv2d", "QuantLinear", "odd_integers"]

MOST_WEIGHT_BITS = 8


class _OddIntegers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, levels: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.levels = levels
        return 2 * torch.floor(x.clamp(-1, 1) * levels / 2) + 1

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grads[0] * ctx.levels * (x.abs() <= 1), None


def odd_integers(x: Tensor, bits: int) -> Tensor:
    """The nearest odd integers to ``(2**bits - 1) * x``, at most ``2**bits - 1`` in size, in the dtype of ``x``.

    Halfway cases round up: with one bit it is `golden.layers.binary.sign`. The gradient is straight-through:
    ``2**bits - 1`` where ``|x| <= 1``, zero elsewhere.
    """
    return _OddIntegers.apply(x, (1 << bits) - 1)


def _check_bits(bits: int) -> int:
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= MOST_WEIGHT_BITS:
        raise ValueError(f"weight_bits must be an integer of 1 to {MOST_WEIGHT_BITS}, not {bits}")
    return bits


class QuantConv2d(BinaryConv2d):
    """`BinaryConv2d` with weights of ``weight_bits`` bits; the result is an exact integer while below 2**24.

    Parameters
    ----------
    inputs, outputs, kernel, options
        See `BinaryConv2d`.
    weight_bits : int
        1 to 8.

    Raises
    ------
    ValueError
        If ``weight_bits`` is out of range.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], *, weight_bits: int,
                 **options) -> None:
        super().__init__(inputs, outputs, kernel, **options)
        self.weight_bits = _check_bits(weight_bits)

    def binary_weight(self) -> Tensor:
        """The effective weights, odd integers, shape of `weight`; real numbers in the first stage of a training."""
        return _effective(self)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, weight_bits={self.weight_bits}"


class QuantLinear(BinaryLinear):
    """`BinaryLinear` with weights of ``weight_bits`` bits, 1 to 8; ValueError where it is out of range."""

    def __init__(self, inputs: int, outputs: int, *, weight_bits: int) -> None:
        super().__init__(inputs, outputs)
        self.weight_bits = _check_bits(weight_bits)

    def binary_weight(self) -> Tensor:
        """The effective weights, odd integers, (outputs, inputs); real numbers in the first stage of a training."""
        return _effective(self)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, weight_bits={self.weight_bits}"


def _effective(layer: QuantConv2d | QuantLinear) -> Tensor:
    if layer.binarizer is binarize:
        return odd_integers(layer.weight, layer.weight_bits)
    return layer.binarizer(layer.weight) * ((1 << layer.weight_bits) - 1)
