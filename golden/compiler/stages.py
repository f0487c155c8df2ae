"""Networks larger than the array, in stages: layer after layer, a layer in pieces where its weights or maps do not fit.

Each stage is a separate program: the host loads its input maps and reads its result back. A layer is cut into groups of
output channels and bands of output lines. Between stages maps are as in the graph: elements as stored, channels of
`Layer.inverted` left inverted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from signum.golden.reference.encoding import ELEMENT_TYPES, border_class
from signum.golden.reference.interpret import interpret
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import Region

from .compile import CapacityError, compile_graph
from .cycles import predict_cycles
from .graph import Graph, Layer, Segment
from .program import InputAllocation, Program

__all__ = ["MapLines", "Resident", "Stage", "StageCost", "interpret_stage", "plan_stages", "run_stages", "stage_costs"]

Range = tuple[int, int]


@dataclass(frozen=True)
class MapLines:
    """Lines ``first`` to ``end`` (not included) of a map of the graph."""

    source: str
    first: int
    end: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One layer, or a piece of one, as a program.

    Members
    -------
    name : str
    layer : Layer
        The layer of the graph.
    program : Program
    inputs : dict of str to MapLines
        The content of each input map of the program.
    lines, channels : (int, int)
        First and end (not included) of the piece of the layer's result.
    """

    name: str
    layer: Layer
    program: Program
    inputs: dict[str, MapLines]
    lines: Range
    channels: Range

    def inputs_from(self, maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The input maps of the program, from the maps of the graph: (B, H, W, C) by name."""
        return {name: maps[part.source][:, part.first:part.end] for name, part in self.inputs.items()}

    def part_of(self, result: np.ndarray) -> np.ndarray:
        """The stage's part of the layer's result (B, H, W, N), as a view."""
        return result[:, slice(*self.lines), :, slice(*self.channels)]

    @property
    def input_words(self) -> int:
        """32-bit words of the input maps of a run."""
        words = sum(len(entry.place.addresses) for _, entry in self.places)
        return words * self.program.address_map.slices * self.program.images

    @property
    def places(self) -> list[tuple[MapLines, InputAllocation]]:
        """The input maps, and their allocations in the array."""
        return [(part, self.program.inputs[name]) for name, part in self.inputs.items()]


def plan_stages(graph: Graph, config: ArrayConfig, *, split: bool = False) -> tuple[Stage, ...]:
    """Cut a graph into stages, in the order of execution.

    A layer is cut into the fewest pieces, in groups of whole channel blocks where these fit; of equally many pieces,
    into the cut with the fewest cycles.

    Parameters
    ----------
    graph : Graph
    config : ArrayConfig
    split : bool
        See `compile_graph`.

    Raises
    ------
    CapacityError
        If even one line of one channel of a layer does not fit.
    """
    return tuple(stage for layer in graph.layers for stage in _Cutter(graph, layer, config, split).stages())


class _Cutter:
    """Cuts one layer."""

    def __init__(self, graph: Graph, layer: Layer, config: ArrayConfig, split: bool) -> None:
        self.shapes = graph.shapes
        self.inputs = graph.inputs
        self.layer = layer
        self.config = config
        self.split = split
        self.height = graph.sums_size(layer)[0]
        self.lines = self.shapes[layer.name].height

    def stages(self) -> list[Stage]:
        """The pieces, named, in the order of execution."""
        if not self._refusal([(0, self.layer.channels)], 1):
            return [self._stage((0, self.lines), (0, self.layer.channels))]
        single = _ranges(self.layer.channels, self.layer.channels)
        if refusal := self._refusal(single, self.lines):
            raise refusal
        groups = _least(self.layer.channels, lambda count: not self._refusal(self._groups(count), self.lines))
        bands = _least(self.lines, lambda count: not self._refusal(single, count))
        best: tuple[int, int, list[Stage]] | None = None
        for count in range(groups, self.layer.channels + 1):
            if best and count * bands > best[0]:
                break
            if len(self._groups(count)) < count:        # groups of whole channel blocks: the cut of a smaller count
                continue
            found = self._pieces(self._groups(count))
            pieces = len(found), sum(predict_cycles(self.config, stage.program.records) for stage in found)
            if best is None or pieces < best[:2]:
                best = *pieces, found
        assert best is not None, "groups of one channel fit"
        return [replace(stage, name=f"{stage.name} {i} of {best[0]}") for i, stage in enumerate(best[2], 1)]

    def _groups(self, count: int) -> list[Range]:
        """About ``count`` groups of channels: of whole channel blocks, where a group is larger than one."""
        size = -(-self.layer.channels // count)
        if size > self.config.cols:
            size = -(-size // self.config.cols) * self.config.cols
        return _chunks(self.layer.channels, size)

    def _refusal(self, groups: list[Range], count: int) -> CapacityError | None:
        """The error of these groups and about ``count`` bands of lines; None where they fit.

        All groups but the last are equal, and all bands but the first and the last.
        """
        bands = _ranges(self.lines, count)
        try:
            for band in (*bands[:2], *bands[-1:]):
                self._stage(band, groups[0])
        except CapacityError as refusal:
            return refusal
        return None

    def _pieces(self, groups: list[Range]) -> list[Stage]:
        """The stages of these groups in the fewest bands that fit, in the order with the fewest loaded words."""
        count = _least(self.lines, lambda count: not self._refusal(groups, count))
        bands = _ranges(self.lines, count)
        columns = [[self._stage(band, group) for group in groups] for band in bands]
        first = columns[0][0]
        weights = first.program.weights.shape[0] * first.program.weights.shape[1]
        inputs = sum(len(entry.place.addresses) for _, entry in first.places)
        # the weights of all groups for each band, or the inputs of all bands for each group
        if (len(bands) - 1) * len(groups) * weights < (len(groups) - 1) * len(bands) * inputs:
            return [stage for column in columns for stage in column]
        return [column[i] for i in range(len(groups)) for column in columns]

    def _stage(self, lines: Range, channels: Range) -> Stage:
        """One piece; CapacityError where it does not fit."""
        layer = self.layer
        pool = layer.pool[0]
        first, end = (0, self.height) if lines == (0, self.lines) else (lines[0] * pool, lines[1] * pool)
        parts = [self._lines_of(segment, first, end) for segment in layer.segments]
        inputs: dict[str, MapLines] = {}
        segments = []
        for segment, part in zip(layer.segments, parts, strict=True):
            alone = all(other == part for other in parts if other.source == part.source)
            name = part.source if alone else f"{part.source}[{part.first}:{part.end}]"
            inputs[name] = part
            segments.append(self._segment(segment, name, part, first, end, channels))
        top, left, bottom, right = layer.border
        classes = border_class(np.arange(self.height), self.height, top, bottom)
        columns = slice(*channels)
        inside = slice(classes[first], classes[end - 1] + 1), slice(None), columns
        piece = replace(
            layer, segments=tuple(segments), inverted=None, **layer.thresholds_of(lambda values: values[inside]),
            border=(max(0, top - first), left, max(0, bottom - (self.height - end)), right),
            offset=None if layer.offset is None else layer.offset[columns])
        graph = Graph(inputs={name: replace(self.shapes[part.source], height=part.end - part.first)
                              for name, part in inputs.items()}, layers=(piece,))
        # maps of layers keep the array's layout
        packable = [name for name, part in inputs.items() if part.source in self.inputs]
        program = compile_graph(graph, self.config, split=self.split, packable=packable)
        return Stage(name=layer.name, layer=layer, program=program, inputs=inputs, lines=lines, channels=channels)

    def _lines_of(self, segment: Segment, first: int, end: int) -> MapLines:
        """The lines of its map that a segment reads for the lines ``first`` to ``end`` of its sums."""
        height = self.shapes[segment.source].height
        if (first, end) == (0, self.height):
            return MapLines(segment.source, 0, height)
        start, stop = _reach(segment, first, end)
        part = MapLines(segment.source, max(0, start), min(height, stop))
        if part.first >= part.end:
            raise CapacityError(f"lines {first} to {end} of layer {self.layer.name} must read a line of map "
                                f"{segment.source}, not its padding alone")
        return part

    def _segment(self, segment: Segment, name: str, part: MapLines, first: int, end: int, channels: Range) -> Segment:
        """The segment on a part of its map, padded where it reaches past the ends of the whole map."""
        numbers = segment.requantize
        columns = slice(*channels)
        padding = segment.padding
        if (first, end) != (0, self.height):
            start, stop = _reach(segment, first, end)
            padding = part.first - start, padding[1], stop - part.end, padding[3]
        return replace(
            segment, source=name, weights=segment.weights[columns], padding=padding,
            requantize=numbers and replace(numbers, scale=numbers.scale[columns], offset=numbers.offset[columns]))


def _reach(segment: Segment, first: int, end: int) -> Range:
    """First and end of the map lines that a segment reads for some lines of its sums; padding is outside the map."""
    step, top = segment.stride[0], segment.padding[0]
    return first * step - top, (end - 1) * step - top + (segment.weights.shape[2] - 1) * segment.dilation[0] + 1


def _chunks(total: int, size: int) -> list[Range]:
    return [(start, min(start + size, total)) for start in range(0, total, size)]


def _ranges(total: int, count: int) -> list[Range]:
    """``total`` in at most ``count`` ranges of equal size; the last may be smaller."""
    return _chunks(total, -(-total // count))


def _least(most: int, holds: Callable[[int], bool]) -> int:
    """The least number from 1 to ``most`` at which a monotone predicate holds, by bisection; it holds at ``most``."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def interpret_stage(program: Program, maps: dict[str, np.ndarray]) -> np.ndarray:
    """`Program.results` of a run on the reference interpreter."""
    memory, sums = interpret(program, maps)
    if program.result is not None:
        return program.output.values(sums)
    place = program.maps[program.output.name]
    return program.output.ordered(place.to_elements(memory[:, place.addresses]))


def run_stages(graph: Graph, stages: Sequence[Stage], maps: Mapping[str, np.ndarray],
               run: Callable[[Program, dict[str, np.ndarray]], np.ndarray] = interpret_stage) -> dict[str, np.ndarray]:
    """Run a graph stage by stage.

    Parameters
    ----------
    graph : Graph
    stages : sequence of Stage
        Result of `plan_stages`.
    maps : mapping of str to bool or uint8 (B, H, W, C)
        The input maps.
    run : callable
        Runs one program on its input maps and returns its `Program.results`.

    Returns
    -------
    dict of str to array
        All maps as from `Graph.run`, (B, H, W, C), and the values of raw layers, int64 (B, H, W, C).
    """
    made = {name: np.asarray(maps[name]) for name in graph.inputs}
    batch = len(next(iter(made.values())))
    shapes = graph.shapes
    for stage in stages:
        name, shape = stage.layer.name, shapes[stage.layer.name]
        if name not in made:
            kind = np.int64 if stage.layer.raw else ELEMENT_TYPES[stage.layer.element_bits]
            made[name] = np.zeros((batch, shape.height, shape.width, shape.channels), dtype=kind)
        part = stage.part_of(made[name])
        part[:] = run(stage.program, stage.inputs_from(made)).reshape(part.shape)
    return made


class Resident:
    """Contents of an array's memories over successive stages: unchanged words are not written again."""

    def __init__(self) -> None:
        self._held: dict[int, int] = {}
        self._places: list[tuple[MapLines, InputAllocation]] = []

    def step(self, stage: Stage) -> tuple[list[tuple[int, int]], bool]:
        """Advance to the next stage; returns the needed bus writes of its program, and True if it needs new inputs."""
        program = stage.program
        writes = [(address, value) for address, value in program.load_writes() if self._held.get(address) != value]
        self._held.update(writes)
        fresh = stage.places != self._places
        self._places = stage.places
        for address in self._changed(stage):
            self._held.pop(address, None)
        return writes, fresh

    @staticmethod
    def _changed(stage: Stage) -> Iterator[int]:
        """Addresses that the stage overwrites: its maps, or its raw results."""
        program = stage.program
        address = program.address_map.address
        for place in (*program.maps.values(), *(entry.place for _, entry in stage.places)):
            for word in place.addresses.tolist():
                yield from (address(Region.ALL_ACTIVATIONS, word=word, slice=i)
                            for i in range(program.address_map.slices))
        if program.result is not None:
            yield from (address(Region.ALL_THRESHOLDS, word=word, slice=lane)
                        for word in program.threshold_addresses[program.threshold_entries:]
                        for lane in range(program.config.drain_width))


@dataclass(frozen=True)
class StageCost:
    """The cost of a stage: cycles of the array, and 32-bit words over the bus: load (program, weights, thresholds,
    ...), input maps, and results. In batch mode for ``Program.images`` images.
    """

    name: str
    cycles: int
    load: int
    inputs: int
    results: int


def stage_costs(stages: Iterable[Stage]) -> list[StageCost]:
    """The costs of successive stages on an initially empty array."""
    resident = Resident()
    costs = []
    for stage in stages:
        program = stage.program
        writes, fresh = resident.step(stage)
        costs.append(StageCost(
            name=stage.name, cycles=predict_cycles(program.config, program.records), load=len(writes),
            inputs=stage.input_words if fresh else 0, results=len(program.result_reads(program.images))))
    return costs
