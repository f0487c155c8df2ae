"""Packing of the taps of a first layer into words, on the host.

An input of few channels fills a small part of a word. The host may gather the taps of a window, of a line or of all
lines, as the channels of a pixel; the convolution over them is narrower, with the same result.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from signum.golden.reference.encoding import words_per

from .graph import MapShape, Segment

__all__ = ["Packing", "pack_segment", "packings", "window_of"]


@dataclass(frozen=True)
class Packing:
    """Gathering of the taps of a window, along x only or along both axes.

    ``pad`` has one element for each channel, or none without padding; the padding is top, left,
    bottom, right, as in `Segment`.
    """

    both: bool
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    pad: tuple[int, ...]

    def apply(self, elements: np.ndarray) -> np.ndarray:
        """Elements (B, H, W, C) to (B, H, OW, KW*C), or (B, OH, OW, KH*KW*C); the taps in order, channels last."""
        elements = self._gather(elements, axis=2, low=self.padding[1], high=self.padding[3])
        return self._gather(elements, axis=1, low=self.padding[0], high=self.padding[2]) if self.both else elements

    def _gather(self, elements: np.ndarray, axis: int, low: int, high: int) -> np.ndarray:
        kernel, stride, dilation = (pair[axis - 1] for pair in (self.kernel, self.stride, self.dilation))
        pad = np.resize(np.array(self.pad, dtype=elements.dtype), elements.shape[-1])
        shape = list(elements.shape)
        shape[axis] += low + high
        padded = np.broadcast_to(pad, shape).copy()
        inside = [slice(None)] * 4
        inside[axis] = slice(low, low + elements.shape[axis])
        padded[tuple(inside)] = elements
        count = (shape[axis] - (kernel - 1) * dilation - 1) // stride + 1
        taps = [np.take(padded, np.arange(count) * stride + k * dilation, axis=axis) for k in range(kernel)]
        return np.concatenate(taps, axis=-1)


def pack_segment(segment: Segment, both: bool) -> tuple[Packing, Segment]:
    """The packing of a segment's input, and the segment over the packed map."""
    n, _, kernel_h, kernel_w = segment.weights.shape
    packing = Packing(both, (kernel_h, kernel_w), segment.stride, segment.dilation, segment.padding, _outside(segment))
    top, _, bottom, _ = segment.padding
    by_tap = segment.weights.transpose(0, 2, 3, 1)
    if both:
        weights = by_tap.reshape(n, 1, 1, -1).transpose(0, 3, 1, 2)
        return packing, Segment(source=segment.source, weights=weights, requantize=segment.requantize,
                            double=segment.double, gated=segment.gated)
    weights = by_tap.reshape(n, kernel_h, -1).transpose(0, 2, 1)[..., None]
    return packing, dataclasses.replace(
        segment, weights=weights, stride=(segment.stride[0], 1), dilation=(segment.dilation[0], 1),
        padding=(top, 0, bottom, 0), pad=np.resize(segment.pad, weights.shape[1]))


def window_of(segment: Segment) -> tuple[object, ...]:
    """The window that a packing of a segment's input gathers; segments of equal windows share a packed map."""
    return (segment.weights.shape[1:], segment.stride, segment.dilation, segment.padding,
            _outside(segment))


def _outside(segment: Segment) -> tuple[int, ...]:
    """The elements outside the map, one for each channel; none where no window reaches there."""
    return tuple(segment.pad.tolist()) if any(segment.padding) else ()


def packings(segment: Segment, shape: MapShape, lanes: int) -> list[tuple[int, int, bool | None]]:
    """Options to store the input of a segment: (steps of a dot product, words of the map, both axes or None).

    In the order of the steps, then of the words.
    """
    _, channels, kernel_h, kernel_w = segment.weights.shape
    out_h, out_w = segment.output_size(shape)
    top, left, bottom, right = segment.padding
    height, width = shape.height + top + bottom, shape.width + left + right
    plain, line, window = (words_per(channels * taps, lanes) for taps in (1, kernel_w, kernel_h * kernel_w))
    ways: list[tuple[int, int, bool | None]] = [
        (kernel_h * kernel_w * plain, height * width * plain, None),
        (kernel_h * line, height * out_w * line, False),
        (window, out_h * out_w * window, True),
    ]
    return sorted(ways, key=lambda way: way[:2])
