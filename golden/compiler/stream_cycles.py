"""The cycle model of a program that takes pixels and gives answers: begins of runs, intervals and latencies.

The model has a source that always offers the next value, and a sink that always takes an answer, and no use of the
hardware's results. Cycles count from the transfer of the first value of the first image.

A line of a frame, padding included, is written a value a cycle, with a cycle behind it, while the line buffer has room
for it. A line of windows is gathered once its lines are written and the place of the input is free: a window takes a
cycle for each of its values and, where the lanes are no multiple of a code's bits, for each code of zeros behind them
in its last word; a word waits while a layer writes. A run begins when its images are in, and when the results of the
run before are read or will be within the head of this run. The interval between two runs is therefore the longest of
these: filling the place after its release (with two places after the begin of the run before), the run, and the
results.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from signum.golden.reference.encoding import words_per
from signum.hdl.control.answer_geometry import AnswerKind
from signum.hdl.control.isa import LayerFlag
from signum.hdl.host.bus_interface import choices
from signum.hdl.output.answer_unit import BYTE_CYCLES, answer_latency, head_cycles

from .cycles import layer_cycles, storing_cycles, write_cycles
from .program import Program

__all__ = ["StreamCycles", "interval_cycles", "latency_cycles", "stream_cycles"]


@dataclass(frozen=True)
class StreamCycles:
    """Cycles of the first value of each image, of the begin of each run, and of the last number of each answer."""

    pixels: list[int]
    runs: list[int]
    answers: list[int]


def stream_cycles(program: Program, batches: int) -> StreamCycles:
    """The cycles of a stream of whole batches, from an idle array on."""
    config = program.config
    layers = layer_cycles(config, program.records)
    releasing = next(i for i, record in enumerate(program.records) if record.has(LayerFlag.RELEASE))
    # the place is free when the last tile row has read the last word, in the last step of the layer
    release = sum(layers[:releasing + 1]) + config.tile_rows + 1
    if releasing == len(layers) - 1:
        release -= storing_cycles(config, program.records[-1])
    if program.input_places > 1:                                # the other place is free from the begin of a run on
        release = 1
    writes = [cycle for cycle in write_cycles(config, program.records) if cycle >= release]
    found = StreamCycles([], [], [])
    free, may_start = 0, 0
    taken: frozenset[int] = frozenset()                         # cycles in which a layer writes
    restart: int | None = None
    for _ in range(batches):
        for _ in range(program.images):
            first, restart = _fill(program, restart, free, taken)
            found.pixels.append(first)
        assert restart is not None
        start = max(restart + 1, may_start)
        found.runs.append(start)
        free = start + release
        taken = frozenset(start + cycle for cycle in writes)
        ends, may_start = _answers(program, start + sum(layers) + 1)
        found.answers.extend(ends)
    return found


def interval_cycles(program: Program) -> float:
    """Cycles from an image to the next in a steady stream."""
    runs = stream_cycles(program, 4).runs
    return (runs[-1] - runs[-2]) / program.images


def latency_cycles(program: Program) -> int:
    """Cycles from the first value of a batch, on an idle array, to its last answer."""
    return stream_cycles(program, 1).answers[-1] + 1


class _Packer:
    """The words of windows on their way into the place: an item (a value, or zeros behind the last value of a window)
    is issued a cycle, unless a complete word waits for a cycle in which no layer writes."""

    def __init__(self, latency: int, planes: int, taken: Collection[int]) -> None:
        self.latency = latency          # from the issue of an item to its word
        self.planes = planes            # words that leave one after the other, through a register; 0 for one, without
        self.taken = taken
        # cycles in which the last words stopped the items, of as many words as may be on their way
        self.blocked = [(0, 0)] * latency
        self.stored = 0                 # the last write

    def issue(self, cycle: int, items: int) -> int:
        """Issue items from a cycle on; returns the cycle of the last one."""
        last = cycle + items - 1
        for stop, on in self.blocked:
            if last >= stop and cycle < on:
                last += on - max(stop, cycle)
                cycle = on if cycle >= stop else cycle
        return last

    def complete(self, issued: int) -> None:
        """The item that was issued last completes a word."""
        full = self.issue(issued + 1, self.latency)             # a stop holds all items on their way
        leaves = max(full, self.stored) + 1 if self.planes else full
        for number in range(max(1, self.planes)):
            self.stored = leaves if not number else self.stored + 1
            while self.stored in self.taken:
                self.stored += 1
        self.blocked = [*self.blocked[1:], (full, leaves - 1 if self.planes else self.stored)]


def _fill(program: Program, restart: int | None, free: int, taken: Collection[int]) -> tuple[int, int]:
    """Fill an image in: the cycle of its first value, and the cycle in which all of it is in its place.

    ``restart`` is that cycle of the image before, None on an idle array, which has written the padding in front of
    the first value; ``free`` is the first cycle in which the place may be written, but not in the cycles ``taken``.
    """
    config, g = program.config, program.input_fields
    line, lines = g["column"] + 1, g["line"] + 1
    ahead = g["top"] * (line + 1) + g["left"]                   # cycles of the padding in front of the first value
    bits = config.input_levels or 1
    values = (g["run"] + 1) * (g["tap_y"] + 1)
    words = words_per(values * bits, config.lanes)
    at = [0, *(-(-(word + 1) * config.lanes // bits) for word in range(words))]     # items up to the end of each word
    if not config.lanes % bits:                                 # no zeros behind the last value
        at[-1] = values
    begin = -ahead if restart is None else restart + 1          # of the first line
    written: list[int] = []                                     # last cycle of each line
    freed: list[int] = []                                       # last value of each line of windows
    packer = _Packer(config.code_latency + 1, g["planes"] + 1 if "planes" in g else 0, taken)
    end = begin - 1 if restart is None else restart             # the last item

    def write_line() -> None:
        number = len(written)
        least = begin if not written else written[-1] + 2
        window = 0                                              # lines of windows to be read before
        while number - g["stride_y"] * window > g["kept"]:
            window += 1
        if window:
            least = max(least, freed[window - 1] + 2)
        written.append(least + line - 1)

    for row in range(g["y"] + 1):
        needed = row * g["stride_y"] + g["span"] - 1
        while len(written) <= needed:
            write_line()
        end = max(end, written[needed] + 1, free - 1, *(cycle + 1 for cycle in freed[-1:]))
        for _ in range(g["x"] + 1):
            for before, after in pairwise(at):
                if before < values <= after:
                    last_value = packer.issue(end + 1, values - before)
                end = packer.issue(end + 1, after - before)
                packer.complete(end)
        freed.append(last_value)
    while len(written) < lines:
        write_line()
    return begin + ahead, max(packer.stored + 1, written[-1] + 1)


def _answers(program: Program, end: int) -> tuple[list[int], int]:
    """The cycles of the last numbers of a run's answers, and the first cycle in which the next run may begin.

    ``end`` is the first cycle in which the run is over.
    """
    config, g = program.config, program.answer_fields
    kind = AnswerKind(g.get("kind", AnswerKind.RANKS))
    numbers = {AnswerKind.RANKS: g.get("ranks", 0) + 1, AnswerKind.WORDS: program.address_map.slices}.get(kind, 1)
    reads = {AnswerKind.RANKS: 2 * (g["channels"] + 1), AnswerKind.WORDS: 1}.get(kind, 2)
    extra = BYTE_CYCLES if kind == AnswerKind.BYTES else 0
    reading = end + 1
    ends = []
    last = reading
    for row, ends_image in _units(program, kind):
        last = reading
        arrived = reading + reads + answer_latency(config, choices(config.rows)) + row // config.rows_per_tile
        sent = arrived + extra + numbers
        reading = sent + 1
        if ends_image:
            ends.append(sent)
    few = kind == AnswerKind.RANKS and g["channels"] < head_cycles(config) // 2 - 2
    return ends, last + 1 if few else last + reads + 1


def _units(program: Program, kind: AnswerKind) -> Iterator[tuple[int, bool]]:
    """The units of a run's answers: the row of each, and whether it ends an image."""
    g = program.answer_fields
    pixels, side = g.get("pixels", 0) + 1, g.get("side", 0) + 1
    line = g["columns"] + 1 if side > 1 else 1
    order = [start + x for start in range(0, pixels, line) for _ in range(side) for x in range(line)
             for _ in range(side)]
    channels = 1 if kind in (AnswerKind.RANKS, AnswerKind.WORDS) else g["channels"] + 1
    for image in range(program.images):
        for number, pixel in enumerate(order):
            row = pixel % program.config.rows if program.split and kind != AnswerKind.WORDS else image
            for channel in range(channels):
                yield row, number == len(order) - 1 and channel == channels - 1
