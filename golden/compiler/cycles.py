"""How many cycles a program takes: the loop nest of the sequencer, counted. Equal to the hardware's own counter."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from signum.golden.reference.encoding import words_per
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, LayerFlag, LayerRecord, SegmentFlag
from signum.hdl.control.sequencer import ahead_cycles, tail_cycles

__all__ = ["dot_products", "gaps", "layer_cycles", "predict_cycles"]


def dot_products(record: LayerRecord) -> list[int]:
    """Steps of each dot product of one window position: chains of segments between two drains."""
    chains = [0]
    for segment in record.segments:
        chains[-1] += _steps(segment)
        if not segment["flags"] & SegmentFlag.CONTINUE:
            chains.append(0)
    return chains[:-1]


def group_count(record: LayerRecord, rows: int) -> int:
    """Groups of pixels that a layer works through."""
    pixels = (record.fields["x"] + 1) * (record.fields["y"] + 1)
    return -(-pixels // rows) if record.has(LayerFlag.SPLIT) else pixels


def layer_cycles(config: ArrayConfig, records: Sequence[LayerRecord]) -> list[int]:
    """Cycles of each layer, from the last step of the layer before to its own last step.

    The first one counts from the start of the run, and the last one to its end; the sum is the run's.
    """
    isa = Isa(config)
    front, drain, store, segment = (len(isa.words_of(fields))
                                    for fields in (*isa.parts, isa.segment))
    ahead = ahead_cycles(config)
    cycles = []
    at_drain = 1 + front            # when the first word of the layer's drain fields is read
    before = gap_over = 0
    for record in records:
        begin = at_drain + drain + store + config.memory_latency
        deal = config.rows if record.has(LayerFlag.SPLIT) else 1
        dots = dot_products(record)
        ends = [segment["gap"] for segment in record.segments if not segment["flags"] & SegmentFlag.CONTINUE]
        spent = [steps + gap for steps, gap in zip(dots, ends, strict=True)]
        repeats = (record.fields["channel_blocks"] + 1) * (record.fields["windows"] + 1)
        group = sum(spent) * repeats
        period = max(group, deal + 1)
        first = max(begin + max(segment, deal + 1), gap_over)
        last_dot = first + (group_count(record, config.rows) - 1) * period + group - spent[-1]
        last_segment = last_dot + dots[-1] - _steps(record.segments[-1])
        last_step = last_dot + dots[-1]
        stored = last_step + 1 + tail_cycles(config, record.has(LayerFlag.SPLIT))
        end = stored if record.has(LayerFlag.LAST) else last_step
        cycles.append(end - before)
        before = end
        gap_over = last_step + ends[-1]
        at_drain = max(last_segment + 1 + front, stored - ahead)
    return cycles


def _steps(segment: Mapping[str, int]) -> int:
    return (segment["words"] + 1) * (segment["runs"] + 1) * (segment["lines"] + 1)


def predict_cycles(config: ArrayConfig, records: Sequence[LayerRecord]) -> int:
    """Cycles of a run, as the hardware counts them."""
    return sum(layer_cycles(config, records))


def gaps(config: ArrayConfig, dots: Sequence[int], last_segments: Sequence[int], windows: int,
         block_sizes: Sequence[int], split: bool) -> list[int] | None:
    """Least idle cycles behind each dot product of a window position, such that everything behind it keeps up.

    Sums must have left the rows (`ArrayConfig.drain_cycles`) when the next ones are drained, and with several segments
    the next one must have been fetched. In split mode the writer needs R cycles for a word of every row, and must have
    taken it from the packer when the next bit comes.

    Parameters
    ----------
    config : ArrayConfig
    dots : sequence of int
        Steps of each dot product.
    last_segments : sequence of int
        Steps of the last segment of each.
    windows : int
        Positions of the pooling window.
    block_sizes : sequence of int
        Beats of each block whose elements end up in words; empty for a layer without words.
    split : bool

    Returns
    -------
    list of int, or None where words come too fast within one drain.
    """
    several = len(dots) > 1 or tuple(dots) != tuple(last_segments)
    fetch = Isa(config).segment_fetch if several else 0
    found = [max(0, config.drain_cycles - following, fetch - last)
             for following, last in zip([*dots[1:], dots[0]], last_segments, strict=True)]
    if not split or not block_sizes:
        return found
    least = windows * (sum(dots) + sum(found))
    for period in range(least, least + config.drain_cycles + config.rows + 1):
        if _writer_keeps_up(config, period, block_sizes):
            found[-1] += -(-(period - least) // windows)
            return found
    return None


def _writer_keeps_up(config: ArrayConfig, period: int, block_sizes: Sequence[int]) -> bool:
    """Whether the writer takes all words in time, if the blocks follow each other after ``period`` cycles."""
    pixel = max(period * len(block_sizes), config.rows + 1)      # the rows are dealt their pixels one a cycle
    word, array_tile = config.lanes // config.drain_width, config.tile_beats
    if words_per(sum(block_sizes), word) * config.rows > pixel:
        return False
    inserts: list[tuple[int, bool]] = []        # (cycle, a word is complete) of each beat
    filled = 0
    for block in range(3 * len(block_sizes)):
        start = block // len(block_sizes) * pixel + block % len(block_sizes) * period
        size = block_sizes[block % len(block_sizes)]
        pixel_ends = (block + 1) % len(block_sizes) == 0
        for beat in range(size):
            filled += 1
            whole = filled == word or (pixel_ends and beat == size - 1)
            filled = 0 if whole else filled
            inserts.append((start + beat + beat // array_tile, whole))
    free = 0
    for (cycle, whole), (following, _) in pairwise(inserts):
        if whole:
            taken = max(cycle + 1, free)
            if taken > following:
                return False
            free = taken + config.rows
    return True
