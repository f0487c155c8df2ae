"""What a board's flash has behind the bitstream: a program, or the write lists of a network larger than the banks."""

from dataclasses import dataclass
from math import ceil

from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.program import Program
from signum.golden.compiler.stream_cycles import latency_cycles
from signum.golden.compiler.weight_streaming import Streamed, flash_words, loader_costs, plan_streamed
from signum.golden.layers.encoder import Encoder
from signum.hdl.boot.flash_reader import FlashTiming
from signum.hdl.config import ArrayConfig

from .board_record import Board
from .boot import Boot
from .boot_image import boot_image, list_depth, list_image

__all__ = ["FlashContents", "flash_contents", "flash_program"]


@dataclass(frozen=True)
class FlashContents:
    """An image, its place, and the program or network that it is of."""

    image: bytes
    place: Boot
    program: Program | Streamed

    def power_up_cycles(self, clock: float) -> int:
        """Cycles of a clock in Hz from power-up to the answer to an image that is there, to within a few per cent.

        Values come one a cycle; maps and results of a network in stages take no time of a line.
        """
        place, words = self.place, len(self.image) // 4
        flash = FlashTiming.of(wake_cycles=place.wake_cycles(clock), divisor=place.divisor, lines=place.lines)
        checked = flash.wake + flash.read(words)
        if isinstance(self.program, Program):
            return checked + flash.read(words) + latency_cycles(self.program)
        stages = self.program.stages
        lists, load = flash_words(stages)
        # the loader wakes the flash once more, writes all stages' programs, runs the first one, and then all
        loaded = flash.wake + flash.read(len(lists.words) - load)
        costs = loader_costs(stages, INSTANT, word=flash.word, begin=flash.begin)
        return checked + loaded + ceil(costs[0].cycles + sum(cost.cycles for cost in costs))


INSTANT = 1 << 32
"""Words that a line without a time of its own carries in a cycle."""


def flash_program(graph: Graph, config: ArrayConfig, encoder: Encoder | None = None) -> Program | Streamed:
    """A network compiled for an array and its flash: an image a run, from pixels, or where its weights or maps do not
    fit into the banks, in stages. The tables of its encoder are the program's on an array with ``input_tables``.

    Raises
    ------
    CapacityError
        If it fits neither way.
    """
    try:
        return compile_graph(graph, config, split=True, answers=Answers(), encoder=encoder)
    except CapacityError:
        try:
            compile_graph(graph, config, split=True)
        except CapacityError:
            return Streamed(graph, plan_streamed(graph, config, split=True))
        raise


def flash_contents(board: Board, program: Program | Streamed, *, quad: bool = False) -> FlashContents:
    """The contents of a board's flash for a program that takes pixels, or for a network in stages.

    Raises
    ------
    BoardError
        If the board has no place for it.
    BootImageError
        If the program takes maps from a host, or is larger than an image can be.
    """
    if isinstance(program, Program):
        return FlashContents(boot_image(program), board.boot_place(quad=quad), program)
    lists, _ = flash_words(program.stages)
    image = list_image(lists.words, program.config)
    return FlashContents(image, board.boot_place(depth=list_depth(lists.words), quad=quad), program)
