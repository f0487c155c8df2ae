"""The paper's residual: two binary paths, requantised to INT4, added, and compared once.

In evaluation a path's values are ``clip((p*A + B) >> s, -8, 7)`` of its popcounts p, with integers A and B for each
channel, computed from the module's parameters: PyTorch and the array use the same integers.
"""

import torch
from torch import Tensor, nn

from .binary import BatchNorm, Paths, round_through
from .gains import Gain

__all__ = ["HIGH", "INT4_STEP", "LOW", "SHIFT", "Int4", "Residual"]

LOW, HIGH = -8, 7

SHIFT = 12
"""The s of the formula."""

SCALE_LIMIT = (1 << 16) - 1
"""The largest A: hardware multiplies by 16 bits. Only channels of a very small variance reach it."""

INT4_STEP = 0.25
"""The value of a level: the sixteen levels reach from -2 to 1.75 standard deviations of a normed value."""


class Int4(nn.Module):
    """The end of a path of a `Residual`, directly after a binary convolution: batch norm and a gain, then 16 levels.

    In training the levels are rounded with the gradient of the identity inside their range; in evaluation they are
    `integers` applied to popcounts.

    Parameters
    ----------
    channels : int
    taps : int
        Taps of a dot product of the convolution, with padded ones.
    gain : Gain, optional
        Factors of the convolution's operands.
    """

    def __init__(self, channels: int, taps: int, gain: Gain | None = None) -> None:
        super().__init__()
        self.taps = taps
        self.gain = gain
        self.norm = BatchNorm(channels)

    def integers(self) -> tuple[Tensor, Tensor]:
        """A and B, int64 (C,) each: a level is ``(p*A + B) >> SHIFT``, rounded to the nearest."""
        slope, offset = (value.double() for value in self.norm.affine())
        if self.gain is not None:
            slope = slope * self.gain.factor().double()
        scale = (1 << SHIFT) / INT4_STEP
        fits = (SCALE_LIMIT / (2 * slope.abs() * scale).clamp(min=1)).clamp(max=1)
        a = (2 * slope * fits * scale).round()
        b = ((offset - self.taps * slope) * fits * scale).round() + (1 << SHIFT - 1)
        return a.long(), b.long()

    def levels(self, popcounts: Tensor) -> Tensor:
        """Levels -8..7, int64 (B, C, H, W), of popcounts, int64 (B, C, H, W)."""
        a, b = (value.reshape(1, -1, 1, 1) for value in self.integers())
        return (popcounts * a + b >> SHIFT).clamp(LOW, HIGH)

    def forward(self, x: Tensor) -> Tensor:
        """Multiples of `INT4_STEP`, (B, C, H, W), of the sums of a convolution."""
        if not self.training:
            popcounts = (x.long() + self.taps) // 2
            return self.levels(popcounts).to(x.dtype) * INT4_STEP
        value = self.norm(x if self.gain is None else self.gain(x)) / INT4_STEP
        return round_through(value.clamp(LOW, HIGH)) * INT4_STEP


class Residual(Paths):
    """The sum of several paths from one input, each of which ends in an `Int4`.

    A `Sign` follows: hardware adds the integers and compares them once.
    """

    combine = "residual"

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([path(x) for path in self.paths]).sum(dim=0)
