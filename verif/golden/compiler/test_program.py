"""Programs: memory images, writes and reads of the bus, and saved files."""

import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.golden.compiler.program import MapAllocation
from signum.golden.reference.interpret import interpret
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import DATA_BITS, Region
from signum.verif.bench.cases import draw_case, draw_maps


def test_map_place_by_hand():
    # 2 x 3 pixels of 2 words, one line above, one pixel on the left: lines of 8 words
    place = MapAllocation(MapShape(2, 3, 9), start=100, border=(1, 1, 0, 0), lanes=8)
    assert (place.words, place.pitch, place.size) == (2, 8, 24)
    assert place.pixel(0, 0) == 110
    assert place.addresses.tolist() == [110, 111, 112, 113, 114, 115, 118, 119, 120, 121, 122, 123]


def test_bits_to_words_and_back(seed):
    rng = np.random.default_rng(seed)
    place = MapAllocation(MapShape(3, 4, 21), start=0, border=(0, 0, 0, 0), lanes=8)
    bits = rng.random((2, 3, 4, 21)) < 0.5
    words = place.to_words(bits)
    assert words.shape == (2, 3 * 4 * 3, 8)
    assert not words.reshape(2, 12, 24)[..., 21:].any()
    assert np.array_equal(place.to_elements(words), bits)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("drain_width", [1, 4])
def test_load_writes_every_memory_word_once(split, drain_width, seed):
    config = ArrayConfig(rows=3, cols=4, lanes=40, drain_width=drain_width, weight_depth=4096,
                         threshold_depth=4096, activation_depth=4096,
                         program_depth=512, sum_bits=20)
    program = draw_case(np.random.default_rng(seed), config).program
    writes = list(program.load_writes())
    assert len({address for address, _ in writes}) == len(writes)
    weights = np.zeros_like(program.weights)
    counts = dict.fromkeys(Region, 0)
    for address, value in writes:
        place = program.address_map.decode(address)
        counts[place.region] += 1
        assert 0 <= value < 1 << DATA_BITS
        if place.region == Region.COEFFICIENTS:
            assert value == int(program.coefficients[place.word, place.unit // 2, place.unit % 2]) % (1 << DATA_BITS)
        if place.region == Region.ALL_THRESHOLDS:
            assert value == int(program.thresholds[place.word, place.slice])
        if place.region == Region.WEIGHTS:
            bits = [value >> i & 1 for i in range(DATA_BITS)]
            part = weights[place.unit, place.word, place.slice * DATA_BITS:(place.slice + 1) * DATA_BITS]
            part[:] = bits[:len(part)]
    assert np.array_equal(weights, program.weights)
    assert counts[Region.PROGRAM] == len(program.words) * program.address_map.program_slices
    assert counts[Region.ALL_THRESHOLDS] == program.thresholds.size
    assert counts[Region.ALL_ACTIVATIONS] == 2 * len(program.constants)
    assert counts[Region.COEFFICIENTS] == program.coefficients.size


@pytest.mark.parametrize("split", [False, True])
def test_results_undo_the_inversion_of_channels(split):
    rng = np.random.default_rng(4)
    inverted = rng.random(6) < 0.5
    layer = Layer(name="bits", segments=(Segment(source="input", weights=rng.random((6, 5, 2, 2)) < 0.5),),
                  thresholds=np.full((1, 1, 6), 10), inverted=inverted)
    graph = Graph(inputs={"input": MapShape(4, 4, 5)}, layers=(layer,))
    program = compile_graph(graph, ArrayConfig(rows=2, cols=3, lanes=4), split=split)
    maps = draw_maps(rng, graph, program.images)
    memory, _ = interpret(program, maps)
    reads = [program.address_map.decode(address) for address in program.result_reads(program.images)]
    values = [int(sum(1 << i for i, bit in enumerate(memory[0 if split else place.unit, place.word]) if bit))
              for place in reads]
    assert {place.region for place in reads} == {Region.ACTIVATIONS}
    assert np.array_equal(program.results(program.images, values), graph.run(maps)["bits"] ^ inverted)


def test_raw_results_lie_with_the_rows_that_made_them():
    rng = np.random.default_rng(4)
    layer = Layer(name="sums", segments=(Segment(source="input", weights=rng.random((2, 5, 1, 1)) < 0.5),),
                  offset=np.array([-5, 3]))
    graph = Graph(inputs={"input": MapShape(1, 5, 5)}, layers=(layer,))
    config = ArrayConfig(rows=2, cols=3, lanes=4)
    places = {}
    for split in (False, True):
        program = compile_graph(graph, config, split=split)
        places[split] = [(place.unit, place.word)
                         for place in map(program.address_map.decode, program.result_reads(1))]
    assert places[False] == [(0, word) for word in range(10)]
    assert places[True] == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3), (0, 4), (0, 5)]
    assert program.results(1, list(range(10)))[0, :2].tolist() == [[-5, 5], [-1, 9]]
