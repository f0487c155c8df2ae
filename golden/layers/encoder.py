"""Input encoders: images of integers to maps of bits, and to the input tensor of the PyTorch network.

Images are integer arrays (B, C, H, W); maps are bool (B, H, W, channels), by name. The tensor is computed from the
maps, so PyTorch and the integers cannot disagree about an image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from signum.golden.reference.encoding import MapShape

if TYPE_CHECKING:       # which takes seconds, and only training needs
    from torch import Tensor

__all__ = ["LARGEST_PIXEL", "BitPlanes", "Encoder", "SignEncoder", "TablePlanes", "TableThermometer", "Thermometer",
           "encoder_from_dict", "entries"]


LARGEST_PIXEL = 255


@dataclass(frozen=True)
class Encoder:
    """The interface of all encoders.

    Members
    -------
    names : tuple of str
        The maps, in the order in which a layer reads them.
    planes : bool
        The maps are the bits of unsigned integers, most significant first, and the network reads the integers;
        otherwise there is one map and the network reads +1 and -1.
    """

    planes: ClassVar[bool] = False

    @property
    def names(self) -> tuple[str, ...]:
        return ("input",)

    @property
    def largest(self) -> int:
        """The largest value of an image, of 255 at most."""
        return LARGEST_PIXEL

    def shape(self, input_shape: tuple[int, int, int]) -> MapShape:
        """Shape of each map for images (C, H, W)."""
        channels, height, width = input_shape
        return MapShape(height, width, channels * self.bits_per_channel)

    @property
    def bits_per_channel(self) -> int:
        """Channels of a map for each channel of the image."""
        return 1

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Images (B, C, H, W) as the bytes of a stream: uint8; ValueError outside 0..largest."""
        return _check_range(images, 0, self.largest).astype(np.uint8)

    def values(self, images: np.ndarray) -> np.ndarray:
        """The numbers that the code is of, int64 (B, C, H, W): the images, or their entries in a table."""
        return np.asarray(images)

    def bits(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Maps of bits, bool (B, H, W, channels), of images (B, C, H, W); ValueError outside their range."""
        raise NotImplementedError

    def decode(self, maps: Mapping[str, np.ndarray]) -> np.ndarray:
        """An image, int64 (B, C, H, W), with these maps as its code: of several, the image of the least values."""
        raise NotImplementedError

    def tensor(self, images: np.ndarray) -> "Tensor":
        """The input of the network: float32 (B, channels, H, W)."""
        from torch import from_numpy

        maps = self.bits(images)
        values = np.where(maps[self.names[0]], np.float32(1), np.float32(-1))
        return from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))

    def to_dict(self) -> dict[str, Any]:
        """The encoder in plain values; `encoder_from_dict` is the inverse."""
        return {"encoder": type(self).__name__, **asdict(self)}


def _check_range(images: np.ndarray, low: int, high: int) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"images must be (B, C, H, W), not of {images.ndim} axes")
    if not np.issubdtype(images.dtype, np.integer):
        raise ValueError(f"images must be integers, not {images.dtype}")
    if images.size and (images.min() < low or images.max() > high):
        raise ValueError(f"images must be in {low}..{high}, not {images.min()}..{images.max()}")
    return images.astype(np.int64)


@dataclass(frozen=True)
class Thermometer(Encoder):
    """Each value 0..maximum as ``levels`` channels of +1 and -1.

    Bit j is set where ``v > j * maximum / levels``. Channel c of the image becomes the channels
    ``c*levels ... c*levels + levels - 1``.
    """

    levels: int
    maximum: int

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= self.maximum:
            raise ValueError(f"levels must be 1 to maximum ({self.maximum}), not {self.levels}")

    @property
    def bits_per_channel(self) -> int:
        return self.levels

    @property
    def largest(self) -> int:
        return min(LARGEST_PIXEL, self.maximum)

    def bits(self, images: np.ndarray) -> dict[str, np.ndarray]:
        images = _check_range(images, 0, self.maximum)
        batch, channels, height, width = images.shape
        steps = np.arange(self.levels) * self.maximum
        code = images.transpose(0, 2, 3, 1)[..., None] * self.levels > steps
        return {"input": code.reshape(batch, height, width, channels * self.levels)}

    def decode(self, maps: Mapping[str, np.ndarray]) -> np.ndarray:
        code = maps["input"]
        count = code.reshape(*code.shape[:3], -1, self.levels).sum(axis=-1)
        least = np.where(count > 0, (count - 1) * self.maximum // self.levels + 1, 0)
        return least.transpose(0, 3, 1, 2)


@dataclass(frozen=True)
class BitPlanes(Encoder):
    """Each value 0..2**count-1 by its bits: the network reads the integers, the array one map for each bit.

    With weights w = +1/-1 over N taps, M of them -1, the popcount of plane k is
    ``p_k = M + sum(w * bit_k)``. With ``S = sum(2**k * p_k)``, by Horner's rule,
    ``sum(w * x) = S - (2**count - 1) * M``.
    """

    count: int = 8
    planes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 16:
            raise ValueError(f"count must be 1 to 16, not {self.count}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"input.{k}" for k in reversed(range(self.count)))

    @property
    def largest(self) -> int:
        return min(LARGEST_PIXEL, 2**self.count - 1)

    def bits(self, images: np.ndarray) -> dict[str, np.ndarray]:
        images = _check_range(images, 0, 2**self.count - 1).transpose(0, 2, 3, 1)
        return {f"input.{k}": (images >> k & 1).astype(bool) for k in reversed(range(self.count))}

    def decode(self, maps: Mapping[str, np.ndarray]) -> np.ndarray:
        value = np.zeros(maps[self.names[0]].shape, dtype=np.int64)
        for name in self.names:
            value = 2 * value + maps[name]
        return value.transpose(0, 3, 1, 2)

    def tensor(self, images: np.ndarray) -> "Tensor":
        from torch import from_numpy

        return from_numpy(self.decode(self.bits(images)).astype(np.float32))


def _check_tables(tables: Sequence[Sequence[int]], most: int) -> tuple[tuple[int, ...], ...]:
    if not tables or any(not table or min(table) < 0 or max(table) > most for table in tables):
        raise ValueError(f"tables must be one or more of numbers of 0 to {most}")
    return tuple(tuple(int(value) for value in table) for table in tables)


def entries(tables: Sequence[Sequence[int]], images: np.ndarray) -> np.ndarray:
    """Entries for images (B, C, H, W), by one table for all channels or one for each: (B, C, H, W)."""
    numbers = np.arange(images.shape[1]) % len(tables)
    return np.asarray(tables)[numbers[:, None, None], images]


class _Tables(Encoder):
    """The code of the entries of a table, in front of an encoder."""

    tables: tuple[tuple[int, ...], ...]

    @property
    def largest(self) -> int:
        return min(LARGEST_PIXEL, len(self.tables[0]) - 1)

    def values(self, images: np.ndarray) -> np.ndarray:
        """The entries of images: int64 (B, C, H, W)."""
        images = _check_range(images, 0, len(self.tables[0]) - 1)
        if len(self.tables) not in (1, images.shape[1]):
            raise ValueError(f"images must have {len(self.tables)} channels, not {images.shape[1]}")
        return entries(self.tables, images)

    def bits(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return super().bits(self.values(images))


@dataclass(frozen=True, kw_only=True)
class TablePlanes(_Tables, BitPlanes):
    """Each value by the bits of its entry in a table: the network reads the entries.

    A table is that of a network's own quantizer of its input, for all values that a pixel may have; all channels have
    one, or each its own.
    """

    tables: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "tables", _check_tables(self.tables, 2**self.count - 1))


@dataclass(frozen=True, kw_only=True)
class TableThermometer(_Tables, Thermometer):
    """Each value in the thermometer code of its entry in a table, of 0..levels; see `TablePlanes`."""

    tables: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.maximum != self.levels:
            raise ValueError(f"maximum must be the levels ({self.levels}), not {self.maximum}")
        object.__setattr__(self, "tables", _check_tables(self.tables, self.levels))


@dataclass(frozen=True)
class SignEncoder(Encoder):
    """One bit for each value, set where ``v >= threshold``; decoded as ``threshold`` or ``threshold - 1``."""

    threshold: int = 0

    def bits(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return {"input": np.ascontiguousarray(np.asarray(images).transpose(0, 2, 3, 1) >= self.threshold)}

    def decode(self, maps: Mapping[str, np.ndarray]) -> np.ndarray:
        return (self.threshold - 1 + maps["input"].astype(np.int64)).transpose(0, 3, 1, 2)


ENCODERS: dict[str, type[Encoder]] = {kind.__name__: kind for kind in (
    Thermometer, BitPlanes, SignEncoder, TablePlanes, TableThermometer)}


def encoder_from_dict(values: dict[str, Any]) -> Encoder:
    """The encoder described by `Encoder.to_dict`; ValueError for an unknown name."""
    values = dict(values)
    name = values.pop("encoder", None)
    if name not in ENCODERS:
        raise ValueError(f"encoder must be one of {', '.join(ENCODERS)}, not {name}")
    return ENCODERS[name](**values)
