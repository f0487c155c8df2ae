"""States of a network's tensors: pixels, constants, codes in maps, and sums that await a quantizer."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from onnx import NodeProto
from torch import Tensor

from signum.golden.compiler.lowering import Source
from signum.golden.layers.binary import ChannelFunction, Sign

from .operators import Operators

__all__ = ["Codes", "Constant", "Factor", "Function", "Layout", "Levels", "Open", "Operator", "Pixels", "Ranking",
           "State", "Sums", "Term", "Unknown", "computed"]


@dataclass(frozen=True)
class Layout:
    """The axes of a tensor: (1, C, H, W), (1, H, W, C) if channels are last, or (1, F) of flattened channels."""

    rank: int = 4
    last: bool = False

    @property
    def axis(self) -> int:
        """The axis of the channels."""
        return self.rank - 1 if self.last else 1

    def expand(self, values: np.ndarray) -> np.ndarray:
        """Values (Z, N) in the form of a tensor of this layout."""
        shape = [len(values), *[1] * (self.rank - 1)]
        shape[self.axis] = values.shape[1]
        return values.reshape(shape)


class Operator(ChannelFunction):
    """A node with constant inputs but one, as a function of a channel's value, in its own float32 arithmetic.

    Parameters
    ----------
    operators : Operators
    node : NodeProto
    inputs : list
        Its constant inputs; None at the place of the tensor.
    layout : Layout
        Of the tensor.
    """

    def __init__(self, operators: Operators, node: NodeProto, inputs: list[np.ndarray | None], layout: Layout) -> None:
        super().__init__()
        self.operators = operators
        self.node = node
        self.inputs = inputs
        self.layout = layout
        self.place = next(i for i, value in enumerate(inputs) if value is None and node.input[i])

    def compute(self, values: np.ndarray) -> np.ndarray:
        """The function of values (Z, N), float32."""
        moving = self.layout.expand(np.ascontiguousarray(values, dtype=np.float32))
        given = [moving if i == self.place else value for i, value in enumerate(self.inputs)]
        with np.errstate(all="ignore"):
            (result, *_) = self.operators.run(self.node, given)
        return np.broadcast_to(result, moving.shape).astype(np.float32).reshape(values.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Values (Z, N, 1, 1)."""
        return torch.from_numpy(self.compute(x[:, :, 0, 0].numpy()))[:, :, None, None]


class Factor(ChannelFunction):
    """Integers plus an offset, times a unit of each channel, rounded once to float32; then plus a bias in float32."""

    def __init__(self, unit: np.ndarray, bias: np.ndarray | None = None, offset: int = 0) -> None:
        super().__init__()
        self.unit = unit
        self.bias = bias
        self.offset = offset

    def compute(self, values: np.ndarray) -> np.ndarray:
        """The function of values (Z, N)."""
        found = ((values.astype(np.float64) + self.offset) * self.unit).astype(np.float32)
        return found if self.bias is None else found + self.bias.astype(np.float32)

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.compute(x[:, :, 0, 0].numpy()))[:, :, None, None]


class Levels(Sign):
    """A quantizer's levels ``unit * (k + least)``, k of 0..count, in ``count`` bits: bit t is ``k > t``.

    ``rounding`` is the largest distance of the network's own values from them, in units.
    """

    def __init__(self, unit: np.ndarray, least: float, count: int, rounding: float = 0.0) -> None:
        super().__init__()
        self.unit = unit
        self.least = least
        self.count = count
        self.rounding = rounding

    @property
    def offset(self) -> float:
        """A level is half the unit times the sum of its bits, +1 and -1, and this number."""
        return self.count + 2 * self.least

    def index(self, values: np.ndarray) -> np.ndarray:
        """The number k of each value: float (Z, N) to int64 (Z, N)."""
        return np.rint(values / self.unit - self.least).astype(np.int64)

    def forward(self, x: Tensor) -> Tensor:
        return x

    def bits(self, x: Tensor) -> Tensor:
        """Bits of values (Z, N, 1, 1)."""
        levels = torch.from_numpy(self.index(x[:, :, 0, 0].numpy()))[:, :, None, None]
        return (levels[:, :, None] > torch.arange(self.count)[:, None, None]).flatten(1, 2)


Function = Operator | Factor


def computed(functions: Iterable[Function], values: np.ndarray) -> np.ndarray:
    """The results of successive functions of values (Z, N)."""
    for function in functions:
        values = function.compute(values)
    return values


@dataclass(frozen=True)
class Unknown:
    """The output of a node that was refused, or of one behind it."""


@dataclass(frozen=True)
class Constant:
    """A tensor that depends on no input.

    ``unit`` is the scale of a quantizer that made it, if one did.
    """

    value: np.ndarray
    unit: np.ndarray | None = None


@dataclass(frozen=True)
class Pixels:
    """The input of the network and functions of it, before its quantizer."""

    functions: tuple[Function, ...] = ()
    layout: Layout = field(default_factory=Layout)


@dataclass(frozen=True)
class Term:
    """A convolution of a map by integers, int64 (N, C, KH, KW)."""

    source: Source
    weights: np.ndarray
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass
class Sums:
    """Sums of terms in units of each channel, float64 (N,), the functions behind them, and perhaps their quantizer."""

    name: str
    terms: list[Term]
    unit: np.ndarray
    size: tuple[int, int]
    layout: Layout = field(default_factory=Layout)
    bias: np.ndarray | None = None
    before: list[Operator] = field(default_factory=list)
    after: list[Operator] = field(default_factory=list)
    pool: tuple[int, int] | None = None
    nodes: list[str] = field(default_factory=list)
    flat: bool = False                              # several positions were flattened, (1, F) in the order of layout

    @property
    def channels(self) -> int:
        return len(self.unit)

    @property
    def bare(self) -> bool:
        """Nothing stands behind the sums."""
        return not self.before and not self.after and self.pool is None and self.bias is None

    @property
    def functions(self) -> list[Operator]:
        return [*self.before, *self.after]


@dataclass
class Open:
    """Sums with their quantizer; while ``source`` is None the layer is not closed, and a pooling may follow."""

    sums: Sums
    levels: Levels
    source: Source | None = None


@dataclass(frozen=True)
class Codes:
    """Codes of channels in one or several maps of one shape: ``unit`` times the sum of ``factor`` times a map's code.

    A code is the sum of a map's bits of the channel, +1 and -1, and the offset of the map. The only map may be that of
    an open layer.
    """

    maps: tuple[tuple[Source, int], ...]
    unit: np.ndarray
    layout: Layout = field(default_factory=Layout)
    open: Open | None = None
    flat: tuple[int, int, int] | None = None        # channels, height and width that were flattened
    flat_last: bool = False                         # ... with the channels last

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        if self.open is not None:
            sums = self.open.sums
            pool = sums.pool or (1, 1)
            return sums.channels, sums.size[0] // pool[0], sums.size[1] // pool[1]
        source = self.maps[0][0]
        return source.channels, *source.size


@dataclass(frozen=True)
class Ranking:
    """The places of the largest values at the end of a network."""

    of: Sums | Codes
    count: int


State = Unknown | Constant | Pixels | Sums | Codes | Ranking
