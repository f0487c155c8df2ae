"""Import of FINN's BNN-PYNQ networks: a folder of parameters, and the header with the sizes of the layers.

The files of layer L and processing element P are ``L-P-weights.bin`` and ``L-P-thres.bin``, of 64-bit words. Output
channel n lies in element n % PE; its words follow each other from n // PE * (columns / SIMD) on, and bit s of word f is
column f * SIMD + s. Columns run (ky, kx, channel). See Umuroglu et al., "FINN: A Framework for Fast, Scalable Binarized
Neural Network Inference", 2017.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from signum.golden.compiler import lowering
from signum.golden.compiler.graph import Graph, Layer, MapShape
from signum.golden.compiler.lowering import FoldError, Part, Source
from signum.golden.layers.binary import Sign
from signum.golden.layers.encoder import Encoder, TablePlanes, TableThermometer

from .imported import Imported
from .refusal import NetworkError
from .states import Factor, Layout

__all__ = ["CLASSES", "load_finn"]

CLASSES = 10
"""The last layer's rows are padded."""

INPUT_BITS = 8
FRACTION = 128
"""Steps of 1 in an input value of 8 bits."""

MOST_LAYERS, MOST_SIZE = 64, 1 << 14


@dataclass(frozen=True)
class _Sizes:
    """Sizes of a layer: K and map for a convolution, and the matrix of its elements."""

    number: int
    kernel: int
    channels: int
    size: int
    after: int
    rows: int
    columns: int
    pe: int
    simd: int
    bits: int

    @property
    def thresholds(self) -> int:
        """Of a channel: activations of 1 bit have two levels, of 2 bits three."""
        return self.bits


class _Above(Sign):
    """A bit for each threshold, (N, count): z > T."""

    def __init__(self, thresholds: np.ndarray) -> None:
        super().__init__()
        self.thresholds = thresholds
        self.count = thresholds.shape[1]

    def bits(self, x: Tensor) -> Tensor:
        """Bits of sums (Z, N, 1, 1), exact integers."""
        return (x[:, :, None].double() > torch.from_numpy(self.thresholds)[:, :, None, None]).flatten(1, 2)


def load_finn(folder: Path | str, header: Path | str | None = None) -> Imported:
    """Import a network of BNN-PYNQ: CNV on images 3 x 32 x 32, or fully connected layers on 1 x 28 x 28.

    Parameters
    ----------
    folder : path
        Parameters.
    header : path, optional
        ``config.h``; by default in the folder, or as ``NAME-config.h`` in the folder or one of the two above it.

    Raises
    ------
    NetworkError
        If a file is missing, of another size, or unreadable as such parameters.
    OSError
        If a file cannot be read.
    """
    folder = Path(folder)
    name = folder.resolve().name
    layers = _read_header(Path(header) if header else _find_header(folder, name))
    conv = layers[0].kernel > 0
    if conv:
        shape = MapShape(layers[0].size, layers[0].size, layers[0].channels)
        encoder: Encoder = TablePlanes(INPUT_BITS, tables=(_fixed_points(),))
        source = Source(encoder.names, shape, np.zeros(shape.channels, dtype=bool), planes=True, offset=-FRACTION)
        input_shape = shape.channels, shape.height, shape.width
    else:
        side = int(layers[0].columns**0.5)          # columns are padded
        shape = MapShape(side, side, 1)
        encoder = TableThermometer(1, 1, tables=(tuple(int(pixel > 127) for pixel in range(256)),))
        source = Source(encoder.names, shape, np.zeros(1, dtype=bool))
        input_shape = 1, side, side
    made: list[Layer] = []
    first = source
    for sizes, following in zip(layers, [*layers[1:], None], strict=True):
        try:
            source = _layer(folder, sizes, following, source, made)
        except FoldError as error:
            raise NetworkError(f"layer {sizes.number} of {folder} must fold exactly: {error}") from None
    # popcounts of single bits, or sums of levels of 2
    bias = np.full(CLASSES, layers[-1].columns / 2 if layers[-2].bits == 1 else 0.0)
    graph = Graph(inputs=dict.fromkeys(first.names, first.shape), layers=tuple(made))
    absorbed = {f"L{sizes.number}": ("Conv" if sizes.kernel else "Dense", layer.name)
                for sizes, layer in zip(layers, made, strict=True)}
    return Imported(name, graph, encoder, input_shape, absorbed, 0, (Factor(np.full(CLASSES, 0.5), bias),), {}, True,
                    {layer.name: sizes.thresholds
                     for sizes, layer in zip(layers[:-1], made, strict=False)}, Layout(2), False)


def _find_header(folder: Path, name: str) -> Path:
    places = [folder / "config.h", *(place / f"{name}-config.h" for place in (folder, folder.parent,
                                                                              folder.parent.parent))]
    for place in places:
        if place.is_file():
            return place
    raise NetworkError(f"{folder} must have its config.h beside it, or {name}-config.h in one of the two folders above")


def _read_header(path: Path) -> list[_Sizes]:
    """The sizes of all layers."""
    text = path.read_text(errors="replace")
    found: dict[int, dict[str, int]] = {}
    for layer, key, value in re.findall(r"^#define L(\d{1,4})_(\w+) (\d{1,9})\s*$", text, re.M):
        found.setdefault(int(layer), {})[key] = int(value)
    if sorted(found) != list(range(len(found))) or not 1 < len(found) <= MOST_LAYERS:
        raise NetworkError(f"{path} must define the sizes of layers L0, L1, ..., as L0_PE")
    return [_sizes(path, number, found[number]) for number in range(len(found))]


def _sizes(path: Path, number: int, values: Mapping[str, int]) -> _Sizes:
    try:
        if "K" in values:
            k, channels = values["K"], values["IFM_CH"]
            sizes = _Sizes(number, k, channels, values["IFM_DIM"], values["OFM_DIM"], values["OFM_CH"],
                           k * k * channels, values["PE"], values["SIMD"], values.get("API", 1))
        else:
            sizes = _Sizes(number, 0, 0, 0, 1, values["MH"], values["MW"], values["PE"], values["SIMD"],
                           values.get("API", 1))
    except KeyError as error:
        raise NetworkError(f"{path} must define L{number}_{error.args[0]}") from None
    if min(sizes.rows, sizes.columns, sizes.pe, sizes.simd) < 1 or max(sizes.rows, sizes.columns) > MOST_SIZE:
        raise NetworkError(f"L{number} of {path} must have 1 to {MOST_SIZE} rows and columns")
    if sizes.rows % sizes.pe or sizes.columns % sizes.simd or sizes.simd > 64:
        raise NetworkError(f"L{number} of {path} must have rows of a multiple of PE, and columns of a multiple of SIMD")
    if values.get("WPI", 1) != 1 or sizes.bits not in (1, 2, 16):       # 16: the last layer has no activation
        raise NetworkError(f"L{number} of {path} must have weights of 1 bit and activations of 1 or 2")
    return sizes


def _words(path: Path, count: int) -> np.ndarray:
    """Little-endian 64-bit words, int64 (count,)."""
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise NetworkError(f"{path} must be a readable file: {error.strerror}") from None
    if len(whole) != 8 * count:
        raise NetworkError(f"{path} must have {8 * count} bytes, not {len(whole)}")
    return np.frombuffer(whole, dtype="<i8")


def _read_weights(folder: Path, sizes: _Sizes) -> np.ndarray:
    """True for +1: bool (rows, columns)."""
    folds = sizes.columns // sizes.simd
    weights = np.zeros((sizes.rows, sizes.columns), dtype=bool)
    for pe in range(sizes.pe):
        words = _words(folder / f"{sizes.number}-{pe}-weights.bin", sizes.rows // sizes.pe * folds).astype(np.uint64)
        bits = words[:, None] >> np.arange(sizes.simd, dtype=np.uint64) & np.uint64(1) == 1
        weights[pe::sizes.pe] = bits.reshape(-1, sizes.columns)
    return weights


def _read_thresholds(folder: Path, sizes: _Sizes) -> np.ndarray:
    """Rising thresholds of each channel: int64 (rows, count)."""
    count = sizes.thresholds
    thresholds = np.zeros((sizes.rows, count), dtype=np.int64)
    for pe in range(sizes.pe):
        words = _words(folder / f"{sizes.number}-{pe}-thres.bin", sizes.rows // sizes.pe * count)
        thresholds[pe::sizes.pe] = words.reshape(-1, count)
    return np.sort(thresholds, axis=1)


def _fixed_points() -> tuple[int, ...]:
    """For each pixel the nearest 128th of 2 * pixel / 255 - 1, ties up, and 128 more: 0..255."""
    steps = np.floor((2 * np.arange(256) / 255 - 1) * FRACTION + 0.5)
    return tuple(int(value) for value in np.clip(steps, -FRACTION, FRACTION - 1) + FRACTION)


def _layer(folder: Path, sizes: _Sizes, following: _Sizes | None, source: Source, made: list[Layer]) -> Source:
    """Add a layer; returns its map."""
    weights = _read_weights(folder, sizes)
    kernel = sizes.kernel or source.shape.height
    channels = source.channels
    taps = kernel * kernel * channels
    if sizes.columns < taps or (sizes.columns > taps and (made or sizes.kernel)):
        raise NetworkError(f"L{sizes.number} must have {taps} columns for its map, not {sizes.columns}")
    # the input is padded with bits of 0: each counts where its weight is 0
    constant = (~weights[:, taps:]).sum(axis=1)
    planes = weights[:, :taps].reshape(-1, kernel, kernel, channels).transpose(0, 3, 1, 2)
    rows = planes if following else planes[:CLASSES]
    part = Part(source, rows.repeat(source.copies, axis=1)[None] ^ source.inverted[:, None, None])
    sums = lowering.Sums(f"L{sizes.number}", [part])
    if following is None:
        layer = sums.layer()
        made.append(layer)
        return source
    thresholds = _read_thresholds(folder, sizes).astype(np.float64)
    if source.planes:               # the accumulator has 128ths, the threshold 256ths
        above = thresholds / 2
    elif source.copies > 1:         # the accumulator has levels of 1, the array those of 2
        above = thresholds * 2
    else:                           # the accumulator is a popcount
        above = 2 * (thresholds - constant[:, None]) - taps
    sums.sign = _Above(above)
    pool = sizes.after // following.size if following.kernel else 1
    if pool > 1:
        sums.pool = (pool, pool)
    layer = sums.layer()
    made.append(layer)
    return sums.source(layer)
