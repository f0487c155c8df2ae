"""Gain terms: parameters that help training and fold into signs and thresholds at inference.

The over-parameterised training scheme of BiNeal (Nie et al., 2022), as far as it is published. Weights are
``lambda * sign(alpha * w)``, an activation is ``k * sign(PReLU_tau(x - b0) + b1)``. At inference only signs of weights
and one threshold a channel remain. The factors lambda and k are applied to the sums of the convolution: this equals
factors of its operands, and the sums stay exact integers in float32.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from .binary import BinaryConv2d, ChannelFunction, Sign
from .quant import check_count

__all__ = ["AlphaShape", "CentredConv2d", "Gain", "GainConv", "GainLevels", "GainSign", "ScaledConv2d"]

AlphaShape = Literal["output", "input", "full"]
"""Shape of alpha: (N), (N, C) or (N, C, K, K)."""

LEAST_SLOPE = 1e-3
"""Least tau: a slope of zero or less would not be monotone."""


class ScaledConv2d(BinaryConv2d):
    """A `BinaryConv2d` whose weights are ``sign(alpha * w)``.

    Parameters
    ----------
    alpha : "output", "input" or "full"
        One factor for each output channel, for each pair of channels, or for each weight; the initial value is 1.
    inputs, outputs, kernel, options
        See `BinaryConv2d`.

    Raises
    ------
    ValueError
        If ``alpha`` is none of these.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], *, alpha: AlphaShape = "input",
                 **options) -> None:
        super().__init__(inputs, outputs, kernel, **options)
        shapes = {"output": (outputs, 1, 1, 1), "input": (outputs, inputs, 1, 1), "full": tuple(self.weight.shape)}
        if alpha not in shapes:
            raise ValueError(f"alpha must be one of {', '.join(shapes)}, not {alpha}")
        self.alpha = nn.Parameter(torch.ones(shapes[alpha]))

    def binary_weight(self) -> Tensor:
        return self.binarizer(self.alpha * self.weight)


class CentredConv2d(BinaryConv2d):
    """A `BinaryConv2d` whose weights are the signs of latent weights less the mean of their filter.

    The balance of IR-Net (Qin et al., 2020). Its division by the deviation changes no sign.

    Members
    -------
    centred : bool
        Whether the mean is taken off; weights read from a file are signs already.
    """

    centred: bool = True

    def binary_weight(self) -> Tensor:
        weight = self.weight
        return self.binarizer(weight - weight.mean(dim=(1, 2, 3), keepdim=True) if self.centred else weight)


class Gain(ChannelFunction):
    """Multiplies the sums of a convolution by lambda (the factor of its weights) and k (of its activations).

    Parameters
    ----------
    channels : int
        Output channels N of the convolution.
    taps : int
        Taps of a dot product; the initial lambda is one over their root, for sums with a variance near 1.
    activation : GainSign, optional
        The source of the activations that the convolution reads; its ``k`` is shared, not copied.
    """

    def __init__(self, channels: int, taps: int, activation: "GainSign | None" = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), taps ** -0.5))
        self.activation = activation.k if activation is not None else None

    def factor(self) -> Tensor:
        """The product, float32 (N,)."""
        return self.weight if self.activation is None else self.weight * self.activation

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor().reshape(1, -1, *[1] * (x.dim() - 2))


class GainConv(nn.Sequential):
    """A binary convolution with weights ``lambda * sign(alpha * w)``: a `ScaledConv2d` and its `Gain`.

    Parameters
    ----------
    inputs, outputs, kernel, alpha, options
        See `ScaledConv2d`.
    activation : GainSign, optional
        See `Gain`.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], *, alpha: AlphaShape = "input",
                 activation: "GainSign | None" = None, **options) -> None:
        conv = ScaledConv2d(inputs, outputs, kernel, alpha=alpha, **options)
        super().__init__()
        self.conv = conv
        self.gain = Gain(outputs, conv.weight[0].numel(), activation)


class GainSign(Sign):
    """The activation ``sign(PReLU_tau(x - b0) + b1)``; its factor k is applied by the `Gain` of its readers.

    Its value is +1 from the threshold ``b0 - b1`` on where ``b1 <= 0``, and from ``b0 - b1 / tau`` on where
    ``b1 > 0``.

    Parameters
    ----------
    channels : int

    Members
    -------
    b0, b1, tau : Parameter (C,)
        Shifts before and after the slope of the negative side, and this slope, at least 0.001. Their initial values are
        0, 0 and 1, a plain sign: a slope of 0.25 would weaken the gradients of half the values.
    k : Parameter ()
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.b0 = nn.Parameter(torch.zeros(channels))
        self.b1 = nn.Parameter(torch.zeros(channels))
        self.tau = nn.Parameter(torch.ones(channels))
        self.k = nn.Parameter(torch.ones(()))

    def slope(self) -> Tensor:
        """The effective tau, (C,)."""
        return self.tau.clamp(min=LEAST_SLOPE)

    def thresholds(self) -> Tensor:
        """The least value with the activation +1, (C,)."""
        return self.b0 - torch.where(self.b1 > 0, self.b1 / self.slope(), self.b1)

    def reshaped(self, x: Tensor) -> Tensor:
        """The argument of the sign."""
        shape = (1, -1, *[1] * (x.dim() - 2))
        return nn.functional.prelu(x - self.b0.reshape(shape), self.slope()) + self.b1.reshape(shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.binarizer(self.reshaped(x))

    def bits(self, x: Tensor) -> Tensor:
        return self.reshaped(x) >= 0


class GainLevels(GainSign):
    """`GainSign` with ``count + 1`` levels, as `golden.layers.quant.Levels`, of learned spacing in each channel.

    Sign t is that of ``PReLU_tau(x - b0) + b1 - (t - (count - 1) / 2) * spacing``.

    Parameters
    ----------
    channels : int
    count : int
        1 to 7; ValueError where it is out of range.

    Members
    -------
    spacing : Parameter (C,)
        The initial value is 1. A negative one exchanges the signs of a channel, whose sum stays the same.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__(channels)
        self.count = check_count(count)
        self.spacing = nn.Parameter(torch.ones(channels))

    def arguments(self, x: Tensor) -> list[Tensor]:
        """The argument of each sign, shape of ``x``."""
        u = self.reshaped(x)
        spacing = self.spacing.reshape(1, -1, *[1] * (x.dim() - 2))
        return [u - (t - (self.count - 1) / 2) * spacing for t in range(self.count)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.binarizer(u) for u in self.arguments(x)]).sum(0)

    def bits(self, x: Tensor) -> Tensor:
        return torch.stack([u >= 0 for u in self.arguments(x)], dim=2).flatten(1, 2)

    def extra_repr(self) -> str:
        return f"{self.count}"
