"""Tap ranges of a layer: segments, cut where an accumulator would overflow, merged and joined where it would not."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from signum.golden.reference.encoding import WEIGHT_TAIL, pack_lanes, words_per
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import PATTERN_BIT, Isa, SegmentFlag

from .allocation import need
from .graph import Layer, Segment
from .program import MapAllocation
from .shared_sums import REPLAY_STEPS

__all__ = ["TapRange", "replay_of", "tap_ranges"]


@dataclass(frozen=True)
class TapRange:
    """Part of a segment's kernel: lines ``ky``, columns ``kx`` and words of the map, each first and end.

    Of several segments, the same part of each, one after the other: planes of one weight or, with ``shifts``, each of
    half the weight of the one before, so that the accumulators double before each. The map of each begins ``apart``
    words behind the map of the one before. With ``drains`` the sum is drained after the range, and with ``doubles``
    added to twice the sum before. A ``replay`` reads a word twice, with all weights -1 and then +1: the dot product is
    the lanes. With ``repeats`` all positions have the same weights, which are in memory once. The drain of a
    ``gated`` range counts only where the gate is open.
    """

    segments: tuple[Segment, ...]
    ky: tuple[int, int]
    kx: tuple[int, int]
    words: tuple[int, int]
    drains: bool
    doubles: bool = False
    shifts: bool = False
    apart: int = 0
    replay: bool = False
    repeats: bool = False

    @property
    def gated(self) -> bool:
        return self.segment.gated

    @property
    def segment(self) -> Segment:
        """The first segment, of the geometry of all."""
        return self.segments[0]

    @property
    def steps(self) -> int:
        if self.replay:
            return REPLAY_STEPS
        lines, columns, words = (end - first for first, end in (self.ky, self.kx, self.words))
        return len(self.segments) * lines * columns * words

    def taps(self, lanes: int) -> int:
        """Taps of the dot product with their multiplicity, or a few more where the last word is not full."""
        planes = len(self.segments)
        return self.steps // planes * lanes * ((1 << planes) - 1 if self.shifts else planes)

    def weight_words(self, lanes: int) -> np.ndarray:
        """Weights in the order of the steps, bool (N, steps or, if they repeat, steps of a position, word_bits)."""
        if self.replay:
            both = np.array([[False], [True]])
            return np.broadcast_to(both, (len(self.segment.weights), REPLAY_STEPS, lanes))
        parts = []
        ky, kx = ((0, 1), (0, 1)) if self.repeats else (self.ky, self.kx)
        for segment in self.segments:
            weights = pack_lanes(segment.weights.transpose(0, 2, 3, 1), lanes, WEIGHT_TAIL, segment.element_bits)
            part = weights[:, slice(*ky), slice(*kx), slice(*self.words)]
            parts.append(part.reshape(len(part), -1, part.shape[-1]))
        return np.concatenate(parts, axis=1)

    def fields(self, place: MapAllocation, pattern: int) -> dict[str, int]:
        """The fields of the segment's record, without its gap."""
        dy, dx = self.segment.dilation
        top, left, _, _ = self.segment.padding
        (y0, y1), (x0, x1), (w0, w1) = self.ky, self.kx, self.words
        start = place.pixel(y0 * dy - top, x0 * dx - left) + w0
        if self.replay:
            return {"flags": pattern << PATTERN_BIT, "start": start, "words": 0, "runs": REPLAY_STEPS - 1, "lines": 0,
                    "run_step": 0, "line_step": 0}
        if dx == 1 and w1 - w0 == place.words and not self.repeats:      # neighbouring columns are one run
            length, runs, lines = (x1 - x0) * place.words, y1 - y0, 1
            run_step, line_step = dy * place.pitch - length + 1, 0
        else:
            length, runs, lines = w1 - w0, x1 - x0, y1 - y0
            run_step = dx * place.words - length + 1
            line_step = dy * place.pitch - (runs - 1) * dx * place.words - length + 1
        if len(self.segments) > 1:      # the innermost loop that is free steps from map to map
            step = self.apart - (runs - 1) * (length - 1 + run_step) - (length - 1)
            if runs == 1 and not self.shifts:
                runs, run_step = len(self.segments), step
            else:
                lines, line_step = len(self.segments), step
        flags = (pattern << PATTERN_BIT | SegmentFlag.DOUBLE * self.doubles | SegmentFlag.CONTINUE * (not self.drains)
                 | SegmentFlag.REPEAT * self.repeats | SegmentFlag.SHIFT * self.shifts)
        return {"flags": int(flags), "start": start, "words": length - 1, "runs": runs - 1, "lines": lines - 1,
                "run_step": run_step, "line_step": line_step}


def replay_of(taps: TapRange) -> TapRange:
    """A replay on the first word of a range."""
    return dataclasses.replace(taps, segments=taps.segments[:1], drains=True, doubles=False, shifts=False, replay=True)


def tap_ranges(layer: Layer, config: ArrayConfig, places: Mapping[str, MapAllocation]) -> list[TapRange]:
    """The tap ranges of a layer in order; only segments of a combine that ``joins`` may be cut, merged and joined.

    Raises
    ------
    CapacityError
        If a dot product that must be whole is too long for the accumulator.
    """
    ranges: list[TapRange] = []
    for segment in layer.segments:
        parts = [dataclasses.replace(part, repeats=_repeats(part, config)) for part in _cut(segment, config)]
        if not layer.row.joins and len(parts) > 1:
            need(f"taps of a segment of layer {layer.name}", segment.taps, config.most_taps, "acc_bits",
                 config.dot_bits(segment.taps))
        ranges += [dataclasses.replace(parts[0], doubles=segment.double), *parts[1:]]
    if not layer.row.joins:
        return ranges
    shifted = _shifted(ranges, config, places) if config.accumulator_shift else []
    rest = ranges[sum(len(part.segments) for part in shifted):]
    joined: list[TapRange] = []
    fetch = Isa(config).segment_fetch
    taps = 0
    for part in _merged(rest, config, places):
        taps += part.taps(config.lanes)
        alike = bool(joined) and joined[-1].gated == part.gated
        if alike and not part.doubles and taps <= config.most_taps and joined[-1].steps >= fetch:
            part = dataclasses.replace(part, doubles=joined[-1].doubles)
            joined[-1] = dataclasses.replace(joined[-1], drains=False)
        else:
            taps = part.taps(config.lanes)
        joined.append(part)
    return shifted + joined


def _shifted(ranges: Iterable[TapRange], config: ArrayConfig, places: Mapping[str, MapAllocation]) -> list[TapRange]:
    """The first dot product, of several bit planes: all ranges from the first one on that may share it.

    The accumulators double, so no sum may have been drained before. It is empty without a second weight.
    """
    first, *others = ranges
    chain = [first]
    taps, fetch = first.taps(config.lanes), Isa(config).segment_fetch
    for part in others:
        taps = (taps << part.doubles) + part.taps(config.lanes)
        if taps > config.most_taps or part.gated:
            break
        last = chain[-1]
        # the accumulators may double before each line of a range, and so before each plane or before its only one
        anew = len(chain) == 1 and len(last.segments) == 1
        alike = last.shifts == part.doubles or (part.doubles and anew)
        if alike and (merged := _together(last, part, places)):
            chain[-1] = dataclasses.replace(merged, shifts=part.doubles)
            continue
        if last.steps < fetch or (part.doubles and not _one_line(part, places)):
            break
        chain[-1] = dataclasses.replace(last, drains=False)
        chain.append(dataclasses.replace(part, doubles=False, shifts=part.doubles))
    return chain if any(part.shifts for part in chain) else []


def _merged(ranges: Iterable[TapRange], config: ArrayConfig,
            places: Mapping[str, MapAllocation]) -> Iterator[TapRange]:
    """Ranges with their neighbours of the same geometry, on maps at equal distances, where a sum of all fits."""
    last: TapRange | None = None
    for part in ranges:
        fits = last and not part.doubles and (last.steps + part.steps) * config.lanes <= config.most_taps
        if last and fits and (merged := _together(last, part, places)):
            last = merged
            continue
        if last:
            yield last
        last = part
    if last:
        yield last


def _together(last: TapRange, part: TapRange, places: Mapping[str, MapAllocation]) -> TapRange | None:
    """A range of the segments of two, if it exists."""
    apart = places[part.segment.source].start - places[last.segments[-1].source].start
    if last.repeats or part.repeats or not _alike(last, part, places) or (
            len(last.segments) > 1 and apart != last.apart):
        return None
    return dataclasses.replace(last, segments=last.segments + part.segments, apart=apart)


def _one_line(part: TapRange, places: Mapping[str, MapAllocation]) -> bool:
    """Whether a range of one segment leaves the outermost loop free."""
    return part.fields(places[part.segment.source], 0)["lines"] == 0


def _alike(one: TapRange, other: TapRange, places: Mapping[str, MapAllocation]) -> bool:
    """Whether two ranges read maps of one layout by the same steps, and leave one of the loops free."""
    def access(part: TapRange) -> tuple[object, ...]:
        place, segment = places[part.segment.source], part.segment
        return (part.gated, part.ky, part.kx, part.words, place.words, place.pitch, place.border, segment.stride,
                segment.dilation, segment.padding, segment.weights.shape)

    return access(one) == access(other) and _one_line(dataclasses.replace(one, segments=one.segments[:1]), places)


def _repeats(part: TapRange, config: ArrayConfig) -> bool:
    """Whether all positions of a range have the same weights, and the array may repeat them."""
    weights = part.segment.weights[:, :, slice(*part.ky), slice(*part.kx)]
    several = weights.shape[2] * weights.shape[3] > 1
    return bool(config.weight_repeats and several and (weights == weights[:, :, :1, :1]).all())


def _cut(segment: Segment, config: ArrayConfig) -> Iterator[TapRange]:
    """Parts of a kernel that fit the accumulator: whole lines, else whole columns, else words."""
    _, channels, kernel_h, kernel_w = segment.weights.shape
    most, lanes = config.most_taps, config.lanes
    words = words_per(channels, lanes)
    if segment.taps <= most:
        yield TapRange((segment,), (0, kernel_h), (0, kernel_w), (0, words), True)
        return
    line, column = kernel_w * words * lanes, words * lanes
    if line <= most:
        size = most // line
        yield from (TapRange((segment,), (y, min(y + size, kernel_h)), (0, kernel_w), (0, words), True)
                    for y in range(0, kernel_h, size))
        return
    for y in range(kernel_h):
        if column <= most:
            size = most // column
            yield from (TapRange((segment,), (y, y + 1), (x, min(x + size, kernel_w)), (0, words), True)
                        for x in range(0, kernel_w, size))
            continue
        size = most // lanes
        yield from (TapRange((segment,), (y, y + 1), (x, x + 1), (w, min(w + size, words)), True)
                    for x in range(kernel_w) for w in range(0, words, size))
