"""The function of each unit of `hdl` in plain loops and numbers: the golden twins of the unit tests.

The twin of a unit with specified cycles computes the cycles as well.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from signum.hdl.config import ArrayConfig
from signum.hdl.control.combine import Combine, combine_of
from signum.hdl.control.isa import PATTERN_BIT, LayerFlag, LayerRecord, SegmentFlag

__all__ = ["Beat", "Flush", "Step", "Sum", "Write", "array", "border", "count", "follow", "int4_level", "multiply",
           "packer", "pixel_positions", "pool", "popcount", "processing_element", "requantize", "result_controller",
           "sequencer", "threshold_unit", "writeback"]


def popcount(a: int, w: int, lanes: int) -> int:
    """Number of equal bits of two words."""
    return sum(a >> lane & 1 == w >> lane & 1 for lane in range(lanes))


def multiply(a: int, w: int, lanes: int) -> int:
    """Dot product of a word of unsigned and a word of signed elements, of 8 bits."""
    total = 0
    for lane in range(lanes):
        weight = w >> 8 * lane & 255
        total += (a >> 8 * lane & 255) * (weight - 256 if weight > 127 else weight)
    return total


def count(config: ArrayConfig, a: int, w: int) -> int:
    """The result of a processing element for two words."""
    return multiply(a, w, config.lanes) if config.signed else popcount(a, w, config.lanes)


def processing_element(config: ArrayConfig, words: Iterable[tuple[int, int, bool]],
                       shifts: Iterable[bool] = repeat(False)) -> list[int]:
    """The sum after each pair of words (a, w), begun at the last pair marked as first.

    Where ``shifts`` is true, a pair is added to twice the sum.
    """
    sums: list[int] = []
    for (a, w, first), shift in zip(words, shifts, strict=False):
        before = 0 if first or not sums else sums[-1] << shift
        sums.append((before + count(config, a, w)) % (1 << config.acc_bits))
    return sums


def array(config: ArrayConfig, a: Sequence[Sequence[int]], w: Sequence[Sequence[int]],
          shifts: Sequence[bool] = ()) -> list[list[int]]:
    """Dot products of all rows and columns; before the steps with ``shifts``, if any, the sum so far doubles.

    Parameters
    ----------
    a : words by step and row
    w : words by step and column

    Returns
    -------
    Sums by row and column.
    """
    weight_of_step = [1 << sum(shifts[step + 1:]) for step in range(len(a))]
    return [[sum(weight * count(config, at[r], wt[c]) for weight, at, wt in zip(weight_of_step, a, w, strict=True))
             % (1 << config.acc_bits) for c in range(len(w[0]))] for r in range(len(a[0]))]


def pixel_positions(x_last: int, y_last: int) -> list[tuple[int, int]]:
    """Pixels (x, y) in the order of the raster."""
    return [(x, y) for y in range(y_last + 1) for x in range(x_last + 1)]


def follow(pixels: Iterable[tuple[int, int]], x_last: int, start: int, step: int, line: int, bits: int,
           ) -> list[int]:
    """Addresses of pixels: ``step`` within a line, ``line`` from its last pixel to the next line."""
    return [(start + x * step + y * (x_last * step + line)) % (1 << bits) for x, y in pixels]


def border(config: ArrayConfig, layer: Mapping[str, int]) -> list[int]:
    """Offset of the thresholds of each pixel."""
    def rises(position: int, low: int, high: int) -> int:
        return sum(before < low or before >= high for before in range(position))

    return [(rises(x, layer["class_x_low"], layer["class_x_high"]) * layer["class_x_step"]
             + rises(y, layer["class_y_low"], layer["class_y_high"]) * layer["class_y_step"])
            % (1 << config.threshold_bits) for x, y in pixel_positions(layer["x"], layer["y"])]


@dataclass(frozen=True)
class Beat:
    """Sums of neighbouring columns at the end of the rows, ``cycle`` cycles after the strobe of their drain.

    The fields are the fields of `hdl.output.result_controller.beat_layout`, and the entry of its coefficients;
    ``address``, ``end`` and ``coefficient`` are None for columns without a channel, ``coefficient`` also on arrays
    without requantization. ``addend`` is the name of the selected addend, or None;
    with ``double`` the addend is of twice the sum. ``gated`` is None on arrays without gates.
    """

    cycle: int
    number: int
    valid: bool
    address: int | None
    addend: str | None
    double: bool
    gated: bool | None
    out: bool
    first_window: bool
    last_window: bool
    end: bool | None
    raw: bool
    layer_end: bool
    coefficient: int | None


def result_controller(config: ArrayConfig, layer: Mapping[str, int], groups: int,
                      doubles: Sequence[bool]) -> Iterator[tuple[bool, list[Beat]]]:
    """For each drain of a layer of ``groups`` pixel groups: whether it begins a group, and its beats.

    ``doubles`` has the drains of a window position that double the sum before.
    """
    combine = combine_of(layer["flags"])
    raw, addend = bool(layer["flags"] & LayerFlag.RAW), combine.addend.__name__
    entries = 3 if combine.gates else 1         # of a beat
    beats = layer["channel_blocks"] * (layer["channel_block"] + 1) + layer["last_channel_block"] + 1
    levels = layer.get("levels", 0) + 1
    for group in range(groups):
        for block in range(layer["channel_blocks"] + 1):
            last_block = block == layer["channel_blocks"]
            size = layer["last_channel_block" if last_block else "channel_block"] + 1
            for window in range(layer["windows"] + 1):
                first = layer["thresholds"] + window * layer["thresholds_window"]
                first += entries * (block * levels * (layer["channel_block"] + 1) + (group * beats if raw else 0))
                for part in range(layer["drains"] + 1):
                    first += entries * size if part > layer["drains"] - levels + 1 else 0
                    gated = part > layer["drains"] - layer.get("gated", 0)
                    ends = last_block and (part == layer["drains"] or config.threshold_levels < 2)
                    numbers = (layer.get("coefficients", 0) + block * (layer["channel_block"] + 1)
                               + part * layer.get("coefficients_step", 0))
                    yield block == window == part == 0, [Beat(
                        cycle=1 + beat + beat * config.drain_width // config.tile, number=beat, valid=beat < size,
                        address=(first + entries * beat + gated) % (1 << config.threshold_bits)
                        if beat < size else None,
                        addend=addend if part else None, double=doubles[part], gated=gated if config.gate else None,
                        out=part > layer["drains"] - levels, first_window=window == 0,
                        last_window=window == layer["windows"],
                        end=ends and beat == size - 1 if beat < size else None, raw=raw,
                        layer_end=(group == groups - 1 and last_block and window == layer["windows"]
                               and part == layer["drains"] and beat == size - 1),
                        coefficient=(numbers + beat) % (1 << config.coefficient_bits)
                        if beat < size and config.requantize_depth else None,
                    ) for beat in range(config.beats)]


def requantize(value: int, scale: int, offset: int, shift: int) -> int:
    """A requantized sum: ``(value*scale + offset) / 2**shift``, rounded down."""
    return (value * scale + offset) // 2**shift


def int4_level(number: int) -> int:
    """The INT4 level of a requantized popcount: clipped to -8..7, plus 8."""
    return min(max(number, -8), 7) + 8


@dataclass(frozen=True)
class Sum:
    """An input of a threshold unit, and its combine with the previous sum; None for the first sum of a beat.

    A ``gated`` sum counts as 0 where the last sum of its beat that was not had no bit, and is compared with the next
    threshold where it had one.
    """

    beat: int
    value: int
    combine: Combine | None
    address: int
    store: bool = False
    double: bool = False
    gated: bool = False


def threshold_unit(config: ArrayConfig, sums: Iterable[Sum], thresholds: list[int]) -> list[tuple[int, int]]:
    """The combined sum and the element for each sum; stored sums change ``thresholds``."""
    size = 1 << config.sum_bits
    combined: dict[int, int] = {}
    gates: dict[int, int] = {}
    results = []
    for item in sums:
        gate = gates.get(item.beat, 0) if item.gated else 0
        total = item.value if gate or not item.gated else 0
        address = (item.address + gate) % (1 << config.threshold_bits)
        if item.combine:
            total = item.combine.reference(combined[item.beat] << item.double, total)
        total = combined[item.beat] = total % size
        if config.signed:
            element = min(max(total - size if 2 * total >= size else total, 0), 255)
        else:
            element = int(total >= thresholds[address])
        if not item.gated:
            gates[item.beat] = element
        results.append((total, element))
        if item.store:
            thresholds[address] = total
    return results


def pool(elements: np.ndarray) -> np.ndarray:
    """Running maximum over the positions, (positions, columns, rows)."""
    return np.maximum.accumulate(elements, axis=0)


def packer(elements: Iterable[tuple[Sequence[int], bool]], lanes: int, bits: int = 1,
           ) -> Iterator[tuple[int, list[int], bool]]:
    """Complete words of all rows.

    Parameters
    ----------
    elements : (elements of the rows, the pixel ends) for each channel
    lanes : int
    bits : int
        Width of an element.

    Yields
    ------
    Number of the completing element, the words of the rows, whether the pixel ends.
    """
    word: list[Sequence[int]] = []
    for number, (row_elements, ends) in enumerate(elements):
        word.append(row_elements)
        if ends or len(word) == lanes:
            rows = zip(*word, strict=True)
            yield number, [sum(element << bits * lane for lane, element in enumerate(row)) for row in rows], ends
            word = []


@dataclass(frozen=True)
class Flush:
    """Complete words of all rows, in the first cycle at the packer's output."""

    cycle: int
    words: Sequence[int]
    end: bool


@dataclass(frozen=True)
class Write:
    """A word for each row's bank."""

    cycle: int
    address: int
    data: Sequence[int]


def writeback(config: ArrayConfig, layer: Mapping[str, int], flushes: Iterable[Flush],
           ) -> Iterator[tuple[int, list[Write]]]:
    """For each flush: the cycle in which the words are taken, and the writes."""
    split = bool(layer["flags"] & LayerFlag.SPLIT)
    pixels = follow(pixel_positions(layer["x"], layer["y"]), layer["x"], layer["out_start"], layer["out_step"],
                    layer["out_line"], config.activation_bits)
    burst = config.rows if split else 1
    free = first = word = 0
    for flush in flushes:
        taken = max(flush.cycle, free)
        group = pixels[first:first + burst]
        yield taken, [Write(taken + 1 + i, (pixel + word) % (1 << config.activation_bits),
                            [flush.words[i]] * config.rows if split else list(flush.words))
                      for i, pixel in enumerate(group)]
        free = taken + burst
        word += 1
        if flush.end:
            first, word = first + burst, 0


@dataclass(frozen=True)
class Step:
    """A cycle of the array: the read address of each row (None past the last pixel), and of all columns.

    With ``double`` the sum of the earlier drains is doubled before this one is added, with ``shift`` the accumulators.
    """

    addresses: tuple[int | None, ...]
    weight: int
    first: bool
    last: bool
    double: bool
    shift: bool


def sequencer(config: ArrayConfig, record: LayerRecord) -> Iterator[Step]:
    """The steps of a layer."""
    fields = record.fields
    size = 1 << config.activation_bits
    pixels = pixel_positions(fields["x"], fields["y"])
    split = record.has(LayerFlag.SPLIT)
    patterns = [follow(pixels, fields["x"], 0, fields[f"pattern{i}_step"],
                    fields[f"pattern{i}_line"], config.activation_bits) for i in range(config.access_patterns)]
    runs = [(segment, list(_offsets(segment)), _distinct_weights(segment)) for segment in record.segments]
    block_words = sum(distinct for *_, distinct in runs)
    for group in range(0, len(pixels), config.rows if split else 1):
        rows = [group + r if split else group for r in range(config.rows)]
        for block in range(fields["channel_blocks"] + 1):
            window = 0
            for _ in range(fields["window_y"] + 1):
                for x in range(fields["window_x"] + 1):
                    weight = fields["weights"] + block * block_words
                    first = True
                    for segment, offsets, distinct in runs:
                        drains = not segment["flags"] & SegmentFlag.CONTINUE
                        for number, offset in enumerate(offsets):
                            last = drains and number == len(offsets) - 1
                            pattern = patterns[segment["flags"] >> PATTERN_BIT]
                            addresses = tuple(
                                (pattern[row] + window + offset) % size if row < len(pixels) else None
                                for row in rows)
                            yield Step(addresses, (weight + number % distinct) % (1 << config.weight_bits), first,
                                       last, last and bool(segment["flags"] & SegmentFlag.DOUBLE),
                                       _begins_shifted_line(segment, number))
                            first = last
                        weight += distinct
                    window += fields["window_step" if x < fields["window_x"] else "window_line"]


def _distinct_weights(segment: Mapping[str, int]) -> int:
    """Weight words of a segment."""
    words = segment["words"] + 1
    return words if segment["flags"] & SegmentFlag.REPEAT else words * (segment["runs"] + 1) * (segment["lines"] + 1)


def _begins_shifted_line(segment: Mapping[str, int], step: int) -> bool:
    line = (segment["words"] + 1) * (segment["runs"] + 1)
    return bool(segment["flags"] & SegmentFlag.SHIFT) and step % line == 0


def _offsets(segment: Mapping[str, int]) -> Iterator[int]:
    """Offsets of a segment's steps from the address of its pixel."""
    at = segment["start"]
    for line in range(segment["lines"] + 1):
        for run in range(segment["runs"] + 1):
            for word in range(segment["words"] + 1):
                yield at
                if word < segment["words"]:
                    at += 1
                elif run < segment["runs"]:
                    at += segment["run_step"]
                elif line < segment["lines"]:
                    at += segment["line_step"]
