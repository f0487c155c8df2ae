"""Weight streaming while the array runs: the same results and cycles, and costs with their bottleneck."""

from fractions import Fraction

import numpy as np
import pytest

from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.golden.compiler.compile import CapacityError
from signum.golden.compiler.graph import Graph, GraphError, MapShape
from signum.golden.compiler.stages import run_stages
from signum.golden.compiler.weight_streaming import (
    flash_words,
    loader_image,
    plan_streamed,
    streamed_costs,
    transfers,
)
from signum.golden.networks.geometry import Builder
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import Region, Register, Status
from signum.verif.bench.cases import draw_graph, draw_maps
from signum.verif.bench.stage_runs import stream_stages
from signum.verif.golden.compiler.test_stages import expected_maps

CONFIG = ArrayConfig(rows=2, cols=4, lanes=8, weight_depth=48, requantize_depth=64, sum_bits=20)


def draw_plan(rng, least):
    """A random graph of several stages."""
    while True:
        try:
            graph = draw_graph(rng, 3, 1)
            stages = plan_streamed(graph, CONFIG, split=bool(rng.integers(2)))
        except (GraphError, CapacityError):
            continue
        if len(stages) >= least:
            return graph, stages


def test_stages_use_the_halves_of_the_banks_by_turns(seed):
    _, stages = draw_plan(np.random.default_rng(seed), 4)
    for i, stage in enumerate(stages):
        program = stage.program
        assert program.weight_start == 24 * (i % 2)
        assert program.weights.shape[1] <= 24
        words = {program.address_map.decode(address).word for address, _ in program.load_writes()
                 if program.address_map.decode(address).region == Region.WEIGHTS}
        assert words == set(range(program.weight_start, program.weight_start + program.weights.shape[1]))


@pytest.mark.parametrize("number", range(4))
def test_interpreted_stages_give_the_results_of_the_graph(number, seed):
    rng = np.random.default_rng([seed, number])
    graph, stages = draw_plan(rng, 2)
    maps = draw_maps(rng, graph, 2)
    made = run_stages(graph, stages, maps)
    for name, expected in expected_maps(graph, maps).items():
        assert np.array_equal(made[name].reshape(expected.shape), expected)


def test_rtl_with_weights_that_arrive_during_the_run(seed):
    rng = np.random.default_rng(seed)
    graph, stages = draw_plan(rng, 5)
    runs = stream_stages(CONFIG, stages, expected_maps(graph, draw_maps(rng, graph, stages[0].program.images)))
    assert [run.mismatches for run in runs] == [0] * len(stages)
    assert [run.cycles for run in runs] == [run.predicted for run in runs]


def test_weights_do_not_wait_for_the_end_of_a_run():
    builder = Builder(1, {"a": MapShape(12, 12, 8)})
    builder.layer("one", ("a", 3, 1), outputs=4)
    builder.layer("two", ("one", 3, 1), outputs=8)
    first, second = transfers(plan_streamed(builder.graph, CONFIG, split=True))
    model = AcceleratorModel(CONFIG)
    try:
        status, control = (model.map.address(Region.REGISTERS, word=register)
                           for register in (Register.STATUS, Register.CONTROL))
        model.write([*first.weights, *first.others, (control, 1), *second.weights])
        assert len(second.weights) > 50
        assert model.read([status]) == [Status.BUSY]
    finally:
        model.close()


def costs_of(rate):
    builder = Builder(1, {"a": MapShape(20, 20, 8)})
    builder.layer("one", ("a", 3, 1), outputs=8)
    builder.layer("two", ("one", 3, 1), outputs=8)
    builder.dense("three", "two", 8, raw=True)
    return streamed_costs(plan_streamed(builder.graph, CONFIG.replace(weight_depth=2000), split=True), rate)


def test_a_slow_link_binds_and_a_fast_one_does_not():
    fast, slow = costs_of(1), costs_of(Fraction(1, 100))
    assert [cost.name for cost in fast] == ["one", "two", "three"]
    assert [cost.bound for cost in fast] == ["array"] * 3
    assert [cost.bound for cost in slow] == ["link", "link", "array"]
    assert [100 * cost.weights for cost in fast] == [cost.weights for cost in slow]
    assert all(cost.cycles == cost.between + max(cost.array, cost.weights) for cost in fast + slow)
    assert fast[-1].weights == 0


def test_the_words_of_a_flash(seed):
    """The sequences of a loader, and one that leaves every address as the programs of all stages in turn leave it."""
    _, stages = draw_plan(np.random.default_rng(seed), 3)
    image, load = flash_words(stages)
    loader = loader_image(stages, 1 << 20)
    assert (image.words[:load], image.begins, image.fresh) == (loader.words, loader.begins, loader.fresh)
    layout, words = stages[0].program.address_map, iter(image.words[load:])
    found = {}
    while count := next(words):
        address = next(words)
        for _ in range(count):
            assert address not in found
            found[address] = next(words)
            address = layout.following(address)
    assert not list(words)
    assert found == {address: value for stage in stages for address, value in stage.program.load_writes()}


def test_a_link_must_carry_something():
    with pytest.raises(ValueError, match=r"^words_per_cycle must be positive, not 0$"):
        costs_of(0)


def test_banks_too_small_for_half_a_piece_are_refused():
    graph = Graph(inputs={"a": MapShape(3, 3, 64)}, layers=draw_plan(np.random.default_rng(1), 2)[0].layers[:0])
    assert plan_streamed(graph, CONFIG) == ()
