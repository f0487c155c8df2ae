"""A first layer on the host: filters of grey images that are invariant to brightness."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from signum.golden.layers.blocks import Blocks, Network

__all__ = ["Filtered"]


class _Centred(nn.Module):
    """The weights of each filter minus their mean."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight - weight.mean(dim=(2, 3), keepdim=True)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


class Filtered(Network):
    """A network that begins with filters of real weights; the array reads the activations of their outputs.

    The weights of each filter sum to zero: its invariance to brightness need not be learned.

    Parameters
    ----------
    blocks : Blocks
    filters : int
        Number of filters.
    kernel : int
        Size of a filter, odd. The outermost pixels are repeated outwards, and maps keep their size.
    body : Module
        Reads maps (B, filters, H, W).

    Raises
    ------
    ValueError
        If the kernel is even.
    """

    def __init__(self, blocks: Blocks, filters: int, kernel: int, body: nn.Module) -> None:
        super().__init__(blocks, body)
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, not {kernel}")
        self.sides = 4 * [kernel // 2]
        self.filters = nn.Conv2d(1, filters, kernel, bias=False)
        parametrize.register_parametrization(self.filters, "weight", _Centred())
        self.norm = nn.BatchNorm2d(filters)
        self.activation = blocks.activation(filters)

    def encode(self, images: np.ndarray) -> Tensor:
        """Grey levels 0..255 as float32, for any blocks."""
        return torch.from_numpy(np.asarray(images).astype(np.float32))

    def features(self, x: Tensor) -> Tensor:
        """Outputs of the filters, (B, filters, H, W)."""
        return self.filters(nn.functional.pad(x, self.sides, mode="replicate"))

    def before(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.features(x)))
