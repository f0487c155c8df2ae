"""The compiler: random graphs give the reference's results, and refusals name the parameter to raise."""

import dataclasses
import re

import numpy as np
import pytest

from signum.golden.compiler.compile import CapacityError, compile_graph
from signum.golden.compiler.graph import Graph, Layer, MapShape, Requantize, Segment
from signum.golden.networks.digits import digits_graph_untrained
from signum.golden.reference.interpret import interpret
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_case, draw_config, draw_maps

CONFIG = ArrayConfig(rows=2, cols=4, lanes=8)


def convolution(channels: int = 20, outputs: int = 9, size: int = 6, pad: tuple[bool, ...] = (False,)) -> Graph:
    """Two 3x3 convolutions on a padded map, and raw results."""
    rng = np.random.default_rng(3)
    first = Segment(source="input", weights=rng.random((outputs, channels, 3, 3)) < 0.5, padding=(1, 1, 1, 1),
                    pad=np.resize(np.array(pad), channels))
    second = Segment(source="first", weights=rng.random((5, outputs, 3, 3)) < 0.5)
    thresholds = np.full((3, 3, outputs), first.taps // 2)
    return Graph(inputs={"input": MapShape(size, size, channels)}, layers=(
        Layer(name="first", segments=(first,), thresholds=thresholds, border=(1, 1, 1, 1)),
        Layer(name="second", segments=(second,), offset=np.zeros(5, dtype=np.int64))))


def residual(channels: int = 20, outputs: int = 9, pool: tuple[int, int] = (1, 1), shift: int = 5) -> Graph:
    """The paper's block: a 3x3 convolution of stride 2 and a 1x1 skip path, each requantized; then raw results."""
    rng = np.random.default_rng(5)
    segments = []
    for kernel in (3, 1):
        weights = rng.random((outputs, channels, kernel, kernel)) < 0.5
        taps = kernel * kernel * channels
        scale = rng.integers(0, (30 << shift) // taps + 2, outputs)
        offset = rng.integers(-4 << shift, 4 << shift, outputs) - scale * taps // 2
        padding = (1, 1, 1, 1) if kernel == 3 else (0, 0, 0, 0)
        segments.append(Segment(source="input", weights=weights, stride=(2, 2), padding=padding,
                                pad=rng.random(channels) < 0.5, requantize=Requantize(scale, offset, shift)))
    last = Segment(source="block", weights=rng.random((3, outputs, 1, 1)) < 0.5)
    return Graph(inputs={"input": MapShape(8, 8, channels)}, layers=(
        Layer(name="block", segments=tuple(segments), combine="residual", pool=pool,
              thresholds=rng.integers(12, 20, (1, 1, outputs))),
        Layer(name="last", segments=(last,), offset=np.zeros(3, dtype=np.int64))))


@pytest.mark.parametrize(("small", "message"), [
    ({"weight_depth": 60}, "words of weights in a column must be at most 60, not 105 (45 too many): "
                           "weight_depth of 105 would make it fit"),
    ({"activation_depth": 200}, "words of the maps in an activation bank must be at most 200, not 264 "
                                "(64 too many): activation_depth of 264 would make it fit"),
    ({"threshold_depth": 40}, "thresholds and raw results of a row must be at most 40, not 161 (121 too many): "
                              "threshold_depth of 161 would make it fit"),
    ({"zero_padding": 0}, "layer first pads with zeros, which this array leaves out: "
                          "zero_padding of 1 would make it fit, or padding with +1 or -1"),
    ({"program_depth": 16}, "words of the program must be at most 16, not"),
    ({"acc_bits": 7, "sum_bits": 7}, "bits of a sum of layer first must be at most 7, not 8 (1 too many): "
                                     "sum_bits of 8 would make it fit"),
])
def test_refuses_what_does_not_fit_and_names_what_would(small, message):
    with pytest.raises(CapacityError) as refusal:
        compile_graph(convolution(), CONFIG.replace(**small))
    text = str(refusal.value)
    assert text.startswith(message)
    name, value = text.split(": ")[1].split(" would")[0].split(" of ")
    changes = {**small, name: int(value)}
    compile_graph(convolution(), CONFIG.replace(**changes))


@pytest.mark.parametrize(("small", "message"), [
    ({"requantize_depth": 0}, "scales of residual layers must be at most 0, not 18 (18 too many): "
                              "requantize_depth of 18 would make it fit"),
    ({"requantize_depth": 17}, "scales of residual layers must be at most 17, not 18 (1 too many): "
                               "requantize_depth of 18 would make it fit"),
    ({"requantize_shift": 4}, "shift of layer block must be at most 4, not 5 (1 too many): "
                              "requantize_shift of 5 would make it fit"),
    ({"scale_bits": 8}, "bits of a scale of layer block must be at most 8, not 10 (2 too many): "
                        "scale_bits of 10 would make it fit"),
    ({"requantize_shift": 24, "acc_bits": 20, "sum_bits": 20, "scale_bits": 18},
     "bits of a scale of layer block must be at most 18, not 22 (4 too many): "
     "requantize_shift of 20 would make it fit"),
    ({"acc_bits": 7}, "taps of a segment of layer block must be at most 127, not 180 (53 too many): "
                      "acc_bits of 8 would make it fit"),
    ({"sum_bits": 4, "acc_bits": 4}, "bits of a sum of layer block must be at most 4, not 5 (1 too many): "
                                     "sum_bits of 5 would make it fit"),
])
def test_refuses_numbers_that_do_not_fit_and_names_what_would(small, message):
    compile_graph(residual(), CONFIG)
    with pytest.raises(CapacityError, match=f"^{re.escape(message)}$"):
        compile_graph(residual(), CONFIG.replace(**small))


def test_refuses_elements_of_another_size():
    config = ArrayConfig(rows=2, cols=4, lanes=8, element_bits=8, acc_bits=24, sum_bits=24)
    with pytest.raises(CapacityError, match=r"^the elements of the network have 1 bits, not 8: "
                                            r"element_bits of 1 would make it fit$"):
        compile_graph(residual(), config)


@pytest.mark.parametrize(("small", "message"), [
    ({"acc_bits": 20}, "taps of a segment of layer a must be at most 16, not 18 (2 too many): "
                       "acc_bits of 21 would make it fit"),
    ({"acc_bits": 21, "sum_bits": 22}, "bits of a sum of layer a must be at most 22, not 23 (1 too many): "
                                       "sum_bits of 23 would make it fit"),
])
def test_refuses_8_bit_sums_that_do_not_fit(small, message):
    """The largest and the least sum: 18 taps of 255 and -128, scaled by four."""
    weights = np.full((1, 2, 3, 3), -128, dtype=np.int8)
    numbers = Requantize(np.array([5]), np.array([0]), 0)
    layer = Layer(name="a", segments=(Segment(source="input", weights=weights, requantize=numbers),),
                  combine="residual")
    graph = Graph(inputs={"input": MapShape(4, 4, 2)}, layers=(layer,))
    config = ArrayConfig(rows=2, cols=4, lanes=8, element_bits=8, acc_bits=21, sum_bits=23, scale_bits=18)
    compile_graph(graph, config)
    with pytest.raises(CapacityError, match=f"^{re.escape(message)}$"):
        compile_graph(graph, config.replace(**small))


@pytest.mark.parametrize("pool", [(1, 1), (2, 2)])
@pytest.mark.parametrize("split", [False, True])
def test_a_residual_block(pool, split):
    graph = residual(pool=pool)
    program = compile_graph(graph, CONFIG, split=split)
    maps = draw_maps(np.random.default_rng(0), graph, 3)
    expected = graph.run(maps)
    assert 0.1 < expected["block"].mean() < 0.9
    assert np.array_equal(interpret(program, maps)[1].reshape(expected["last"].shape), expected["last"])


def test_offsets_beyond_their_range_keep_their_meaning():
    graph = residual()
    block = graph.layers[0]
    first = block.segments[0]
    assert first.requantize
    offset = first.requantize.offset.copy()
    offset[:4] = [-2**62, 2**62, -2**31, 2**31]
    changed = dataclasses.replace(first, requantize=dataclasses.replace(first.requantize, offset=offset))
    graph = Graph(inputs=graph.inputs, layers=(
        dataclasses.replace(block, segments=(changed, block.segments[1])), graph.layers[1]))
    program = compile_graph(graph, CONFIG)
    assert np.abs(program.coefficients[1]).max() < 2**(CONFIG.offset_bits - 1)
    maps = draw_maps(np.random.default_rng(0), graph, 2)
    expected = graph.run(maps)["last"]
    assert np.array_equal(interpret(program, maps)[1].reshape(expected.shape), expected)


def test_refuses_two_pads_of_one_map():
    graph = convolution()
    weights = np.zeros((9, 20, 3, 3), dtype=bool)
    other = Segment(source="input", weights=weights, padding=(1, 1, 1, 1), pad=np.ones(20, dtype=bool))
    layer = Layer(name="both", segments=(graph.layers[0].segments[0], other), thresholds=np.zeros((1, 1, 9), dtype=int))
    with pytest.raises(CapacityError, match=r"^map input must be padded with one value, not with 2 different ones$"):
        compile_graph(Graph(inputs=graph.inputs, layers=(layer,)), CONFIG)


def test_refuses_more_access_patterns_than_the_rows_have():
    rng = np.random.default_rng(1)
    near = Segment(source="input", weights=rng.random((3, 5, 1, 1)) < 0.5)
    far = Segment(source="wide", weights=rng.random((3, 5, 1, 1)) < 0.5, stride=(2, 2))
    layer = Layer(name="sum", segments=(near, far), thresholds=np.full((1, 1, 3), 5))
    graph = Graph(inputs={"input": MapShape(3, 3, 5), "wide": MapShape(6, 6, 5)}, layers=(layer,))
    compile_graph(graph, CONFIG)
    # packed input maps may get equal geometry, so this layer reads the map of a layer
    made = Layer(name="made", segments=(Segment(source="wide", weights=np.ones((5, 5, 1, 1), dtype=bool)),),
                 thresholds=np.full((1, 1, 5), 3))
    later = Layer(name="sum", segments=(near, Segment(source="made", weights=far.weights, stride=(2, 2))),
                  thresholds=layer.thresholds)
    graph = Graph(inputs=graph.inputs, layers=(made, later))
    with pytest.raises(CapacityError, match=r"^access patterns of layer sum must be at most 1, not 2 .*_patterns of 2"):
        compile_graph(graph, CONFIG.replace(access_patterns=1))


@pytest.mark.parametrize("pad", [(False,), (True,), (True, False)])
@pytest.mark.parametrize("split", [False, True])
def test_border_holds_the_pad_and_nothing_ever_overwrites_it(pad, split):
    graph = convolution(pad=pad)
    program = compile_graph(graph, CONFIG, split=split)
    maps = draw_maps(np.random.default_rng(0), graph, 3)
    memory, sums = interpret(program, maps)
    assert np.array_equal(sums.reshape(3, 4, 4, 5), graph.run(maps)["second"])
    for address, value in program.constants.items():
        assert all(int("".join("1" if bit else "0" for bit in word[::-1]), 2) == value for word in memory[:, address])


def test_long_dot_products_are_cut_for_a_short_accumulator():
    graph = convolution()
    maps = draw_maps(np.random.default_rng(0), graph, 2)
    long = CONFIG.replace(program_depth=2048)
    whole = compile_graph(graph, long)
    for acc_bits in (4, 5, 6, 7):
        program = compile_graph(graph, long.replace(acc_bits=acc_bits))
        assert len(program.records[0].segments) > len(whole.records[0].segments)
        assert np.array_equal(interpret(program, maps)[1].reshape(2, 4, 4, 5), graph.run(maps)["second"])


@pytest.mark.parametrize("index", range(5))
def test_every_map_of_random_graphs(index, seed):
    rng = np.random.default_rng([seed, index])
    for _ in range(20):
        case = draw_case(rng, draw_config(rng), layers=3)
        expected = case.graph.run(case.maps)
        for count in range(1, len(case.graph.layers) + 1):
            # a prefix of the graph: each map is the result, before a later map reuses its memory
            part = Graph(inputs=case.graph.inputs, layers=case.graph.layers[:count])
            program = compile_graph(part, case.program.config, split=case.program.split)
            memory, sums = interpret(program, case.maps)
            last = part.layers[-1]
            if last.raw:
                found = sums.reshape(expected[last.name].shape)
            else:
                place = program.maps[last.name]
                found = program.output.ordered(place.to_elements(memory[:, place.addresses]))
            assert np.array_equal(found, expected[last.name]), str(case)


def test_digits_network_fits_the_smallest_board():
    program = compile_graph(digits_graph_untrained(0), ArrayConfig.preset("icebreaker"))
    assert program.weights.shape == (8, 192, 32)
    packing = program.inputs["input"].packing
    assert packing is not None
    assert packing.both
    assert len(program.words) <= 256
