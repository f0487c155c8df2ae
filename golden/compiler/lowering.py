"""Lowering of a layer's sums, and of the modules after them, to a layer of the integer graph.

The thresholds result from the evaluation of these modules, in float32, at every sum: ties and rounding are PyTorch's
own. With step 2 (bits) or 1 (bit planes) a sum S of the array represents the value ``z = step*S + base``; ``base``
differs between channels for bit planes, and between border classes where padding counts as zero: a padded position is
fed as a constant bit, and its contribution is subtracted again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from signum.golden.layers.binary import Bytes, ChannelFunction, Logits, Sign
from signum.golden.layers.gated import GatedConv2d
from signum.golden.layers.residual import HIGH, INT4_STEP, LOW, SHIFT, Int4
from signum.golden.reference.encoding import border_class
from signum.hdl.control.combine import COMBINES, Combine

from .graph import Layer, MapShape, Requantize, Segment, zero_padding_border

__all__ = ["FoldError", "Part", "Source", "Sums"]

EXACT = 2**24       # every integer up to here is exact in float32
CHUNK = 1 << 24     # values evaluated at once, of all channels


class FoldError(ValueError):
    """A network without an exact integer form; the message names the module and the rule."""


@dataclass(frozen=True)
class Source:
    """The maps between two layers: more than one only for bit planes, most significant first.

    ``inverted``, bool (C,), marks the channels that hold the inverse of the network's bits. ``copies`` neighbouring
    channels are the bits of one channel of the network, and its value is their sum plus ``offset``. The network reads
    the sum of each ``window`` of positions. With ``middle`` the second of three bits of a channel has the value of
    most.
    """

    names: tuple[str, ...]
    shape: MapShape
    inverted: np.ndarray
    planes: bool = False
    flat: bool = False
    copies: int = 1
    window: tuple[int, int] = (1, 1)
    offset: int = 0
    middle: bool = False

    @property
    def channels(self) -> int:
        """Channels of the network."""
        return self.shape.channels // self.copies

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the map that the network reads."""
        return self.shape.height // self.window[0], self.shape.width // self.window[1]


@dataclass(frozen=True)
class Part:
    """One convolution of a layer.

    ``weights``, bool (planes, N, C, KH, KW), are the planes of its weights, most significant first, relative to the
    bits of its source. Plane j counts ``2**exponents[j]``, by default each plane twice the next one and the last one 1.
    ``pad`` is the value of a padded position, or its bits, bool (C,).
    """

    source: Source
    weights: np.ndarray
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad: int | np.ndarray = -1
    exponents: tuple[int, ...] = ()

    @property
    def zero_padded(self) -> bool:
        """Some positions hold 0, which no bit represents."""
        return isinstance(self.pad, int) and self.pad == 0 and any(self.padding) and not self.source.planes

    def offsets(self, border: tuple[int, ...]) -> np.ndarray:
        """The part of the sum that the offset of the source makes, for each border class: int64 (CY, CX, N)."""
        inside = self.inside(border).astype(np.int64)
        if not self.source.offset:
            return np.zeros((*inside.shape[:2], self.channels), dtype=np.int64)
        sums = np.zeros((self.channels, *self.weights.shape[3:]), dtype=np.int64)
        for exponent, plane in self._weighted:      # the bits of a channel have equal weights
            positive = (plane ^ self.source.inverted[:, None, None])[:, ::self.source.copies]
            sums += 2 * positive.sum(axis=1) - positive.shape[1] << exponent
        return self.source.offset * np.einsum("yxkl,nkl->yxn", inside, sums)

    @property
    def _weighted(self) -> Iterator[tuple[int, np.ndarray]]:
        """The planes of the weights, the last one first, each with its exponent."""
        exponents = self.exponents or tuple(reversed(range(len(self.weights))))
        return zip(exponents[::-1], self.weights[::-1], strict=True)

    @property
    def output_size(self) -> tuple[int, int]:
        one = Segment(source=self.source.names[0], weights=self.weights[0, :1], stride=self.stride,
                      dilation=self.dilation, padding=self.padding, pad=np.zeros(self.weights.shape[2], dtype=bool))
        return one.output_size(self.source.shape)

    @property
    def channels(self) -> int:
        return self.weights.shape[1]

    @property
    def taps(self) -> int:
        return self.weights[0, 0].size

    def planes(self, flip: np.ndarray) -> list["Plane"]:
        """A plane for each pair of a weight plane and a map, the output channels of ``flip``, bool (N,), inverted."""
        planes = []
        for (j, weights), (i, name) in product(self._weighted, enumerate(self.source.names[::-1])):
            if isinstance(self.pad, np.ndarray):
                pad = self.pad ^ self.source.inverted
            else:
                bit = bool(self.pad >> i & 1) if self.source.planes else self.pad > 0
                pad = np.full(weights.shape[1], bit) ^ (self.source.inverted & (self.pad != 0))
            segment = Segment(source=name, weights=weights ^ flip[:, None, None, None], stride=self.stride,
                              dilation=self.dilation, padding=self.padding, pad=pad)
            planes.append(Plane(i + j, self, segment))
        return planes

    def inside(self, border: tuple[int, ...]) -> np.ndarray:
        """Taps that count, for each border class: bool (CY, CX, KH, KW); all but the taps in zero padding."""
        sides = []
        shape = (self.source.shape.height, self.source.shape.width)
        for axis in (0, 1):
            out = self.output_size[axis]
            classes = border_class(np.arange(out), out, border[axis], border[axis + 2])
            first = np.unique(classes, return_index=True)[1]
            taps = np.arange(self.weights.shape[3 + axis]) * self.dilation[axis]
            at = first[:, None] * self.stride[axis] - self.padding[axis] + taps
            sides.append(~np.array(self.zero_padded) | ((at >= 0) & (at < shape[axis])))
        return sides[0][:, None, :, None] & sides[1][None, :, None, :]


@dataclass(frozen=True)
class Plane:
    """A segment of a part; the part's sum has it with the factor ``2**weight``."""

    weight: int
    part: Part
    segment: Segment


@dataclass
class Sums:
    """The sums of a layer, and the modules that follow, as far as they are known.

    ``combine`` is the row by which the parts combine; ``int4`` has the `Int4` of each requantized part. With ``gate``
    the first part is its heavy plane, and the others add up to what the light plane adds.
    """

    name: str
    parts: list[Part]
    combine: Combine = COMBINES["sum"]
    before: list[ChannelFunction] = field(default_factory=list)     # before pooling
    after: list[ChannelFunction] = field(default_factory=list)
    int4: list[Int4] = field(default_factory=list)
    pool: tuple[int, int] | None = None
    sign: Sign | None = None
    logits: Logits | None = None
    gate: GatedConv2d | None = None

    @property
    def bare(self) -> bool:
        """Nothing follows yet."""
        return not (self.before or self.after or self.pool or self.sign or self.logits)

    @property
    def channels(self) -> int:
        return self.parts[0].channels

    @property
    def bits(self) -> bool:
        """Activations of all parts are +1 and -1."""
        return not any(part.source.planes for part in self.parts)

    @property
    def step(self) -> int:
        """The factor of S in z: beside parts on bit planes, those on +1 and -1 have twice the weight."""
        return 2 if self.bits else 1

    def planes(self, flip: np.ndarray) -> list[Plane]:
        """The planes of all parts by falling weight; S is doubled before the first of each further weight."""
        planes = sorted((replace(plane, weight=plane.weight + (not self.bits and not part.source.planes),
                                 segment=replace(plane.segment, gated=self.gate is not None and number > 0))
                         for number, part in enumerate(self.parts) for plane in part.planes(flip)),
                        key=lambda plane: -plane.weight)
        return [planes[0], *(replace(plane, segment=replace(plane.segment, double=plane.weight < before.weight))
                             for before, plane in pairwise(planes))]

    def segments(self, flip: np.ndarray) -> tuple[Segment, ...]:
        return tuple(plane.segment for plane in self.planes(flip))

    def _total(self, planes: list[Plane], operands: Iterable[np.ndarray | int]) -> Any:
        """S of an operand for each plane."""
        return self.combine.total(operands, (plane.segment.double for plane in planes))

    @property
    def most(self) -> int:
        """The largest S of all channels."""
        planes = self.planes(self._none)
        return int(self._total(planes, (plane.segment.taps for plane in planes)))

    @cached_property
    def bound(self) -> int:
        """The largest absolute value of the network's sums."""
        if self.gate is not None:
            return 3 * self.parts[0].taps       # of activations of 2 bits
        low, high, base = self._sums(self._none, self._border())
        bound = int(max(np.abs(base + self.step * end).max() for end in (low, high)))
        if bound >= EXACT:
            raise FoldError(f"the sums of layer {self.name} must stay below {EXACT}, not reach {bound}")
        return bound

    @property
    def reach(self) -> np.ndarray:
        """The values that the network's sums may have, in rising order: int64 (Z,)."""
        values = np.arange(-self.bound, self.bound + 1)
        *_, base = self._sums(self._none, self._border())
        rests = np.unique(base % self.step)
        return values[(values - rests[0]) % self.step == 0] if len(rests) == 1 else values

    def _border(self) -> tuple[int, int, int, int]:
        """The outermost positions with sums of other taps, where padding counts as zero: `Layer.border`."""
        borders = [zero_padding_border(part.planes(self._none)[0].segment, part.source.shape)
                   for part in self.parts if part.zero_padded]
        top, left, bottom, right = np.max([(0, 0, 0, 0), *borders], axis=0).tolist()
        return top, left, bottom, right

    @property
    def _none(self) -> np.ndarray:
        """No channel, bool (N,)."""
        return np.zeros(self.channels, dtype=bool)

    def layer(self) -> Layer:
        """The finished layer: bits if it ends in a sign, else raw sums."""
        if self.sign is None:
            return self._raw()
        if self.gate is not None:
            return self._spread._gated(self.gate)
        if self.sign.count == 1:
            return self._residual(self.sign) if self.int4 else self._thresholded()
        if self.int4:
            raise FoldError(f"layer {self.name} must end with a Sign of one bit, not of {self.sign.count}, "
                            "for its paths are INT4")
        return self._spread._thresholded()

    @cached_property
    def _spread(self) -> "Sums":
        """The sums with a channel for each bit of their sign."""
        if self.sign is None or self.sign.count == 1:
            return self
        return replace(self, parts=[replace(part, weights=part.weights.repeat(self.sign.count, axis=1))
                                    for part in self.parts])

    def source(self, layer: Layer, *, copies: int = 0, offset: int = 0) -> Source:
        """The map of the finished layer; a channel has ``copies`` bits, by default those of the sign."""
        height, width = self.parts[0].output_size
        shape = MapShape(height // layer.pool[0], width // layer.pool[1], layer.channels)
        inverted = np.zeros(layer.channels, dtype=bool) if layer.inverted is None else layer.inverted
        return Source((layer.name,), shape, inverted, copies=copies or (self.sign.count if self.sign else 1),
                      offset=offset, middle=self._middle)

    @property
    def _middle(self) -> bool:
        """The second of three bits of the sign has the value of most, at every sum."""
        if self.sign is None or self.sign.count != 3 or self.int4:
            return False
        scan = self._spread._scan
        begin, end, change = (values.reshape(-1, 3, 1) for values in (scan.begin, scan.end, scan.change))
        at = np.concatenate([np.zeros_like(change[:, :1]), change], axis=1).reshape(-1, 1, 4)
        first, second, third = np.where(scan.varies.reshape(-1, 3, 1) & (at >= change), end, begin).swapaxes(0, 1)
        return bool(((first != third) | (second == third)).all())

    def changes(self) -> np.ndarray:
        """The least z at which each bit of the sign differs from its value at the least z: int64 (bits,).

        One less than the least z where it never differs.
        """
        spread = self._spread
        return np.where(spread._scan.varies, spread._scan.change, -1) - spread.bound

    @cached_property
    def _scan(self) -> "_Scan":
        """The bits of the sign at all sums."""
        assert self.sign is not None
        return self._evaluate(self.sign, torch.arange(-self.bound, self.bound + 1))

    def _raw(self) -> Layer:
        if self.int4 or (not self.bare and self.logits is None):
            raise FoldError(f"layer {self.name} must end with a Sign, or with nothing but Logits")
        if self.gate is not None:
            raise FoldError(f"layer {self.name} must end with a Sign, for its light plane is gated")
        if any(part.zero_padded for part in self.parts):
            raise FoldError(f"the raw layer {self.name} must be padded with 1 or -1, not 0")
        bias = self._none if self.logits is None else self.logits.integer_bias().numpy()
        _, _, base = self._sums(self._none, (0, 0, 0, 0))
        end = self.logits
        return Layer(name=self.name, segments=self.segments(self._none), combine=self.combine.name,
                     offset=np.rint(bias).astype(np.int64) + base[0, 0], step=self.step,
                     bytes=(end.factor, end.shift) if isinstance(end, Bytes) else None)

    def _residual(self, sign: Sign) -> Layer:
        """Levels of the parts, added and compared once."""
        if any(part.zero_padded for part in self.parts):
            raise FoldError(f"the paths of residual layer {self.name} must be padded with 1 or -1, not 0")
        count = len(self.parts)
        levels = torch.arange(LOW * count, HIGH * count + 1)
        scan = self._evaluate(sign, levels * INT4_STEP)
        varies, inverted = scan.varies, scan.varies & ~scan.rising
        if self.pool is not None and (varies & ~self._rises(scan)).any():
            raise FoldError(f"the functions between layer {self.name} and its MaxPool must rise")
        thresholds = np.where(varies, scan.change, np.where(scan.begin, 0, len(levels)))
        segments = []
        for part, int4 in zip(self.parts, self.int4, strict=True):
            a, b = (value.numpy() for value in int4.integers())
            falls = a < 0
            (plane,) = part.planes(falls)
            requantize = Requantize(np.abs(a), np.where(falls, b + int4.taps * a, b), SHIFT)
            segments.append(replace(plane.segment, requantize=requantize))
        return Layer(name=self.name, segments=tuple(segments), combine=self.combine.name,
                     thresholds=thresholds[None, None], pool=self.pool or (1, 1),
                     inverted=inverted if inverted.any() else None)

    def _thresholded(self) -> Layer:
        first, flip, inverted = self._turning_points()
        border = self._border()
        low, high, base = self._sums(flip, border)
        thresholds = -((base - first) // self.step)     # the least S with step*S + base >= first
        always, never = thresholds <= low, thresholds > high
        thresholds = np.where(always, 0, np.where(never, self.most + 1, thresholds))
        return Layer(name=self.name, segments=self.segments(flip), combine=self.combine.name, thresholds=thresholds,
                     border=border, pool=self.pool or (1, 1), inverted=inverted if inverted.any() else None)

    def _gated(self, gate: GatedConv2d) -> Layer:
        """Bits of either state of the gate, and the gate: its first open sum of the heavy plane.

        With the popcounts p of the planes, S is kp where the gate is closed, with k = 2 where the light plane doubles,
        and there z is twice the sum of the heavy plane. Where it is open z = step*S + base, as of an ungated layer.
        """
        if self.bound >= EXACT:
            raise FoldError(f"the sums of layer {self.name} must stay below {EXACT}, not reach {self.bound}")
        first, _, inverted = self._turning_points()
        border, step = self._border(), self.step
        (heavy, *lights), top = self.planes(self._none), self.most
        low, high, offset = self._reached(heavy, border)
        k = 2 if lights[0].segment.double else 1
        open_low, open_high, open_offset = (
            k * values + sum(self._reached(light, border)[i] for light in lights)
            for i, values in enumerate((low, high, offset)))

        def least(z: np.ndarray, factor: int, base: np.ndarray, ends: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
            """The least S with factor*S + base >= z, between the ends: int64 (CY, CX, N)."""
            found = -((base - z) // factor)
            return np.where(found <= ends[0], 0, np.where(found > ends[1], top + 1, found))

        taps = self.parts[0].taps
        values = torch.arange(-taps, taps + 1, dtype=torch.float32)[:, None, None, None]
        opens = gate.opens(values.expand(-1, len(gate.gate), 1, 1))[:, :, 0, 0].numpy() > 0
        opening = np.where(opens.any(axis=0), opens.argmax(axis=0), 2 * taps + 1) - taps
        opening = opening.repeat(self.channels // len(opening))
        return Layer(
            name=self.name, segments=self.segments(self._none), combine=self.combine.name, border=border,
            gates=least(opening, step, -step * offset // 2, (low, high)),
            thresholds=least(first, 2 * step // k, -step * offset, (k * low, k * high)),
            open_thresholds=least(first, step, -step * open_offset // 2, (open_low, open_high)),
            pool=self.pool or (1, 1), inverted=inverted if inverted.any() else None)

    def _turning_points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The least z at which a channel's bit is 1, after inversions: int64 (N,); ``bound + 1`` where never.

        Also the channels that need inverted weights, and the channels that keep inverted bits, bool (N,) each. Pooling
        takes the largest value: where the following functions fall with it, the network's bit is an AND over the
        window, and the inverted bit an OR. Inverted weights negate S where the row is linear; under another row a
        channel whose bit falls with S keeps inverted bits.
        """
        bound, scan = self.bound, self._scan
        varies, rising = scan.varies, scan.rising
        inverted = np.zeros_like(varies)
        if not self.combine.linear:
            if self.pool is not None and (varies & ~self._rises(scan)).any():
                raise FoldError(f"the functions between layer {self.name} and its MaxPool must rise, "
                                f"for its paths combine by {self.combine.name}")
            inverted = varies & ~rising
        elif self.pool is not None:
            inverted = varies & (rising != self._rises(scan))
        flip = varies & (rising == inverted)
        change = np.where(flip, 1 - scan.change, scan.change) - bound * np.where(flip, -1, 1)
        first = np.where(varies, change, np.where(scan.begin, -bound, bound + 1))
        return first, flip, inverted

    def _rises(self, scan: "_Scan") -> np.ndarray:
        """Whether the values at the pool rise monotonically with the sums, bool (N,)."""
        if not (scan.up | scan.down).all():
            raise FoldError(f"the functions between layer {self.name} and its MaxPool must be monotone")
        return scan.up

    def _evaluate(self, sign: Sign, values: Tensor) -> "_Scan":
        """Results of the modules for sums ``values``, (Z,) in rising order."""
        scan = _Scan()
        for z in values.split(max(1, CHUNK // self.channels)):
            value: Tensor = z.to(torch.float32)[:, None, None, None].expand(-1, self.channels // sign.count, 1, 1)
            for function in self.before:
                value = function(value)
            pooled = value[:, :, 0, 0].repeat_interleave(sign.count, dim=1)
            for function in self.after:
                value = function(value)
            if not torch.isfinite(value).all():
                raise FoldError(f"the functions between layer {self.name} and its Sign must be finite")
            scan.add(pooled.numpy(), sign.bits(value)[:, :, 0, 0].numpy())
        if scan.changes.max() > 1:
            raise FoldError(f"the functions between layer {self.name} and its Sign must be monotone")
        return scan

    def _sums(self, flip: np.ndarray, border: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The least S, the largest S and the base of z for each border class, each (CY, CX, N)."""
        planes = self.planes(flip)
        lows, highs, offsets = zip(*(self._reached(plane, border) for plane in planes), strict=True)
        self._check_offsets(offsets)
        base = -self._total(planes, offsets) * self.step // 2
        signs = np.where(flip, -1, 1)
        base = base + sum(signs * part.offsets(border) for part in self.parts)
        return self._total(planes, lows), self._total(planes, highs), base

    @staticmethod
    def _reached(plane: Plane, border: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The least and the largest p of a plane and its offset, for each border class, each (CY, CX, N).

        A popcount p represents ``2p - (low + high)`` on +1 and -1, with its least and its largest value, and
        ``p - negative`` on bits 0 and 1, with its number of weights -1 (see `golden.layers.encoder.BitPlanes`). Padded
        positions of bit planes have bits of their own, and p any value.
        """
        segment, inside = plane.segment, plane.part.inside(border)
        if plane.part.source.planes:
            negative = (~segment.weights).sum(axis=(1, 2, 3))
            offset = np.broadcast_to(2 * negative, (*inside.shape[:2], len(negative)))
            return np.zeros_like(offset), np.full_like(offset, segment.taps), offset
        equal = (segment.weights == segment.pad[:, None, None]).sum(axis=1)     # N, KH, KW
        low = np.einsum("yxkl,nkl->yxn", (~inside).astype(np.int64), equal)
        high = low + inside.sum(axis=(2, 3))[:, :, None] * segment.weights.shape[1]
        return low, high, low + high

    def _check_offsets(self, offsets: Sequence[np.ndarray | int]) -> None:
        """Refuse parts with different offsets under a row that is not linear."""
        if not self.combine.linear and any(np.any(offset != offsets[0]) for offset in offsets):
            raise FoldError(f"the paths of layer {self.name} must have equal taps and no padding with 0, "
                            f"for they combine by {self.combine.name}")


class _Scan:
    """Values at the pool and bits of channels at rising sums, seen once, a part of the sums at a time.

    Members
    -------
    begin, end : bool (N,)
        The bits at the first and the last sum.
    changes, change : int64 (N,)
        Number of changes, and the number of the sum with the last change.
    up, down : bool (N,)
        The values at the pool never fall, never rise.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.begin = self.end = np.zeros(0, dtype=bool)
        self.changes = self.change = np.zeros(0, dtype=np.int64)
        self.up = self.down = np.zeros(0, dtype=bool)
        self._last = np.zeros((0, 0), dtype=np.float32)

    @property
    def varies(self) -> np.ndarray:
        return self.begin != self.end

    @property
    def rising(self) -> np.ndarray:
        return self.end & ~self.begin

    def add(self, pooled: np.ndarray, bits: np.ndarray) -> None:
        """The next sums: values (Z, N) and bits (Z, N)."""
        if not self.seen:
            self.begin, self.end, self._last = bits[0], bits[0], pooled[:1]
            self.changes = np.zeros(bits.shape[1], dtype=np.int64)
            self.change = np.zeros_like(self.changes)
            self.up = self.down = np.ones(bits.shape[1], dtype=bool)
        steps = np.concatenate([self.end[None], bits])
        differ = steps[1:] != steps[:-1]
        self.changes = self.changes + differ.sum(axis=0)
        last = self.seen + len(bits) - 1 - differ[::-1].argmax(axis=0)
        self.change = np.where(differ.any(axis=0), last, self.change)
        values = np.concatenate([self._last, pooled])
        self.up = self.up & (values[1:] >= values[:-1]).all(axis=0)
        self.down = self.down & (values[1:] <= values[:-1]).all(axis=0)
        self.end, self._last = bits[-1], pooled[-1:]
        self.seen += len(bits)
