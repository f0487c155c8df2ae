"""The cycle model: the cycles of a program, computed from the loop nest and the pipeline depths alone.

The model uses no result of the hardware, whose cycle counter every test compares with it.

**Within a layer** a dot product of K' steps takes K' cycles, plus the gap after it. A pixel group takes the sum of
these, but no less than the dispatch of the rows' next pixels, one a cycle, and one more cycle.

**Between two layers** the first step of the next layer reads a map in the cycle after the last word of the previous
layer was written, unless another event comes later::

    last step                                                                  next layer's first step
    |<---- B ---->|<- P ->|<-- D' -->|<- Q ->|1|<---- B ---->|<- T ->|1|<- w ->|
      banks read   popcount  sums      requan-  thresholds    rows    packer  writer
                             leave     tized    read          in step          writes

B is the latency of a memory, P the stages of the popcount, D' the cycles from the drain to the beat with the last
channels, Q the cycles of the requantization, T the tile rows. In batch mode the writer writes once (w = 1); in
split mode once for each row, after all earlier words. Events that may come later:

* the fetch of the record: front fields, first segment and store fields from the last segment on, drain fields from P
  cycles after the last step, since they replace the old drain fields as the last drain begins;
* the dispatch of the next group's pixels, after this fetch (with zero padding, after the end of the previous layer,
  which needs the border classes of its last pixels until then);
* the end of the last segment's gap.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product

from signum.golden.reference.encoding import words_per
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, LayerFlag, LayerRecord, SegmentFlag

__all__ = ["dot_products", "gaps", "layer_cycles", "predict_cycles", "storing_cycles",
           "write_cycles"]


def dot_products(record: LayerRecord) -> list[int]:
    """Steps of each dot product of one window position: chains of segments between two drains."""
    chains = [0]
    for segment in record.segments:
        chains[-1] += _steps(segment)
        if not segment["flags"] & SegmentFlag.CONTINUE:
            chains.append(0)
    return chains[:-1]


def group_count(record: LayerRecord, rows: int) -> int:
    """Pixel groups of a layer."""
    pixels = (record.fields["x"] + 1) * (record.fields["y"] + 1)
    return -(-pixels // rows) if record.has(LayerFlag.SPLIT) else pixels


def layer_cycles(config: ArrayConfig, records: Sequence[LayerRecord], *,
                 storing: Sequence[int] | None = None) -> list[int]:
    """Cycles of each layer, from the last step of the previous layer to its own last step.

    The first layer counts from the start of the run, and the last layer to its end; the sum is the cycles of the run.

    Parameters
    ----------
    config : ArrayConfig
    records : sequence of LayerRecord
    storing : sequence of int
        Cycles from the last step of each layer to its last write; by default from `storing_cycles`.
    """
    ends = []
    for i, last_step in enumerate(_last_steps(config, records, storing)):
        record = records[i]
        written = last_step + (storing_cycles(config, record) if storing is None else storing[i])
        ends.append(written if record.has(LayerFlag.LAST) else last_step)
    return [end - before for before, end in zip([0, *ends], ends, strict=False)]


def write_cycles(config: ArrayConfig, records: Sequence[LayerRecord]) -> Iterator[int]:
    """The cycles of a run in which a layer writes words of its map, in order; the first cycle of the run is 1."""
    for record, last_step in zip(records, _last_steps(config, records, None), strict=True):
        if record.has(LayerFlag.RAW):
            continue
        _, _, period = _group(config, record)
        groups = group_count(record, config.rows)
        split = record.has(LayerFlag.SPLIT)
        words = list(_words(config, record))
        pixels = (record.fields["x"] + 1) * (record.fields["y"] + 1)
        free = 0
        for group in range(groups):
            rows = min(config.rows, pixels - group * config.rows) if split else 1
            for word in words:
                begin = max(last_step - (groups - 1 - group) * period + word, free)
                yield from range(begin + 1, begin + rows + 1)
                free = begin + (config.rows if split else 1)


def _last_steps(config: ArrayConfig, records: Sequence[LayerRecord], storing: Sequence[int] | None) -> Iterator[int]:
    """The cycle of the last step of each layer; the first cycle of the run is 1."""
    isa = Isa(config)
    front, segment, store, drain = (len(isa.words_of(fields))
                                    for fields in (isa.front, isa.segment, isa.store, isa.drain))
    fetch = 1                       # cycle of the first read of the layer's record
    drained = 0                     # first cycle in which its drain fields may be read
    written = 0                     # cycle of the previous layer's last write
    gap_over = 0
    for i, record in enumerate(records):
        dealt_from = fetch + front + segment + store + config.memory_latency
        fetched = max(fetch + front + segment + store, drained) + drain - 1 + config.memory_latency
        begin = max(fetched + 1, written)
        if config.zero_padding:
            dealt_from = begin
        deal = config.rows if record.has(LayerFlag.SPLIT) else 1
        dots, spent, period = _group(config, record)
        group = sum(spent) * _repeats(record)
        # a step is issued in the cycle after the decision
        first = max(begin, dealt_from + deal + 1, gap_over)
        last_dot = first + (group_count(record, config.rows) - 1) * period + group - spent[-1]
        last_step = last_dot + dots[-1]
        written = last_step + (storing_cycles(config, record) if storing is None else storing[i])
        yield last_step
        gap_over = last_step + spent[-1] - dots[-1]
        fetch = last_step - _steps(record.segments[-1]) + 1
        drained = last_step + max(config.pipeline, 1)


def _group(config: ArrayConfig, record: LayerRecord) -> tuple[list[int], list[int], int]:
    """Steps of the dot products of a window position, the same with their gaps, and cycles from a group to the next."""
    dots = dot_products(record)
    gaps = [segment["gap"] for segment in record.segments if not segment["flags"] & SegmentFlag.CONTINUE]
    spent = [steps + gap for steps, gap in zip(dots, gaps, strict=True)]
    deal = config.rows if record.has(LayerFlag.SPLIT) else 1
    return dots, spent, max(sum(spent) * _repeats(record), deal + 1)


def _repeats(record: LayerRecord) -> int:
    """Window positions of all channel blocks."""
    return (record.fields["channel_blocks"] + 1) * (record.fields["windows"] + 1)


def storing_cycles(config: ArrayConfig, record: LayerRecord) -> int:
    """Cycles from the last step of a layer to its last write: of a word, or of a raw result.

    In split mode the words of a group are written one after the other, R cycles each, so the last word may wait for
    earlier words, and these for the words of the previous group.
    """
    split = record.has(LayerFlag.SPLIT) and not record.has(LayerFlag.RAW)
    size = record.fields["last_channel_block"]
    if not split:
        return _complete(config, size) + 1
    _, _, period = _group(config, record)
    words = list(_words(config, record))
    if group_count(record, config.rows) > 1:
        words = [word - period for word in words] + words
    free = words[0]
    for complete in words:
        free = max(complete, free) + config.rows
    return free


def _complete(config: ArrayConfig, beat: int) -> int:
    """Cycles from the last step of a dot product to the packer's word completed by a beat of its channels."""
    column = beat * config.drain_width
    drained = config.memory_latency + config.pipeline + 1 + beat + column // config.tile
    return drained + config.requantize_cycles + 1 + config.memory_latency + config.tile_rows + 1


def _words(config: ArrayConfig, record: LayerRecord) -> Iterator[int]:
    """Cycles in which the words of a group are complete, relative to the last step of the group."""
    dots, spent, _ = _group(config, record)
    blocks, windows = record.fields["channel_blocks"] + 1, record.fields["windows"] + 1
    group = sum(spent) * blocks * windows - (spent[-1] - dots[-1])
    levels = record.fields.get("levels", 0) + 1
    filled = 0
    for block, level in product(range(blocks), range(levels)):
        dot = len(dots) - levels + level
        last_step = ((block + 1) * windows - 1) * sum(spent) + sum(spent[:dot]) + dots[dot] - group
        size = record.fields["last_channel_block" if block == blocks - 1 else "channel_block"]
        for beat in range(size + 1):
            filled += config.drain_width
            if filled == config.lanes or (block == blocks - 1 and level == levels - 1 and beat == size):
                filled = 0
                yield last_step + _complete(config, beat)


def _steps(segment: Mapping[str, int]) -> int:
    return (segment["words"] + 1) * (segment["runs"] + 1) * (segment["lines"] + 1)


def predict_cycles(config: ArrayConfig, records: Sequence[LayerRecord]) -> int:
    """Cycles of a run, as counted by the hardware."""
    return sum(layer_cycles(config, records))


def gaps(config: ArrayConfig, dots: Sequence[int], last_segments: Sequence[int], windows: int,
         block_sizes: Sequence[int], split: bool, levels: int = 1, gated: int = 0) -> list[int] | None:
    """Least idle cycles after each dot product of a window position with which the units after the array keep up.

    Sums must have left the rows (`ArrayConfig.drain_cycles`) before the next drain, and with several segments the next
    segment must have been fetched. In split mode the writer needs R cycles for a word of every row, and must have taken
    the word from the packer before the next bit comes.

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
        Beats of each block whose elements are stored in words; empty for a layer without words.
    split : bool
    levels : int
        Thresholds of a sum: as many of the last dot products give elements.
    gated : int
        So many of the last dot products are gated: the drain of the first waits for the gate.

    Returns
    -------
    list of int, or None where words come too fast within a drain.
    """
    several = len(dots) > 1 or tuple(dots) != tuple(last_segments)
    fetch = Isa(config).segment_fetch if several else 0
    found = [max(0, config.drain_cycles - following, fetch - last)
             for following, last in zip([*dots[1:], dots[0]], last_segments, strict=True)]
    if gated:
        first = len(dots) - gated
        found[first - 1] = max(found[first - 1], config.gate_cycles - dots[first])
    if not split or not block_sizes:
        return found
    if levels > 1:
        return _with_levels(config, dots, found, windows, block_sizes, levels)
    least = windows * (sum(dots) + sum(found))
    for period in range(least, least + config.drain_cycles + config.rows + 1):
        if _writer_keeps_up(config, period, block_sizes):
            found[-1] += -(-(period - least) // windows)
            return found
    return None


def _with_levels(config: ArrayConfig, dots: Sequence[int], least: list[int], windows: int, block_sizes: Sequence[int],
                 levels: int) -> list[int] | None:
    """Gaps with which the writer keeps up with several drains of elements: as many cycles more behind each of them."""
    for more in range(config.rows * (config.drain_cycles + 1) + 1):
        found = [gap + (more if i >= len(dots) - levels else 0) for i, gap in enumerate(least)]
        spent = [steps + gap for steps, gap in zip(dots, found, strict=True)]
        first = len(dots) - levels
        behind = [sum(spent[first:first + level]) + dots[first + level] - dots[first] for level in range(levels)]
        if _writer_keeps_up(config, windows * sum(spent), block_sizes, behind):
            return found
    return None


def _writer_keeps_up(config: ArrayConfig, period: int, block_sizes: Sequence[int],
                     behind: Sequence[int] = (0,)) -> bool:
    """Whether the writer takes all words in time when a block comes every ``period`` cycles.

    ``behind`` has the cycles from a block's first drain of elements to each of them.
    """
    pixel = max(period * len(block_sizes), config.rows + 1)      # pixels are dispatched to the rows one a cycle
    word, array_tile = config.lanes // config.drain_width, config.tile_beats
    if words_per(sum(block_sizes) * len(behind), word) * config.rows > pixel:
        return False
    inserts: list[tuple[int, bool]] = []        # (cycle, a word is complete) of each beat
    filled = 0
    for block in range(3 * len(block_sizes)):
        start = block // len(block_sizes) * pixel + block % len(block_sizes) * period
        size = block_sizes[block % len(block_sizes)]
        pixel_ends = (block + 1) % len(block_sizes) == 0
        for later, beat in product(behind, range(size)):
            filled += 1
            whole = filled == word or (pixel_ends and later == behind[-1] and beat == size - 1)
            filled = 0 if whole else filled
            inserts.append((start + later + beat + beat // array_tile, whole))
    free = 0
    for (cycle, whole), (following, _) in pairwise(inserts):
        if whole:
            taken = max(cycle + 1, free)
            if taken > following:
                return False
            free = taken + config.rows
    return True
