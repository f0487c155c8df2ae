"""Layers of several bits on the same array: weights as sums of +-2**j, activations as sums of thermometer bits.

A weight of w bits is an odd integer of ``-(2**w - 1)..2**w - 1``, the sum over j of ``2**j * b_j`` with bits b_j of -1
and +1: no plane has a sign of its own, as in two's complement. A layer of w-bit weights on activations of a bits takes
``a*w`` binary passes (bit-serial, as in BISMO: Umuroglu et al., 2018).
"""

from typing import Any

import torch
from torch import Tensor

from .binary import MOST_SIGNS, BinaryConv2d, BinaryLinear, Sign, binarize, clamp

__all__ = ["MOST_WEIGHT_BITS", "Levels", "QuantConv2d", "QuantLinear", "QuantReLU", "check_bits",
           "check_count", "odd_integers"]

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


def check_bits(bits: int) -> int:
    """The bits of a weight; ValueError unless they are 1 to 8."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= MOST_WEIGHT_BITS:
        raise ValueError(f"weight_bits must be an integer of 1 to {MOST_WEIGHT_BITS}, not {bits}")
    return bits


def check_count(count: int) -> int:
    """The number of signs of an activation; ValueError unless it is 1 to 7."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_SIGNS:
        raise ValueError(f"count must be an integer of 1 to {MOST_SIGNS}, not {count}")
    return count


class QuantConv2d(BinaryConv2d):
    """`BinaryConv2d` with weights of ``weight_bits`` bits; the result is an exact integer while below 2**24.

    Parameters
    ----------
    inputs, outputs, kernel, options
        See `BinaryConv2d`.
    weight_bits : int
        1 to 8.
    total : int, optional
        The sum of the effective weights of a filter: the latent ones count without their mean, and the middle tap takes
        the rest, within its range. A filter of pixels then treats all levels of brightness alike. Odd where the taps
        are of an odd number, else even.

    Raises
    ------
    ValueError
        If ``weight_bits`` is out of range, or ``total`` no sum of odd integers.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], *, weight_bits: int,
                 total: int | None = None, **options) -> None:
        super().__init__(inputs, outputs, kernel, **options)
        self.weight_bits = check_bits(weight_bits)
        taps = self.weight[0].numel()
        if total is not None and total % 2 != taps % 2:
            parity = "odd" if taps % 2 else "even"
            raise ValueError(f"total must be {parity}, as a sum of {taps} odd integers, not {total}")
        self.total = total

    def binary_weight(self) -> Tensor:
        """The effective weights, odd integers, shape of `weight`; real numbers in the first stage of a training."""
        if self.total is None:
            return _effective(self, self.weight)
        weights = _effective(self, self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True))
        largest = (1 << self.weight_bits) - 1
        taps = weights.flatten(1)
        middle = taps.shape[1] // 2
        rest = torch.cat([taps[:, :middle], taps[:, middle + 1:]], dim=1)
        balance = (self.total - rest.sum(dim=1, keepdim=True)).clamp(-largest, largest)
        return torch.cat([rest[:, :middle], balance, rest[:, middle:]], dim=1).reshape(weights.shape)

    def extra_repr(self) -> str:
        total = "" if self.total is None else f", total={self.total}"
        return f"{super().extra_repr()}, weight_bits={self.weight_bits}{total}"


class QuantLinear(BinaryLinear):
    """`BinaryLinear` with weights of ``weight_bits`` bits, 1 to 8; ValueError where it is out of range."""

    def __init__(self, inputs: int, outputs: int, *, weight_bits: int) -> None:
        super().__init__(inputs, outputs)
        self.weight_bits = check_bits(weight_bits)

    def binary_weight(self) -> Tensor:
        """The effective weights, odd integers, (outputs, inputs); real numbers in the first stage of a training."""
        return _effective(self, self.weight)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, weight_bits={self.weight_bits}"


class Levels(Sign):
    """An activation of ``count + 1`` levels -count, -count + 2, ..., count: the sum of ``count`` signs.

    Sign t is that of ``x - (t - (count - 1) / 2) * spacing``: two signs are a ternary activation (FATNN: Chen et al.,
    2021), in units of 2, three an activation of 2 bits. On the array a channel is ``count`` channels of bits, the
    thermometer code of the level, so pooling stays an OR. The gradient is the sum of the signs' straight-through
    gradients.

    Parameters
    ----------
    count : int
        1 to 7.
    spacing : float
        Distance of two thresholds.

    Raises
    ------
    ValueError
        If ``count`` is out of range, or ``spacing`` not positive.
    """

    def __init__(self, count: int, *, spacing: float = 1.0) -> None:
        super().__init__()
        self.count = check_count(count)
        if not spacing > 0:
            raise ValueError(f"spacing must be positive, not {spacing}")
        self.spacing = spacing

    def thresholds(self) -> list[float]:
        """The threshold of each sign, rising."""
        return [(t - (self.count - 1) / 2) * self.spacing for t in range(self.count)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.binarizer(x - threshold) for threshold in self.thresholds()]).sum(0)

    def bits(self, x: Tensor) -> Tensor:
        return torch.stack([x >= threshold for threshold in self.thresholds()], dim=2).flatten(1, 2)

    def extra_repr(self) -> str:
        return f"{self.count}, spacing={self.spacing}"


class _QuantizedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, thresholds: list[float], step: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.step = step
        ctx.count = len(thresholds)
        reached = torch.zeros_like(x)
        for threshold in thresholds:
            reached += x >= threshold
        return reached.mul_(2).sub_(len(thresholds))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(grads[0], x, 0.0, ctx.count * ctx.step)
        return inside.mul_(2 / ctx.step), None, None


class QuantReLU(Levels):
    """A quantised ReLU: the multiple k of ``spacing`` nearest to x, from 0 to ``count``, as ``2*k - count``.

    Sign t is that of ``x - (t + 1/2) * spacing``. The gradient is that of a clipped ReLU (HWGQ: Cai et al., 2017):
    ``2 / spacing`` where x is between 0 and ``count * spacing``, zero elsewhere.

    Parameters
    ----------
    count, spacing
        See `Levels`. The default suits x with a deviation of 1.
    """

    def __init__(self, count: int, *, spacing: float = 0.7) -> None:
        super().__init__(count, spacing=spacing)

    def thresholds(self) -> list[float]:
        """The threshold of each sign, rising."""
        return [(t + 0.5) * self.spacing for t in range(self.count)]

    def forward(self, x: Tensor) -> Tensor:
        if self.binarizer is not binarize:
            return super().forward(x)
        return _QuantizedReLU.apply(x, self.thresholds(), self.spacing)


def _effective(layer: QuantConv2d | QuantLinear, weight: Tensor) -> Tensor:
    if layer.binarizer is clamp:
        return clamp(weight) * ((1 << layer.weight_bits) - 1)
    return odd_integers(weight, layer.weight_bits)
