"""ResNet-18 of the paper's blocks, at any input size, for ImageNet's 1000 classes.

The stem reads the image as eight bit planes and has binary weights. The classifier is a linear layer of 8-bit weights
on the sums of each channel over all positions: average pooling would divide them by the number of positions.
"""

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import skimage.data
import torch
from torch import Tensor, nn

from signum.golden.layers.binary import BatchNorm, BinaryConv2d, MaxPool, SumPool
from signum.golden.layers.blocks import BinaryBlocks, Network, Style
from signum.golden.layers.encoder import BitPlanes

__all__ = ["CHANNELS", "ResNet18", "photograph", "random_resnet18"]

CHANNELS = (64, 128, 256, 512)
"""Channels of the four groups of two blocks, at multiplier 1."""


class ResNet18(Network):
    """ResNet-18 with a binary convolution on every skip path, as in the paper.

    The stem pools 2x2 windows without overlap; the original pools 3x3 with stride 2. Both halve the map, but with
    overlapping windows the array would compute each sum 2.25 times.

    Parameters
    ----------
    style : Style
        Of binary blocks; the multiplier is the paper's m. The stem has no gain terms.
    classes : int
    """

    blocks: BinaryBlocks

    def __init__(self, style: Style, classes: int = 1000) -> None:
        blocks = BinaryBlocks(style, BitPlanes())
        widths = [blocks.width(channels) for channels in CHANNELS]
        super().__init__(blocks, nn.Sequential(OrderedDict(self._parts(blocks, widths, classes))))

    @staticmethod
    def _parts(blocks: BinaryBlocks, widths: list[int], classes: int) -> Iterator[tuple[str, nn.Module]]:
        yield "stem", nn.Sequential(BinaryConv2d(3, widths[0], 7, stride=2, padding=3, pad=0), MaxPool(2),
                                    BatchNorm(widths[0]), blocks.activation(widths[0]))
        inputs = widths[0]
        for i, width in enumerate(widths):
            yield f"group{i + 1}", nn.Sequential(blocks.block(inputs, width, stride=2 if i else 1),
                                                 blocks.block(width, width))
            inputs = width
        yield "classifier", nn.Sequential(SumPool(), blocks.values(inputs, classes, 1))

    def after(self, y: Tensor, x: Tensor) -> Tensor:
        """The logits (B, classes) of the body's result (B, classes, 1, 1)."""
        return super().after(y, x).flatten(1)


def photograph(size: int) -> np.ndarray:
    """The middle of a photograph (scikit-image's astronaut), reduced by an integer factor: int64 (1, 3, size, size).

    Raises
    ------
    ValueError
        If the size is not 1 to 512.
    """
    image = skimage.data.astronaut()
    factor = len(image) // size if 1 <= size <= len(image) else 0
    if not factor:
        raise ValueError(f"size must be 1 to {len(image)}, not {size}")
    length = len(image) // factor
    at = (length - size) // 2
    small = image[:length * factor, :length * factor].reshape(length, factor, length, factor, 3).mean(axis=(1, 3))
    return np.rint(small[at:at + size, at:at + size]).astype(np.int64).transpose(2, 0, 1)[None]


def random_resnet18(style: Style, size: int, *, classes: int = 1000, seed: int = 0) -> ResNet18:
    """A network with random weights, in evaluation mode, with the norm statistics of four rotations of `photograph`.

    Its activations are as balanced as the activations of a trained network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNet18(style, classes)
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.momentum = 1.0
    image = photograph(size)
    turned = np.concatenate([np.rot90(image, turns, axes=(2, 3)) for turns in range(4)])
    with torch.no_grad():
        network.train()(network.encode(turned))
    return network.eval()
