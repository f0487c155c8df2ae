"""The gated convolution of FracBNN: the light plane of activations of 2 bits counts only behind a learned gate.

The activations have two planes, x = 2*heavy + light (Zhang et al., FracBNN, 2021). The array computes both everywhere,
and the threshold unit adds the second where the sum of the first exceeds the gate (`hdl.control.combine`).
"""

from typing import Any

import torch
from torch import Tensor, nn

from .binary import BinaryConv2d

__all__ = ["GATE_STEEPNESS", "GatedConv2d"]

GATE_STEEPNESS = 5.0
"""Of the sigmoid whose derivative stands for that of a gate (Zhang et al., Precision Gating, 2020)."""

LEVELS = 3
"""The largest activation, and the signs of one."""


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        chance = torch.sigmoid(GATE_STEEPNESS * x)
        return grads[0] * GATE_STEEPNESS * chance * (1 - chance)


class GatedConv2d(BinaryConv2d):
    """Convolution of activations of 2 bits with weights of 1 bit: 2*z + u where z exceeds the gate, else 2*z.

    z is the sum of the heavy plane, u that of the light one; the result is an exact integer while below 2**24. A layer
    takes the array as long as an ungated one: where the gate is closed the light plane is masked, not left out.

    Parameters
    ----------
    inputs, outputs, kernel, options
        See `BinaryConv2d`. ``pad`` is an activation: 0, or an end of their range.
    unsigned : bool
        The activations are 0..3, as the pixels of ``BitPlanes(2)``, with planes of 0 and 1; by default -3, -1, 1 and 3,
        as behind ``Levels(3)``, with planes of -1 and +1.

    Members
    -------
    gate : Parameter, (outputs,)
        Learned, in units of the root of the taps: the deviation of a sum of random signs. The gradient of the open gate
        is that of a sigmoid, that of the activations the one of the heavy plane.

    Raises
    ------
    ValueError
        If ``pad`` is no such activation.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], *, pad: int = 0,
                 unsigned: bool = False, **options) -> None:
        super().__init__(inputs, outputs, kernel, pad=0, **options)
        allowed = (0, LEVELS) if unsigned else (0, LEVELS, -LEVELS)
        if isinstance(pad, bool) or pad not in allowed:
            raise ValueError(f"pad must be {' or '.join(map(str, allowed))}, not {pad}")
        self.pad = pad
        self.unsigned = unsigned
        self.gate = nn.Parameter(torch.zeros(outputs))

    def opens(self, sums: Tensor) -> Tensor:
        """1 where the gate of a channel is open, else 0, of sums (B, outputs, OH, OW) of the heavy plane."""
        taps = self.weight[0].numel()
        opened: Tensor = _Gate.apply(sums * taps ** -0.5 - self.gate.reshape(1, -1, 1, 1))
        return opened

    def forward(self, x: Tensor) -> Tensor:
        """Sums (B, outputs, OH, OW) of maps (B, inputs, H, W)."""
        if any(self.padding):
            top, left, bottom, right = self.padding
            x = nn.functional.pad(x, (left, right, top, bottom), value=float(self.pad))
        with torch.no_grad():
            twice = 2 * torch.floor(x / 2) if self.unsigned else 2 * torch.sign(x)
        weight = self.binary_weight()
        # the gradient of the identity to the heavy plane, none to the light one
        heavy, light = (nn.functional.conv2d(plane, weight, stride=self.stride, dilation=self.dilation)
                        for plane in (x + (twice - x).detach(), (x - twice).detach()))
        return heavy + self.opens(heavy / 2) * light

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, unsigned={self.unsigned}"
