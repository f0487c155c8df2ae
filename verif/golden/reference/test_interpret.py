"""The interpreter reads only the inputs of the hardware: a changed bit anywhere must change its results."""

import dataclasses

import numpy as np

from signum.golden.compiler.compile import compile_graph
from signum.golden.reference.interpret import interpret
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_maps
from signum.verif.golden.compiler.test_compile import convolution, residual

CONFIG = ArrayConfig(rows=2, cols=4, lanes=8)


def test_many_images_at_once_are_independent(seed):
    graph = convolution()
    program = compile_graph(graph, CONFIG)
    maps = draw_maps(np.random.default_rng(seed), graph, 5)
    memory, sums = interpret(program, maps)
    for i in range(5):
        alone, sums_alone = interpret(program, {name: bits[i:i + 1] for name, bits in maps.items()})
        assert np.array_equal(alone[0], memory[i])
        assert np.array_equal(sums_alone[0], sums[i])


def test_every_image_of_the_memories_matters(seed):
    graph = convolution()
    program = compile_graph(graph, CONFIG.replace(activation_depth=264))    # small: the input is not packed
    maps = draw_maps(np.random.default_rng(seed), graph, 2)
    _, expected = interpret(program, maps)
    weights = program.weights.copy()
    weights[0] ^= True
    thresholds = program.thresholds.copy()
    thresholds[:9] = 0
    constants = dict.fromkeys(program.constants, 255)
    for changed in ({"weights": weights}, {"thresholds": thresholds}, {"constants": constants}):
        assert not np.array_equal(interpret(dataclasses.replace(program, **changed), maps)[1], expected)


def test_every_coefficient_matters(seed):
    graph = residual()
    program = compile_graph(graph, CONFIG)
    maps = draw_maps(np.random.default_rng(seed), graph, 3)
    _, expected = interpret(program, maps)
    for number in range(2):
        for first in range(0, len(program.coefficients), 9):
            changed = program.coefficients.copy()
            changed[first:first + 9, :, number] = 0
            assert not np.array_equal(interpret(dataclasses.replace(program, coefficients=changed), maps)[1], expected)


def test_batch_and_split_programs_compute_the_same(seed):
    graph = convolution()
    maps = draw_maps(np.random.default_rng(seed), graph, 3)
    batch, split = (interpret(compile_graph(graph, CONFIG, split=split), maps)[1] for split in (False, True))
    assert np.array_equal(batch, split)
