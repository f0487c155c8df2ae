"""The allocation of maps: maps of overlapping lifetimes are disjoint, and borders are not shared."""

import itertools

import numpy as np

from signum.golden.compiler.allocation import allocate_maps, border_of, pack_inputs
from signum.golden.compiler.compile import CapacityError
from signum.golden.compiler.graph import GraphError
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_graph, draw_maps

CONFIG = ArrayConfig(rows=1, cols=1, lanes=8, activation_depth=4096)


def graphs(seed, count=60):
    rng = np.random.default_rng(seed)
    while count:
        try:
            yield rng, draw_graph(rng, layers=4)
        except GraphError:
            continue
        count -= 1


def test_maps_that_are_needed_at_one_time_lie_apart(seed):
    shared = 0
    for _, graph in graphs(seed):
        try:
            places, _ = allocate_maps(graph, CONFIG)
        except CapacityError:
            continue
        made = {name: -1 for name in graph.inputs} | {layer.name: i for i, layer in enumerate(graph.layers)}
        last = {name: max([i for i, layer in enumerate(graph.layers)
                           if any(segment.source == name for segment in layer.segments)], default=len(graph.layers))
                for name in places}
        for one, other in itertools.combinations(places, 2):
            a, b = places[one], places[other]
            apart = a.start + a.size <= b.start or b.start + b.size <= a.start
            at_one_time = made[one] <= last[other] and made[other] <= last[one]
            bordered = any(border_of(graph, one)) or any(border_of(graph, other))
            assert apart or not (at_one_time or bordered), (one, other, graph)
            shared += not apart
    assert shared


def test_packed_inputs_give_the_same_results(seed):
    chosen = 0
    for rng, graph in graphs(seed):
        maps = draw_maps(rng, graph, 2)
        for choice in range(3):
            packed, packings = pack_inputs(graph, CONFIG.lanes, choice, graph.inputs)
            inputs = {name: packings[name].apply(bits) if name in packings else bits for name, bits in maps.items()}
            name = graph.layers[-1].name
            assert np.array_equal(packed.run(inputs)[name], graph.run(maps)[name])
            chosen += len(packings)
    assert chosen
