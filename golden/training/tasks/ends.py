"""Networks whose first and last convolution the host computes in 8 bits, as in the paper's EDSR."""

from torch import Tensor, nn

from signum.golden.layers.blocks import Blocks, Network

__all__ = ["Ends", "stem"]


class Ends(Network):
    """A network of three parts, of which the array runs the middle one.

    Parameters
    ----------
    blocks : Blocks
    first, last : Module
        The host's layers before and after the body: convolutions `nn.Conv2d`, norms directly after them, and modules
        without weights. ``first`` ends in an activation of the blocks.
    body : Module
        Ends in an activation as well.
    """

    def __init__(self, blocks: Blocks, first: nn.Module, body: nn.Module, last: nn.Module) -> None:
        super().__init__(blocks, body)
        self.first = first
        self.last = last

    def before(self, x: Tensor) -> Tensor:
        return self.first(x)

    def after(self, y: Tensor, x: Tensor) -> Tensor:
        return self.last(y)


def stem(blocks: Blocks, inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """A convolution in real numbers, its norm, and the activation of the blocks."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
                         nn.BatchNorm2d(outputs), blocks.activation(outputs))
