"""Least memories for a network: the network fits the fitted array, and does not fit with a word less."""

import re

import pytest

from signum.golden.compiler.compile import CapacityError, compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.graph import Graph, MapShape
from signum.golden.compiler.sizing import compile_fitted, fitted, roomy
from signum.golden.networks.geometry import Builder
from signum.hdl.config import ArrayConfig

ARRAY = ArrayConfig(rows=2, cols=4, lanes=16)


def network() -> Graph:
    """A residual block with a stride, pooling and a classifier."""
    builder = Builder(1, {"input": MapShape(8, 8, 12)})
    first = builder.layer("first", ("input", 3, 1), outputs=16, pool=2)
    block = builder.layer("block", (first, 3, 2), (first, 1, 2), outputs=24)
    builder.dense("classes", block, 10, raw=True)
    return builder.graph


@pytest.mark.parametrize("split", [False, True])
def test_depths_and_widths_cost_no_cycles(split):
    program = compile_fitted(network(), ARRAY, split=split)
    large = compile_graph(network(), roomy(program.config), split=split)
    assert predict_cycles(program.config, program.records) == predict_cycles(large.config, large.records)


@pytest.mark.parametrize("name", ["weight_depth", "activation_depth", "threshold_depth", "program_depth",
                                  "requantize_depth", "sum_bits"])
def test_less_does_not_do(name):
    config = compile_fitted(network(), ARRAY).config
    assert compile_graph(network(), config).config == config
    less = {name: getattr(config, name) - 1}
    if name == "sum_bits":
        less["acc_bits"] = min(config.acc_bits, less["sum_bits"])
    with pytest.raises(CapacityError):
        compile_graph(network(), config.replace(**less))


def valid_network(results: int) -> Graph:
    """A network with 16 thresholds, without padding."""
    builder = Builder(1, {"input": MapShape(8, 8, 12)})
    builder.dense("classes", builder.layer("first", ("input", 3, 1), outputs=16, valid=True), results, raw=True)
    return builder.graph


def test_rows_share_their_thresholds():
    """The last entries of the threshold memory are the raw results alone, and cycles stay the same."""
    program, alone = (compile_fitted(valid_network(10), config)
                      for config in (ARRAY.replace(zero_padding=0, raw_depth=64), ARRAY))
    assert (program.config.threshold_depth, program.config.raw_depth) == (32, 16)
    assert program.result
    assert program.result.start == 16
    assert program.threshold_addresses == list(range(26))
    assert predict_cycles(program.config, program.records) == predict_cycles(alone.config, alone.records)


@pytest.mark.parametrize(("results", "depth", "message"), [
    (10, 24, "raw results of a row must be at most 8, not 10 (2 too many): raw_depth of 16 would make it fit"),
    (8, 16, "thresholds of all rows must be at most 8, not 16 (8 too many): threshold_depth of 24 would make it fit"),
])
def test_shared_thresholds_that_do_not_fit(results, depth, message):
    config = compile_fitted(valid_network(results), ARRAY).config
    with pytest.raises(CapacityError, match=re.escape(message)):
        compile_graph(valid_network(results), config.replace(threshold_depth=depth, raw_depth=8))


def test_hardware_that_no_layer_needs_is_left_out():
    builder = Builder(1, {"input": MapShape(1, 1, 40)})
    builder.dense("classes", "input", 10, raw=True)
    config = compile_fitted(builder.graph, ARRAY).config
    assert (config.requantize_depth, config.zero_padding, config.access_patterns) == (0, 0, 1)
    assert config.acc_bits == (40).bit_length()


def test_fitted_is_the_array_of_a_program():
    program = compile_graph(network(), roomy(ARRAY))
    assert compile_graph(network(), fitted(program)).config == fitted(program)
