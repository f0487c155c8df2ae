"""The least pauses between layers: the first step of a layer reads the word written in the previous cycle.

With a cycle less, the step would read the word of the previous image.
"""

import itertools

import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import layer_cycles, storing_cycles
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import Case, draw_maps
from signum.verif.bench.programs import check_values, program_job, run_on_model

BATCHES = 6


def chain(rng: np.random.Generator, width: int, lanes: int, layers: int) -> Graph:
    """Layers of 1x1 convolutions over a line of pixels, each with as many channels as lanes of a word."""
    def segment(source: str) -> Segment:
        return Segment(source=source, weights=rng.random((lanes, lanes, 1, 1)) < 0.5)

    names = ["input", *(f"layer{i}" for i in range(layers - 1)), "sums"]
    made = [Layer(name=name, segments=(segment(source),), thresholds=np.full((1, 1, lanes), lanes // 2))
            for source, name in itertools.pairwise(names[:-1])]
    made.append(Layer(name="sums", segments=(segment(names[-2]),), offset=np.zeros(lanes, dtype=np.int64)))
    return Graph(inputs={"input": MapShape(1, width, lanes)}, layers=tuple(made))


def check(config: ArrayConfig, graph: Graph, split: bool) -> Case:
    """Run several batches on one array, each independent of the previous; returns the last."""
    program = compile_graph(graph, config, split=split)
    rng = np.random.default_rng(1)
    cases = [Case(program, graph, draw_maps(rng, graph, program.images)) for _ in range(BATCHES)]
    check_values(cases, *run_on_model(config, [program_job(program, [case.maps for case in cases])]))
    return cases[-1]


@pytest.mark.sweep(5)
@pytest.mark.parametrize(("split", "registers"), [pytest.param(
    split, registers, marks=pytest.mark.slow if registers != 2 * split else ()) for split in (False, True)
    for registers in range(3)])
def test_the_first_step_reads_the_word_that_was_written_last(split: bool, registers: int) -> None:
    """One pixel group: a word in batch mode, in split mode a word for each row; the last row reads the last word."""
    rows, lanes = 3, 8
    config = ArrayConfig(rows=rows, cols=lanes, lanes=lanes, tile=8, zero_padding=0, requantize_depth=0, fetch_width=32,
                         memory_registers=registers)
    graph = chain(np.random.default_rng(2), rows if split else 1, lanes, 4)
    program = check(config, graph, split).program
    spent = layer_cycles(config, program.records)
    for record, cycles in zip(program.records[:-2], spent[1:-1], strict=True):
        # a step in the cycle after the last write, and no other pause
        assert cycles == storing_cycles(config, record) + 1


def test_words_that_wait_for_others() -> None:
    """Split mode with two words a pixel: the last word waits for the rows' writes of the first."""
    config = ArrayConfig(rows=7, cols=4, lanes=2, tile=8, zero_padding=0, requantize_depth=0, fetch_width=32)
    rng = np.random.default_rng(3)
    wide = Segment(source="input", weights=rng.random((4, 2, 1, 1)) < 0.5)
    narrow = Segment(source="wide", weights=rng.random((2, 4, 1, 1)) < 0.5)
    graph = Graph(inputs={"input": MapShape(1, 7, 2)}, layers=(
        Layer(name="wide", segments=(wide,), thresholds=np.full((1, 1, 4), 1)),
        Layer(name="sums", segments=(narrow,), offset=np.zeros(2, dtype=np.int64))))
    program = check(config, graph, split=True).program
    alone = storing_cycles(config, program.records[0]) - storing_cycles(config.replace(rows=1), program.records[0])
    assert alone > config.rows - 1, "the second word must wait"
