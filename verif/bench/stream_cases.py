"""Random networks of pixels and answers."""

import dataclasses

import numpy as np

from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph, GraphError, Layer
from signum.golden.layers.encoder import Thermometer
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind
from signum.verif.bench.cases import draw_graph
from signum.verif.bench.stream_runs import StreamCase

__all__ = ["BIT", "draw_answers", "draw_stream", "with_streams"]

BIT = Thermometer(1, 1)
"""Values 0 and 1 as one bit each, so that pixels can be any map."""


def with_streams(config: ArrayConfig, ranks: int = 3, **options: int) -> ArrayConfig:
    """The array with input and answer unit, for `BIT`."""
    return config.replace(input_depth=1024, input_planes=1, input_levels=1, input_maximum=1, answer_ranks=ranks,
                          answer_values=1, program_depth=1024, **options)


def draw_answers(rng: np.random.Generator, config: ArrayConfig, last: Layer) -> Answers:
    """Answers of any kind, order and size that the array gives from the sums of a layer."""
    sides = range(1, config.answer_shuffle + 1)
    shuffle = int(rng.choice([1, *(side for side in sides if last.channels % (side**2 * config.drain_width) == 0)]))
    enlarge = int(rng.choice([1, *sides])) if shuffle == 1 else 1
    if last.bytes or rng.random() < 0.5:
        return Answers(AnswerKind.VALUES, shuffle=shuffle, enlarge=enlarge)
    ranks = int(rng.integers(1, min(config.answer_ranks, last.channels // shuffle**2) + 1))
    return Answers(AnswerKind.RANKS, ranks, shuffle=shuffle, enlarge=enlarge)


def draw_stream(rng: np.random.Generator, config: ArrayConfig, batches: int = 2) -> StreamCase:
    """A random network of one input, with answers of each kind, and its images."""
    while True:
        try:
            graph = draw_graph(rng, 3, levels=config.threshold_levels)
            if len(graph.inputs) > 1:
                continue
            last = graph.layers[-1]
            answers = Answers(AnswerKind.WORDS)
            if last.raw:
                offset = rng.integers(-30, 30, last.channels)
                step = int(rng.integers(1, 3))
                requantized = (int(rng.integers(1, 256)), int(rng.integers(1, 13)))
                last = dataclasses.replace(last, offset=offset, step=step, bytes=requantized if (
                    config.answer_bytes and rng.random() < 0.5) else None)
                graph = Graph(inputs=graph.inputs, layers=(*graph.layers[:-1], last))
                answers = draw_answers(rng, config, last)
            program = compile_graph(graph, config, split=bool(rng.random() < 0.5), answers=answers)
        except (GraphError, CapacityError):
            continue
        (shape,) = graph.inputs.values()
        images = rng.integers(0, 2, (batches * program.images, shape.channels, shape.height, shape.width))
        return StreamCase(program=program, graph=graph, encoder=BIT, answers=answers, images=images)
