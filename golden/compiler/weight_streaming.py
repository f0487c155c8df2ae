"""Weight streaming: the next stage's weights fill one half of the banks while the current stage uses the other.

Of all memories only the weight banks can be written during a run. The weights of a stage are therefore loaded during
the previous stage, within its duration; program, thresholds and maps are loaded between the two. All but the maps may
be in a loader (`hdl.host.write_list_dma`) on the board, and then cross the link only once for all images.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Control, Region, Register
from signum.hdl.host.bus_interface import settling_cycles

from .compile import CapacityError
from .cycles import predict_cycles
from .graph import Graph, MapShape
from .stages import Resident, Stage, plan_stages

__all__ = ["LoaderImage", "Streamed", "StreamedCost", "Transfer", "flash_words", "load_sequence", "loader_costs",
           "loader_image", "plan_streamed", "streamed_costs", "transfers"]

Writes = list[tuple[int, int]]

LARGEST = 1 << 32
LOADER_CYCLES = 2
"""Cycles of a loader for each of its words; the accelerator takes more for a threshold."""


def plan_streamed(graph: Graph, config: ArrayConfig, *, split: bool = False) -> tuple[Stage, ...]:
    """Stages as of `golden.compiler.stages.plan_stages`, with their weights in the two halves of the banks by turns.

    Raises
    ------
    CapacityError
        As `plan_stages`, for banks of half the depth.
    """
    half = config.weight_depth // 2
    stages = plan_stages(graph, config.replace(weight_depth=max(1, half)), split=split)
    return tuple(replace(stage, program=stage.program.moved(config, half * (i % 2))) for i, stage in enumerate(stages))


@dataclass(frozen=True, eq=False)
class Streamed:
    """A network with its stages, for example for a file.

    Members
    -------
    graph : Graph
    stages : tuple of Stage
        Result of `plan_streamed`; at least one.
    """

    graph: Graph
    stages: tuple[Stage, ...]

    @property
    def config(self) -> ArrayConfig:
        return self.stages[0].program.config

    @property
    def images(self) -> int:
        """Images of a run."""
        return self.stages[0].program.images

    @property
    def inputs(self) -> dict[str, MapShape]:
        return self.graph.inputs

    @property
    def output(self) -> str:
        """The last layer."""
        return self.graph.layers[-1].name


@dataclass(frozen=True)
class Transfer:
    """Bus writes of a stage: weights, which may come ahead, others between the runs, and ``fresh`` if maps come too."""

    stage: Stage
    weights: Writes
    others: Writes
    fresh: bool

    @property
    def maps(self) -> int:
        """32-bit words of the input maps, if needed, and of the results."""
        program = self.stage.program
        return (self.stage.input_words if self.fresh else 0) + len(program.result_reads(program.images))


def transfers(stages: Iterable[Stage]) -> Iterator[Transfer]:
    """The transfers of stages on an initially empty array, without writes of words already there."""
    resident = Resident()
    for stage in stages:
        writes, fresh = resident.step(stage)
        decode = stage.program.address_map.decode
        weights = [write for write in writes if decode(write[0]).region == Region.WEIGHTS]
        ahead = {address for address, _ in weights}
        yield Transfer(stage, weights, [write for write in writes if write[0] not in ahead], fresh)


@dataclass(frozen=True)
class StreamedCost:
    """Cycles of a stage on an array with a link of a given bandwidth.

    Members
    -------
    name : str
    array : int
        Cycles of the run.
    weights : Fraction
        Cycles of the link for the weights of the next stage.
    between : Fraction
        Cycles of the link while the array idles: programs, thresholds and input maps before the run, results after it.
    """

    name: str
    array: int
    weights: Fraction
    between: Fraction

    @property
    def cycles(self) -> Fraction:
        """Cycles from its first transfer to the first transfer of the next stage."""
        return self.between + max(Fraction(self.array), self.weights)

    @property
    def bound(self) -> str:
        """The bottleneck of the stage: ``array``, or ``link``."""
        return "link" if self.weights > self.array else "array"


def streamed_costs(stages: Sequence[Stage], words_per_cycle: Fraction | float) -> list[StreamedCost]:
    """The costs of successive stages of `plan_streamed`.

    Parameters
    ----------
    stages : sequence of Stage
    words_per_cycle : number
        32-bit words that the link carries in a cycle of the array; the bus itself takes at most one in two cycles.

    Raises
    ------
    ValueError
        If ``words_per_cycle`` is not positive.
    """
    rate = _positive(words_per_cycle)
    loads = list(transfers(stages))
    costs = []
    for i, load in enumerate(loads):
        program = load.stage.program
        between = len(load.others) + load.maps + (len(load.weights) if i == 0 else 0)
        following = len(loads[i + 1].weights) if i + 1 < len(loads) else 0
        costs.append(StreamedCost(load.stage.name, predict_cycles(program.config, program.records),
                                  following / rate, between / rate))
    return costs


@dataclass(frozen=True)
class LoaderImage:
    """Contents of a loader (`hdl.host.write_list_dma`) for repeated passes over the stages, after a first pass.

    Members
    -------
    words : list of int
        Words from address 0 on.
    begins : tuple of int
        First word of each stage's sequence: all words of the stage but its input maps, its start, and the weights of
        the next stage. The weights of the first stage are in its own sequence.
    fresh : tuple of bool
        Whether the input maps of each stage must be written before it.
    """

    words: list[int]
    begins: tuple[int, ...]
    fresh: tuple[bool, ...]


def _sequence(layout: AddressMap, writes: Writes) -> list[int]:
    """Writes as the runs of a loader."""
    words: list[int] = []
    data = iter(value for _, value in writes)
    for address, count in layout.runs(address for address, _ in writes):
        words += [count, address, *(next(data) for _ in range(count))]
    return words


def _sequences(stages: Sequence[Stage]) -> Iterator[tuple[Transfer, list[int], list[int]]]:
    """The transfers of stages in a repeated pass, each with the words of its sequence in a loader: up to the start of
    the run, and after it. The first stage of a pass has new images."""
    loads = list(transfers([*stages, *stages]))[len(stages):]
    loads[:1] = [replace(first, others=first.weights + first.others, fresh=True) for first in loads[:1]]
    for i, load in enumerate(loads):
        following = loads[i + 1].weights if i + 1 < len(loads) else []
        layout = load.stage.program.address_map
        start = layout.address(Region.REGISTERS, word=Register.CONTROL), int(Control.START)
        yield load, _sequence(layout, load.others) + _sequence(layout, [start]), [*_sequence(layout, following), 0]


def loader_image(stages: Sequence[Stage], depth: int) -> LoaderImage:
    """Put stages of `plan_streamed` into a loader.

    Parameters
    ----------
    stages : sequence of Stage
    depth : int
        32-bit words of the loader.

    Raises
    ------
    CapacityError
        If the stages do not fit.
    """
    words: list[int] = []
    begins: list[int] = []
    fresh: list[bool] = []
    for load, before, after in _sequences(stages):
        begins.append(len(words))
        fresh.append(load.fresh)
        words += before + after
    if len(words) > depth:
        raise CapacityError(f"the loader must have {len(words)} words for {len(stages)} stages, not {depth}")
    return LoaderImage(words, tuple(begins), tuple(fresh))


def load_sequence(stages: Iterable[Stage]) -> list[int]:
    """The sequence of a loader that writes what a first pass over the stages needs: all of their programs, as if
    written one after the other."""
    last: dict[int, int] = {}
    for stage in stages:
        for address, value in stage.program.load_writes():
            last.pop(address, None)         # in the order of the last writes, for one address may stand for others
            last[address] = value
        layout = stage.program.address_map
    return [*_sequence(layout, list(last.items())), 0]


def flash_words(stages: Sequence[Stage]) -> tuple[LoaderImage, int]:
    """The image of a loader whose words are in a flash: with `load_sequence` at its end, and the first word of that."""
    image = loader_image(stages, LARGEST)
    return replace(image, words=image.words + load_sequence(stages)), len(image.words)


def loader_costs(stages: Sequence[Stage], words_per_cycle: Fraction | float, *, word: int = LOADER_CYCLES,
                 begin: int = 0) -> list[StreamedCost]:
    """The costs of successive stages fed by a loader: the link carries only input maps and results.

    Parameters
    ----------
    stages : sequence of Stage
    words_per_cycle : number
        32-bit words that the link carries in a cycle of the array.
    word, begin : int
        Cycles of the loader for each of its words, and before the first one of a sequence.

    Raises
    ------
    ValueError
        If ``words_per_cycle`` is not positive.
    """
    rate = _positive(words_per_cycle)
    costs = []
    for load, before, after in _sequences(stages):
        program = load.stage.program
        regions = [program.address_map.decode(address).region for address, _ in load.others]
        thresholds = regions.count(Region.THRESHOLDS) + regions.count(Region.ALL_THRESHOLDS)
        settling = max(0, settling_cycles(program.config) + LOADER_CYCLES - word)
        costs.append(StreamedCost(load.stage.name, predict_cycles(program.config, program.records),
                                  Fraction(word * len(after)),
                                  begin + word * len(before) + settling * thresholds + load.maps / rate))
    return costs


def _positive(words_per_cycle: Fraction | float) -> Fraction:
    rate = Fraction(words_per_cycle)
    if rate <= 0:
        raise ValueError(f"words_per_cycle must be positive, not {words_per_cycle}")
    return rate
