"""Building blocks of vision networks: the same network with real or with binary blocks.

A task describes its network once, over `Blocks`, and the choice of blocks is the only difference: `FloatBlocks` make
the float twin (quantised by `golden.layers.int8`), `BinaryBlocks` the part that runs on the array.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .binary import BatchNorm, BinaryConv2d, Bytes, Logits, Sign, Sum
from .encoder import Encoder
from .gains import AlphaShape, CentredConv2d, Gain, GainConv, GainLevels, GainSign, ScaledConv2d
from .quant import Levels, QuantConv2d, QuantReLU, check_bits, check_count
from .residual import Int4, Residual

__all__ = ["FLOAT", "BinaryBlocks", "Blocks", "FloatBlock", "FloatBlocks", "Network", "Style"]

RESIDUALS = ("int4", "concat", "none")

UNIT, UNIT_FACTOR = 129, 127
"""The sum of a binary network's filter that keeps a grey level; 2**14 over it, nearly, in `Bytes`."""

SMALL = 0.05
"""The initial scale of weights that make a few grey levels, relative to others."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """The choice of the blocks of a network.

    Parameters
    ----------
    binary : bool
        Binary weights and activations; the other parameters but ``multiplier`` count only then.
    multiplier : float
        The paper's m, the factor of the task's channels.
    residual : "int4", "concat" or "none"
        Addition of a block's two paths: in INT4 as in the paper, as one exact sum of two convolutions, or without a
        skip path.
    weight_gains : "output", "input", "full" or None
        Shape of alpha (`golden.layers.gains.AlphaShape`); None leaves alpha and lambda out.
    centred_weights : bool
        `golden.layers.gains.CentredConv2d`; not together with weight gains.
    activation_gains : bool
        `GainSign` instead of `Sign`.
    rectified : bool
        `golden.layers.quant.QuantReLU` for all activations but codes.
    first_levels, levels, last_levels, code_levels : int
        Signs of an activation, 1 to 7: behind the pixels, of inner ones, in front of the last layer, and of results
        that are codes. Three signs are an activation of 2 bits. A residual "int4" has none but 1.
    first_bits, last_bits : int
        Bits of the weights of `Blocks.pixels`, and of those of `Blocks.values`: 1 to 8.

    Raises
    ------
    ValueError
        If the multiplier is not positive, the residual unknown, or a number of signs or bits out of range.
    """

    binary: bool = True
    multiplier: float = 1.0
    residual: Literal["int4", "concat", "none"] = "int4"
    weight_gains: AlphaShape | None = None
    centred_weights: bool = False
    activation_gains: bool = True
    rectified: bool = False
    first_levels: int = 1
    levels: int = 1
    last_levels: int = 1
    code_levels: int = 1
    first_bits: int = 8
    last_bits: int = 8

    def __post_init__(self) -> None:
        if not self.multiplier > 0:
            raise ValueError(f"multiplier must be positive, not {self.multiplier}")
        if self.residual not in RESIDUALS:
            raise ValueError(f"residual must be one of {', '.join(RESIDUALS)}, not {self.residual}")
        if self.centred_weights and self.weight_gains is not None:
            raise ValueError(f"weight_gains must be None with centred_weights, not {self.weight_gains}")
        for count in (self.first_levels, self.levels, self.last_levels, self.code_levels):
            check_count(count)
        if self.residual == "int4" and self.most_levels > 1:
            raise ValueError(f"residual must be concat or none with activations of {self.most_levels} signs, not int4")
        for bits in (self.first_bits, self.last_bits):
            check_bits(bits)

    @property
    def most_levels(self) -> int:
        """The most signs of an activation."""
        return max(self.first_levels, self.levels, self.last_levels, self.code_levels)

    @property
    def name(self) -> str:
        """A short name, valid in file names: "float", "float_m0.5", "binary_m1", "binary_m1.5"."""
        if self.binary:
            return f"binary_m{self.multiplier:g}"
        return "float" if self.multiplier == 1 else f"float_m{self.multiplier:g}"

    def blocks(self, encoder: Encoder, maximum: int) -> "Blocks":
        """Blocks for one network; its binary form reads images, values 0..maximum, through ``encoder``."""
        return BinaryBlocks(self, encoder) if self.binary else FloatBlocks(maximum, self.multiplier)


FLOAT = Style(binary=False)


class Network(nn.Module):
    """A network, all of whose layers the array computes; `after` has the form of its results for a loss and a score.

    Parameters
    ----------
    blocks : Blocks
        The blocks of the body.
    body : Module
    """

    def __init__(self, blocks: "Blocks", body: nn.Module) -> None:
        super().__init__()
        self.blocks = blocks
        self.body = body
        self.scale = next((m.scale for m in body.modules() if isinstance(m, Logits)), 1.0)

    def after(self, y: Tensor, x: Tensor) -> Tensor:
        """Result of the network from the body's result y and the network's input x: here y, scaled."""
        return y * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Results of encoded images; see `encode`."""
        return self.after(self.body(x), x)

    def encode(self, images: np.ndarray) -> Tensor:
        """The input of the network for images, int64 (B, C, H, W)."""
        return self.blocks.encode(images)


class Blocks(ABC):
    """Makes the parts of one network, in the order of its forward pass.

    ``multiplier`` is a factor of all widths.
    """

    def __init__(self, multiplier: float) -> None:
        self.multiplier = multiplier

    def width(self, channels: int) -> int:
        """Channels of an inner map with ``channels`` in the task's network."""
        return round(channels * self.multiplier)

    @abstractmethod
    def encode(self, images: np.ndarray) -> Tensor:
        """Images, int64 (B, C, H, W), as the input of the network."""

    @abstractmethod
    def inputs(self, channels: int) -> int:
        """Channels of the network's input, for images of ``channels``."""

    @abstractmethod
    def activation(self, channels: int) -> nn.Module:
        """The next activation, outside of parts with their own."""

    @abstractmethod
    def conv(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1,
             last: bool = False) -> nn.Module:
        """Convolution, norm and activation; the ``last`` one stands in front of the last layer."""

    @abstractmethod
    def block(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1, last: bool = False) -> nn.Module:
        """A basic block: two 3x3 convolutions, added to a 1x1 convolution on the skip path; norms and activations.

        The ``last`` one stands in front of the last layer.
        """

    @abstractmethod
    def code(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> nn.Module:
        """The last convolution of a network with codes as its results: bits, or real values with a norm."""

    def pair(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1, last: bool = False) -> nn.Module:
        """Two 3x3 convolutions without a skip path."""
        first = self.conv(inputs, outputs, stride=stride, dilation=dilation)
        return nn.Sequential(first, self.conv(outputs, outputs, dilation=dilation, last=last))

    @abstractmethod
    def result(self, inputs: int, outputs: int, kernel: int = 1, padding: int | None = None) -> nn.Module:
        """The last convolution: results (B, outputs, H, W) with a bias; padded to keep its size by default."""

    @abstractmethod
    def pixels(self, inputs: int, outputs: int, kernel: int, stride: int = 1, centred: bool = False) -> nn.Module:
        """The first convolution, of 8-bit weights and pixels, its norm and activation.

        Around an image are zeros. The weights of a ``centred`` filter add up to zero, or nearly: its invariance to
        brightness need not be learned.
        """

    @abstractmethod
    def values(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        """`result` with 8-bit weights, padded to keep its size."""

    @abstractmethod
    def grey(self, path: nn.Module, inputs: int, outputs: int, filter_size: int) -> nn.Module:
        """Grey levels: `values` of the ``inputs`` maps that ``path`` makes of the image, plus filters of its pixels."""


def _padding(kernel: int, dilation: int) -> int:
    return kernel // 2 * dilation


class FloatBlock(nn.Module):
    """``relu(body(x) + skip(x))``."""

    def __init__(self, body: nn.Module, skip: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.skip(x))


class _Centred(nn.Module):
    """The weights of each filter minus their mean."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight - weight.mean(dim=(2, 3), keepdim=True)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


class _Grey(nn.Module):
    """The sum of two paths in grey levels, of an image with values 0..1."""

    def __init__(self, path: nn.Module, filters: nn.Module) -> None:
        super().__init__()
        self.path = path
        self.filters = filters

    def forward(self, x: Tensor) -> Tensor:
        return 255 * (self.path(x) + self.filters(x) + x)


class FloatBlocks(Blocks):
    """Real weights, batch norm and ReLU. Images, values 0..maximum, are scaled to 0..1."""

    def __init__(self, maximum: int, multiplier: float = 1.0) -> None:
        super().__init__(multiplier)
        self.maximum = maximum

    def encode(self, images: np.ndarray) -> Tensor:
        return torch.from_numpy((np.asarray(images) / self.maximum).astype(np.float32))

    def inputs(self, channels: int) -> int:
        return channels

    def activation(self, channels: int) -> nn.Module:
        return nn.ReLU()

    def _sums(self, inputs: int, outputs: int, kernel: int, stride: int, dilation: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride=stride, dilation=dilation, padding=_padding(kernel, dilation),
                      bias=False),
            nn.BatchNorm2d(outputs))

    def conv(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1,
             last: bool = False) -> nn.Module:
        return nn.Sequential(*self._sums(inputs, outputs, kernel, stride, dilation), nn.ReLU())

    def block(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1, last: bool = False) -> nn.Module:
        body = nn.Sequential(*self._sums(inputs, outputs, 3, stride, dilation), nn.ReLU(),
                             *self._sums(outputs, outputs, 3, 1, dilation))
        return FloatBlock(body, self._sums(inputs, outputs, 1, stride, 1))

    def code(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> nn.Module:
        return self._sums(inputs, outputs, kernel, 1, dilation)

    def result(self, inputs: int, outputs: int, kernel: int = 1, padding: int | None = None) -> nn.Module:
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2 if padding is None else padding)

    def pixels(self, inputs: int, outputs: int, kernel: int, stride: int = 1, centred: bool = False) -> nn.Module:
        layers = self._sums(inputs, outputs, kernel, stride, 1)
        if centred:
            parametrize.register_parametrization(layers[0], "weight", _Centred())
        return nn.Sequential(*layers, nn.ReLU())

    def values(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        return self.result(inputs, outputs, kernel)

    def grey(self, path: nn.Module, inputs: int, outputs: int, filter_size: int) -> nn.Module:
        filters = nn.Conv2d(1, outputs, filter_size, padding=filter_size // 2, bias=False)
        parametrize.register_parametrization(filters, "weight", _Centred())
        return _Grey(nn.Sequential(path, self.result(inputs, outputs, 3)), filters)


class BinaryBlocks(Blocks):
    """Binary weights and activations, in a style. Each object makes one network: it holds the last activation.

    Positions outside a map have the least value of its activation: -1 for a sign.
    """

    def __init__(self, style: Style, encoder: Encoder) -> None:
        super().__init__(style.multiplier)
        self.style = style
        self.encoder = encoder
        self.last: GainSign | None = None
        self.signs = 1

    def encode(self, images: np.ndarray) -> Tensor:
        return self.encoder.tensor(images)

    def inputs(self, channels: int) -> int:
        return self.encoder.shape((channels, 1, 1)).channels

    def activation(self, channels: int, levels: int = 0, code: bool = False) -> Sign:
        """``levels``: its signs, by default those of inner ones."""
        levels = levels or self.style.levels
        self.signs = levels
        if self.style.rectified and not code:
            return QuantReLU(levels)
        if not self.style.activation_gains:
            return Sign() if levels == 1 else Levels(levels)
        self.last = GainSign(channels) if levels == 1 else GainLevels(channels, levels)
        return self.last

    def _bare(self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> BinaryConv2d:
        """A convolution of the last activation, with integer sums."""
        padding = _padding(kernel, dilation)
        if self.style.weight_gains is None:
            kind = CentredConv2d if self.style.centred_weights else BinaryConv2d
            return kind(inputs, outputs, kernel, stride=stride, dilation=dilation, padding=padding, pad=-self.signs)
        return ScaledConv2d(inputs, outputs, kernel, alpha=self.style.weight_gains, stride=stride,
                            dilation=dilation, padding=padding, pad=-self.signs)

    def _scaled(self, inputs: int, outputs: int, kernel: int, stride: int, dilation: int) -> nn.Module:
        """A convolution, with the factors lambda and k in styles with weight gains."""
        if self.style.weight_gains is None:
            return self._bare(inputs, outputs, kernel, stride, dilation)
        return GainConv(inputs, outputs, kernel, alpha=self.style.weight_gains, activation=self.last, stride=stride,
                        dilation=dilation, padding=_padding(kernel, dilation), pad=-self.signs)

    def conv(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1,
             last: bool = False) -> nn.Module:
        conv = self._scaled(inputs, outputs, kernel, stride, dilation)
        levels = self.style.last_levels if last else self.style.levels
        return nn.Sequential(conv, BatchNorm(outputs), self.activation(outputs, levels))

    def block(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1, last: bool = False) -> nn.Module:
        levels = self.style.last_levels if last else self.style.levels
        if self.style.residual == "none":
            return self.pair(inputs, outputs, stride, dilation, last)
        before = self.last
        skip = self._bare(inputs, outputs, 1, stride)
        first = self.conv(inputs, outputs, stride=stride, dilation=dilation)
        second = self._bare(outputs, outputs, 3, 1, dilation)
        if self.style.residual == "concat":     # the norm would cancel lambda and k
            return nn.Sequential(Sum(nn.Sequential(first, second), skip), BatchNorm(outputs),
                                 self.activation(outputs, levels))
        both = Residual(nn.Sequential(first, second, self._int4(second, self.last)),
                        nn.Sequential(skip, self._int4(skip, before)))
        return nn.Sequential(both, self.activation(outputs, levels))

    def code(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> nn.Module:
        return nn.Sequential(self._scaled(inputs, outputs, kernel, 1, dilation), BatchNorm(outputs),
                             self.activation(outputs, self.style.code_levels, code=True))

    def pixels(self, inputs: int, outputs: int, kernel: int, stride: int = 1, centred: bool = False) -> nn.Module:
        conv = QuantConv2d(inputs, outputs, kernel, weight_bits=self.style.first_bits, stride=stride,
                           padding=kernel // 2, pad=0, total=inputs * kernel**2 % 2 if centred else None)
        return nn.Sequential(conv, BatchNorm(outputs), self.activation(outputs, self.style.first_levels))

    def values(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        bits, levels = self.style.last_bits, self.style.last_levels
        conv = QuantConv2d(inputs, outputs, kernel, weight_bits=bits, padding=kernel // 2, pad=-self.signs)
        scale = 2.0 ** -round(np.log2(inputs * kernel**2) / 2 + np.log2(((1 << bits) - 1) * levels))
        return nn.Sequential(conv, Logits(outputs, scale=scale))

    def grey(self, path: nn.Module, inputs: int, outputs: int, filter_size: int) -> nn.Module:
        last = QuantConv2d(inputs, outputs, 3, weight_bits=8, padding=1, pad=-self.signs)
        filters = QuantConv2d(1, outputs, filter_size, weight_bits=8, padding=filter_size // 2, pad=0, total=UNIT)
        for conv in (last, filters):
            conv.initial_scale *= SMALL
            with torch.no_grad():
                conv.weight.mul_(SMALL)
        return nn.Sequential(Sum(nn.Sequential(path, last), filters), Bytes(outputs, factor=UNIT_FACTOR, shift=14))

    def _int4(self, conv: BinaryConv2d, activation: GainSign | None) -> Int4:
        outputs, taps = len(conv.weight), conv.weight[0].numel()
        return Int4(outputs, taps, Gain(outputs, taps, activation) if self.style.weight_gains else None)

    def result(self, inputs: int, outputs: int, kernel: int = 1, padding: int | None = None) -> nn.Module:
        scale = 2.0 ** -round(np.log2(inputs * kernel**2) / 2)      # a power of two, exact in float32
        return nn.Sequential(
            BinaryConv2d(inputs, outputs, kernel, padding=kernel // 2 if padding is None else padding, pad=-self.signs),
            Logits(outputs, scale=scale))
