"""Answers: their order beside PyTorch's, their numbers, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.answers import Answers, answer_size, decode_answers, ranked
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph
from signum.golden.networks.digits import digits_graph_untrained
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind

CONFIG = ArrayConfig.preset("icebreaker_pixels")


def test_the_first_rank_is_argmax(seed: int) -> None:
    values = np.random.default_rng(seed).integers(-3, 3, (50, 7))
    assert ranked(values, 1)[:, 0].tolist() == torch.from_numpy(values).argmax(dim=1).tolist()
    order = ranked(values, 7)
    sorted_values = np.take_along_axis(values, order, axis=1)
    assert (np.diff(sorted_values, axis=1) <= 0).all()
    assert (np.diff(order, axis=1)[np.diff(sorted_values, axis=1) == 0] > 0).all()


def test_numbers_of_values_have_a_sign() -> None:
    config = CONFIG.replace(answer_values=1)
    program = compile_graph(digits_graph_untrained(0), config, answers=Answers(AnswerKind.VALUES))
    assert answer_size(program) == 10
    numbers = np.arange(10, dtype=np.uint32)[None] - np.uint32(5)
    assert decode_answers(program, numbers).tolist() == [[list(range(-5, 5))]]


def body(graph: Graph, layers: int) -> Graph:
    return Graph(inputs=graph.inputs, layers=graph.layers[:layers])


def test_what_the_array_lacks_is_named() -> None:
    graph = digits_graph_untrained(0)
    for config, answers, message in (
            (ArrayConfig.preset("icebreaker"), Answers(), "needs an input unit: input_depth of 1024"),
            (CONFIG, Answers(AnswerKind.VALUES), "answer_values of 1 would add it"),
            (CONFIG, Answers(ranks=2), "answer_ranks of 2 would make it fit"),
            (CONFIG.replace(answer_values=1), Answers(AnswerKind.WORDS), "must be ranks or values, not words"),
            (CONFIG.replace(input_depth=4), Answers(), "input_depth of 8 would make them fit"),
            (CONFIG.replace(sum_bits=10), Answers(), "sum_bits of 11|sum_bits of 12")):
        with pytest.raises(CapacityError, match=message):
            compile_graph(graph, config, answers=answers)
    with pytest.raises(CapacityError, match="must be words, not ranks"):
        compile_graph(body(graph, 3), CONFIG.replace(answer_values=1), answers=Answers())


def test_a_map_with_inverted_channels_is_refused() -> None:
    graph = body(digits_graph_untrained(0), 3)
    last = graph.layers[-1]
    inverted = dataclasses.replace(last, inverted=np.arange(last.channels) == 0)
    graph = Graph(inputs=graph.inputs, layers=(*graph.layers[:-1], inverted))
    with pytest.raises(CapacityError, match="channels that fall with their sums"):
        compile_graph(graph, CONFIG.replace(answer_values=1), answers=Answers(AnswerKind.WORDS))
