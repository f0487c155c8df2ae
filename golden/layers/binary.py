"""Binary layers: ordinary PyTorch modules whose weights and activations are +1 and -1 in the forward pass.

A network is an ``nn.Sequential`` of these layers, nested at will. `golden.compiler.fold` distinguishes three kinds of
modules: modules with exact integer sums (`BinaryConv2d`, `BinaryLinear`, `Sum`), `ChannelFunction` modules, each a
function of one value and its channel, and `Sign`, which ends a layer. New layers are subclasses: a convolution with
other effective weights overrides `binary_weight`, another activation overrides `Sign.bits`, and a convolution with a
gain is a sequence of the two.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

__all__ = ["BatchNorm", "BinaryConv2d", "BinaryLinear", "BinaryWeights", "Bytes", "ChannelFunction", "ErrorDecay",
           "Logits", "MaxPool", "Sign", "Sum", "SumPool", "binarize", "clamp", "round_through", "sign"]

MOST_FACTOR, MOST_SHIFT = 255, 31
"""Of `Bytes`."""

MOST_SIGNS = 7
"""Signs of an activation, at most."""

INITIAL_SCALE = 0.5
"""Standard deviation of the latent weights at the start; learning rates are relative to it."""

ABOVE_ONE = 1 + 2.0 ** -23
"""The least float32 above 1."""


def sign(x: Tensor) -> Tensor:
    """+1 where x >= 0, else -1, in the dtype of ``x``; zero counts as positive. It has no gradient."""
    with torch.no_grad():
        return torch.ge(x, 0, out=torch.empty_like(x)).mul_(2).sub_(1)     # five times as fast as `torch.where`


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return sign(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grads[0], x, -ABOVE_ONE, ABOVE_ONE)


def binarize(x: Tensor) -> Tensor:
    """`sign` with a straight-through gradient: 1 where ``|x| <= 1``, zero elsewhere."""
    return _StraightThrough.apply(x)


class _Decaying(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, steepness: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.steepness = steepness
        return sign(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        slope = (ctx.steepness * x).tanh_().square_().neg_().add_(1)
        return grads[0] * slope.mul_(max(ctx.steepness, 1)), None


@dataclass(frozen=True)
class ErrorDecay:
    """`sign` with the gradient of IR-Net's error decay estimator (Qin et al., 2020, equation 9).

    With the steepness t the gradient is ``max(1/t, 1) * t * (1 - tanh(t * x)**2)``: that of the identity while t is
    small, of a sign where t is large.
    """

    steepness: float

    def __call__(self, x: Tensor) -> Tensor:
        return _Decaying.apply(x, self.steepness)


def clamp(x: Tensor) -> Tensor:
    """The values within -1..1: the stand-in for binary weights during real-valued training."""
    return x.clamp(-1, 1)


def round_through(x: Tensor) -> Tensor:
    """Nearest integers, with the gradient of the identity."""
    return x + (x.round() - x).detach()


def _pair(value: int | tuple[int, int], name: str, least: int) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, int) or v < least for v in pair):
        raise ValueError(f"{name} must be one or two integers of at least {least}, not {value}")
    return pair


class BinaryWeights(nn.Module):
    """The base of layers with binary weights, or weights of several binary planes.

    Members
    -------
    weight_bits : int
        Planes w of the effective weights, odd integers of -(2**w - 1)..2**w - 1.
    binarizer : callable
        Computes effective from latent weights: `binarize`, the same function with another gradient, or `clamp` in the
        first stage of a training.
    initial_scale : float
        Standard deviation of the latent weights at the start, to which their learning rate is relative.
    """

    weight: nn.Parameter
    weight_bits: int = 1
    initial_scale: float = INITIAL_SCALE

    def __init__(self) -> None:
        super().__init__()
        self.binarizer: Callable[[Tensor], Tensor] = binarize

    def binary_weight(self) -> Tensor:
        """The effective weights."""
        raise NotImplementedError


class BinaryConv2d(BinaryWeights):
    """Convolution of +1/-1 maps with +1/-1 weights; the result is an exact integer while below 2**24.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel, stride, dilation : int or (int, int)
        Along height and width.
    padding : int, (int, int) or (int, int, int, int)
        Positions added on all sides, along (height, width), or at (top, left, bottom, right).
    pad : int
        The value of an added position: 0, PyTorch's usual zero padding, or an end of the range of the map's activation,
        -count or count for one of ``count`` signs; 1 or -1 for a sign.

    Members
    -------
    weight : Parameter, (outputs, inputs, kernel height, kernel width)
        Latent real weights; only their signs count in the forward pass.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], *,
                 stride: int | tuple[int, int] = 1, dilation: int | tuple[int, int] = 1,
                 padding: int | tuple[int, int] | tuple[int, int, int, int] = 0,
                 pad: int = -1) -> None:
        super().__init__()
        if isinstance(pad, bool) or not isinstance(pad, int) or abs(pad) > MOST_SIGNS:
            raise ValueError(f"pad must be an integer of -{MOST_SIGNS} to {MOST_SIGNS}, not {pad}")
        self.kernel = _pair(kernel, "kernel", 1)
        self.stride = _pair(stride, "stride", 1)
        self.dilation = _pair(dilation, "dilation", 1)
        if isinstance(padding, tuple) and len(padding) == 4:
            self.padding = (*_pair(padding[:2], "padding", 0), *_pair(padding[2:], "padding", 0))
        else:
            self.padding = 2 * _pair(padding, "padding", 0)
        self.pad = pad
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *self.kernel) * INITIAL_SCALE)

    def binary_weight(self) -> Tensor:
        """The effective weights, +1.0 and -1.0, shape of `weight`, with a straight-through gradient."""
        return self.binarizer(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Sums (B, outputs, OH, OW) of maps (B, inputs, H, W)."""
        if any(self.padding):
            top, left, bottom, right = self.padding
            x = nn.functional.pad(x, (left, right, top, bottom), value=float(self.pad))
        return nn.functional.conv2d(x, self.binary_weight(), stride=self.stride, dilation=self.dilation)

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape[:2]
        return (f"{inputs}, {outputs}, kernel={self.kernel}, stride={self.stride}, dilation={self.dilation}, "
                f"padding={self.padding}, pad={self.pad}")


class BinaryLinear(BinaryWeights):
    """Fully connected layer with +1/-1 weights; latent `weight` is (outputs, inputs).

    After ``nn.Flatten`` its inputs are a map in PyTorch's order (C, H, W).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * INITIAL_SCALE)

    def binary_weight(self) -> Tensor:
        """The effective weights, +1.0 and -1.0, (outputs, inputs), with a straight-through gradient."""
        return self.binarizer(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Sums (B, outputs) of vectors (B, inputs)."""
        return nn.functional.linear(x, self.binary_weight())

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}"


class Paths(nn.Module):
    """Several paths from one input, whose results the subclass combines."""

    combine: ClassVar[str]
    """Row of `hdl.control.combine.COMBINES` with the same function."""

    def __init__(self, *paths: nn.Module) -> None:
        super().__init__()
        if not paths:
            raise ValueError("paths must be one or more modules, not none")
        self.paths = nn.ModuleList(paths)


class Sum(Paths):
    """The exact sum of several paths from one input, each ending in a binary convolution.

    The concatenated residual: ``Sum(nn.Sequential(conv, norm, sign, conv), conv)`` adds the results of a body and a
    skip path before one norm and one sign. Kernels and strides may differ between paths; the sizes of their results
    must not.
    """

    combine = "sum"

    def forward(self, x: Tensor) -> Tensor:
        total = self.paths[0](x)
        for path in list(self.paths)[1:]:
            total = total + path(x)
        return total


class ChannelFunction(nn.Module):
    """A function of each value and its channel alone, monotone in the value, on (B, C) and (B, C, H, W)."""


class BatchNorm(ChannelFunction):
    """Batch norm; in evaluation exactly ``x*a + c``, two float32 operations, with a and c of `affine`.

    Training, running statistics, ``weight`` and ``bias`` are as in ``nn.BatchNorm2d``.

    Parameters
    ----------
    channels : int
        Size C of the second axis.
    momentum, eps : float
        As in PyTorch: the share of a new batch in the running statistics, and the constant added to the variance.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def affine(self) -> tuple[Tensor, Tensor]:
        """Slope a and offset c in evaluation, each (C,)."""
        a = self.weight * torch.rsqrt(self.running_var + self.eps)
        return a, self.bias - self.running_mean * a

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                                            training=True, momentum=self.momentum, eps=self.eps)
        shape = (1, -1, *[1] * (x.dim() - 2))
        a, c = self.affine()
        return x * a.reshape(shape) + c.reshape(shape)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, momentum={self.momentum}, eps={self.eps}"


class Sign(ChannelFunction):
    """+1 where x >= 0, else -1: the activation that ends a layer, with a straight-through gradient.

    Members
    -------
    count : int
        Bits of a channel; the activation is the sum of their +1 and -1.
    binarizer : callable
        `binarize`, or the same function with another gradient.
    """

    count: int = 1

    def __init__(self) -> None:
        super().__init__()
        self.binarizer: Callable[[Tensor], Tensor] = binarize

    def forward(self, x: Tensor) -> Tensor:
        return self.binarizer(x)

    def bits(self, x: Tensor) -> Tensor:
        """The activation as bits, each non-decreasing or non-increasing in x: bool (B, count * C, ...) of (B, C, ...).

        Bit t of channel c is ``count*c + t``.
        """
        return x >= 0


class MaxPool(nn.Module):
    """The largest value of each window of ``size`` positions; windows do not overlap, remainders are dropped.

    It may stand before the norm, after it, or after the sign.
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        super().__init__()
        self.size = _pair(size, "size", 1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool2d(x, self.size)

    def extra_repr(self) -> str:
        return f"{self.size}"


class SumPool(nn.Module):
    """The sum of each window of ``size`` positions: average pooling without its division. Windows do not overlap.

    It stands behind a `Sign` and before a convolution or linear layer, whose weights the array repeats for all
    positions of a window. Remainders are dropped.

    Parameters
    ----------
    size : int or (int, int), optional
        Height and width; by default those of the map.
    """

    def __init__(self, size: int | tuple[int, int] | None = None) -> None:
        super().__init__()
        self.size = None if size is None else _pair(size, "size", 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H // height, W // width)."""
        size = (x.shape[2], x.shape[3]) if self.size is None else self.size
        return nn.functional.avg_pool2d(x, size, divisor_override=1)

    def extra_repr(self) -> str:
        return "" if self.size is None else f"{self.size}"


class Logits(nn.Module):
    """The end of a network: integer sums plus a learned bias for each channel, rounded in the forward pass.

    Parameters
    ----------
    channels : int
        Number of results.
    scale : float
        The factor of the integers in a loss, absent from hardware, since a positive constant changes no answer. About
        one over the root of the taps of the sums.

    Raises
    ------
    ValueError
        If the scale is not positive.
    """

    def __init__(self, channels: int, *, scale: float) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"scale must be positive, not {scale}")
        self.scale = scale
        self.bias = nn.Parameter(torch.zeros(channels))

    def integer_bias(self) -> Tensor:
        """The bias of the sums: integers as floats, (C,)."""
        return round_through(self.bias / self.scale)

    def forward(self, x: Tensor) -> Tensor:
        """Integers as floats, (B, C) or (B, C, H, W)."""
        return x + self.integer_bias().reshape(1, -1, *[1] * (x.dim() - 2))

    def scaled(self, logits: Tensor) -> Tensor:
        """The logits for a loss."""
        return logits * self.scale

    def extra_repr(self) -> str:
        return f"{len(self.bias)}, scale={self.scale}"


class Bytes(Logits):
    """The end of a network with values of 8 bits: ``(z * scale + 2**(shift - 1)) >> shift`` within 0..255.

    z is an integer sum plus a learned integer bias of its channel. In evaluation the result is exact.

    Parameters
    ----------
    channels : int
    factor : int
        The multiplier, 1..255.
    shift : int
        1..31.

    Raises
    ------
    ValueError
        If the factor or the shift is out of range.
    """

    def __init__(self, channels: int, *, factor: int, shift: int) -> None:
        for name, value, most in (("factor", factor, MOST_FACTOR), ("shift", shift, MOST_SHIFT)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise ValueError(f"{name} must be an integer of 1 to {most}, not {value}")
        super().__init__(channels, scale=factor / 2**shift)
        self.factor = factor
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        """Integers of 0..255 as floats, (B, C) or (B, C, H, W), with the gradient of the value before its rounding."""
        sums = super().forward(x)
        exact = torch.floor((sums.double() * self.factor + 2.0 ** (self.shift - 1)) / 2.0 ** self.shift).clamp(0, 255)
        if not self.training:
            return exact.to(x.dtype)
        real = self.scaled(sums).clamp(0, 255)
        return real + (exact.to(x.dtype) - real).detach()

    def extra_repr(self) -> str:
        return f"{len(self.bias)}, factor={self.factor}, shift={self.shift}"
