"""Whole programs on the accelerator: results equal to the golden model's, and cycles equal to the prediction."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.golden.layers.binary import BatchNorm, MaxPool
from signum.golden.layers.encoder import BitPlanes
from signum.golden.layers.quant import Levels, QuantConv2d, QuantLinear
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, SegmentFlag
from signum.hdl.host.bus import MAGIC, VERSION, Register, RegisterField, config_fields
from signum.verif.bench.cases import Case, draw_case, draw_config, draw_maps
from signum.verif.bench.programs import check_cases
from signum.verif.bench.simulate import default_seed, simulate
from signum.verif.golden.compiler.test_compile import residual
from signum.verif.runs.soak import check_array

CORNERS = {
    "one of each": ArrayConfig(rows=1, cols=1, lanes=1, tile=1, acc_bits=4, sum_bits=12),
    "one wide": ArrayConfig(rows=1, cols=1, lanes=64),
    "one row": ArrayConfig(rows=1, cols=6, lanes=9, tile=4, pipeline=1, access_patterns=1),
    "one column": ArrayConfig(rows=5, cols=1, lanes=5, tile=2, acc_bits=6),
    "uneven": ArrayConfig(rows=3, cols=5, lanes=7, tile=2),
    "two slices": ArrayConfig(rows=7, cols=2, lanes=33, tile=1, pipeline=4, memory_registers=1),
    "parity": ArrayConfig(rows=3, cols=4, lanes=6, tile=2, drain_width=2, parity=1),
    "low tiles": ArrayConfig(rows=5, cols=6, lanes=5, tile=6, tile_height=2, pipeline=1, parity=1),
}


INT8_CORNERS = {
    "one of each": {"rows": 1, "cols": 1, "lanes": 1, "tile": 1},
    "one row": {"rows": 1, "cols": 5, "lanes": 3, "tile": 2, "pipeline": 2},
    "one column": {"rows": 4, "cols": 1, "lanes": 4, "pipeline": 3},
    "uneven": {"rows": 3, "cols": 5, "lanes": 5, "tile": 2, "pipeline": 1},
}


# with the default seed array 0 has 56 elements of 64 lanes and takes five times as long to compile as the others
@pytest.mark.sweep(4)
@pytest.mark.parametrize("index", [pytest.param(i, marks=() if i in (1, 4) else pytest.mark.slow) for i in range(10)])
def test_random_arrays(index):
    check_array(default_seed(), index, pairs=5)


@pytest.mark.parametrize(("rows", "width", "register"), [(5, 1, 0), (3, 2, 1)])
def test_rows_that_share_their_thresholds(rows: int, width: int, register: int) -> None:
    """One threshold memory for several tile rows: thresholds, several thresholds of a sum, and raw results."""
    config = ArrayConfig(rows=rows, cols=6, lanes=8, tile=2, drain_width=width, sum_bits=20, weight_depth=4096,
                         activation_depth=4096, threshold_depth=1024, raw_depth=512, zero_padding=0,
                         threshold_levels=2, memory_registers=register)
    rng = np.random.default_rng(default_seed())
    cases = [draw_case(rng, config) for _ in range(6)] + [draw_shared(rng, config) for _ in range(2)]
    assert {case.program.split for case in cases} == {True, False}
    assert {case.program.result is None for case in cases} == {True, False}
    check_cases(config, cases)


def test_random_array_on_each_simulator(simulator):
    check_array(default_seed(), 100, pairs=3, simulator=simulator)


def draw_shared(rng: np.random.Generator, config: ArrayConfig) -> Case:
    """A random case with several thresholds of a sum."""
    while True:
        case = draw_case(rng, config)
        if any(record.fields["levels"] for record in case.program.records):
            return case


def draw_shifting(rng: np.random.Generator, config: ArrayConfig) -> Case:
    """A random case in which the accumulators double."""
    while True:
        case = draw_case(rng, config)
        if any(segment["flags"] & SegmentFlag.SHIFT for record in case.program.records for segment in record.segments):
            return case


@pytest.mark.sweep(2)
@pytest.mark.parametrize("index", [pytest.param(i, marks=() if i < 2 else pytest.mark.slow) for i in range(5)])
def test_accumulators_that_double(index: int) -> None:
    rng = np.random.default_rng([default_seed(), index])
    config = draw_config(rng, element_bits=1)
    while not config.accumulator_shift or config.acc_bits < 9 or config.cols > 8:
        config = draw_config(rng, element_bits=1)
    check_cases(config, [draw_shifting(rng, config) for _ in range(5)])


def draw_gated(rng: np.random.Generator, config: ArrayConfig) -> Case:
    """A random case with a gated layer."""
    while True:
        case = draw_case(rng, config)
        if any(record.fields["gated"] for record in case.program.records):
            return case


@pytest.mark.sweep(2)
@pytest.mark.parametrize("index", [pytest.param(i, marks=() if i < 2 else pytest.mark.slow) for i in range(5)])
def test_gated_layers(index: int) -> None:
    rng = np.random.default_rng([default_seed(), index])
    config = draw_config(rng, element_bits=1)
    while not config.gate or config.cols > 8:
        config = draw_config(rng, element_bits=1)
    check_cases(config, [draw_gated(rng, config) for _ in range(6)])


@pytest.mark.parametrize("registers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("split", [False, True])
def test_a_gated_drain_waits_for_its_gate(registers: int, split: bool) -> None:
    """A plane of one step on one column, behind one that hides the fetch: its drain would come before the decision."""
    config = ArrayConfig(rows=2, cols=1, lanes=8, tile=1, fetch_width=8, memory_registers=registers, gate=1)
    rng = np.random.default_rng(default_seed())
    planes = {"high": MapShape(3, 4, 80), "low": MapShape(3, 4, 8)}
    segments = tuple(Segment(source=name, weights=rng.random((5, planes[name].channels, 1, 1)) < 0.5, double=gated,
                             gated=gated) for name, gated in (("high", False), ("low", True)))
    gates, closed, opened = (rng.integers(middle - 5, middle + 6, (1, 1, 5)) for middle in (40, 80, 84))
    graph = Graph(inputs=planes, layers=(Layer(name="gated", segments=segments, combine="gated", gates=gates,
                                               thresholds=closed, open_thresholds=opened),))
    program = compile_graph(graph, config, split=split)
    gap = program.records[0].segments[0]["gap"]
    assert gap == config.gate_cycles - 1 > max(0, Isa(config).segment_fetch - 10)
    check_cases(config, [Case(program, graph, draw_maps(rng, graph, program.images)) for _ in range(3)])


@pytest.mark.sweep(2)
@pytest.mark.parametrize("index", [pytest.param(i, marks=() if i < 2 else pytest.mark.slow) for i in range(5)])
def test_several_thresholds_of_a_sum(index: int) -> None:
    rng = np.random.default_rng([default_seed(), index])
    while True:
        config = draw_config(rng, element_bits=1)
        if config.threshold_levels > 1 and config.cols < 9:
            break
    check_cases(config, [draw_shared(rng, config) for _ in range(5)])


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in CORNERS])
def test_corners(name):
    config = CORNERS[name].replace(weight_depth=4096, activation_depth=4096, threshold_depth=4096, sum_bits=20)
    rng = np.random.default_rng(default_seed())
    check_cases(config, [draw_case(rng, config) for _ in range(4)])


@pytest.mark.sweep(3)
@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize(("weight_bits", "count"), [(1, 3), (2, 3), (2, 2)], ids=["W1A2", "W2A2", "ternary"])
def test_networks_of_several_bits(weight_bits: int, count: int, levels: int) -> None:
    """Pixels of 4 bits into layers whose weights and activations have several bits, in both modes."""
    torch.manual_seed(default_seed())
    network = nn.Sequential(
        QuantConv2d(3, 6, 3, weight_bits=4, padding=1, pad=0), BatchNorm(6, momentum=1.0), Levels(count),
        QuantConv2d(6, 7, 3, weight_bits=weight_bits, padding=1, pad=0), BatchNorm(7, momentum=1.0), MaxPool(2),
        Levels(count), nn.Flatten(), QuantLinear(7 * 6, 5, weight_bits=weight_bits))
    rng = np.random.default_rng(default_seed())
    encoder = BitPlanes(4)
    with torch.no_grad():
        network(encoder.tensor(rng.integers(0, 16, (20, 3, 4, 6))))     # statistics of the norms
        images = rng.integers(0, 16, (3, 3, 4, 6))
        wanted = network.eval()(encoder.tensor(images)).numpy()
    graph = fold(network, encoder, (3, 4, 6))
    maps = encoder.bits(images)
    np.testing.assert_array_equal(graph.layers[-1].values(graph.run(maps)[graph.layers[-1].name])[:, 0, 0], wanted)
    config = CORNERS["uneven"].replace(weight_depth=4096, activation_depth=4096, threshold_depth=4096, sum_bits=20,
                                       program_depth=1024, threshold_levels=levels)
    programs = [compile_graph(graph, config, split=split) for split in (False, True)]
    assert levels == 1 or programs[0].records[0].fields["levels"] == count - 1
    check_cases(config, [Case(program, graph, {name: values[:program.images] for name, values in maps.items()})
                         for program in programs])


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name != "uneven" else ())
                                  for name in CORNERS])
def test_residual_blocks(name):
    """The paper's block on every corner, with and without pooling, in both modes."""
    config = CORNERS[name].replace(access_patterns=2, requantize_depth=40, scale_bits=18, sum_bits=20)
    rng = np.random.default_rng(default_seed())
    cases = []
    for pool, split in (((1, 1), False), ((2, 2), False), ((1, 1), True), ((2, 2), True)):
        graph = residual(channels=1 if config.acc_bits < 6 else 6, pool=pool)
        program = compile_graph(graph, config, split=split)
        cases.append(Case(program, graph, draw_maps(rng, graph, program.images)))
    check_cases(config, cases)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name != "uneven" else ())
                                  for name in INT8_CORNERS])
def test_arrays_of_8_bit_elements(name):
    config = ArrayConfig(**INT8_CORNERS[name], element_bits=8, acc_bits=28, sum_bits=32, requantize_shift=16,
                         weight_depth=4096, activation_depth=4096, threshold_depth=4096, program_depth=512)
    rng = np.random.default_rng(default_seed())
    check_cases(config, [draw_case(rng, config) for _ in range(4)])


@pytest.mark.slow
def test_large_array():
    config = ArrayConfig(rows=16, cols=16, lanes=32, sum_bits=20, weight_depth=2048, activation_depth=2048,
                         threshold_depth=4096)
    rng = np.random.default_rng(default_seed())
    check_cases(config, [draw_case(rng, config) for _ in range(4)])


@pytest.mark.parametrize("split", [False, True])
def test_digits_network(split):
    config = ArrayConfig.preset("icebreaker")
    graph = digits_graph_untrained(0)
    program = compile_graph(graph, config, split=split)
    maps = digits_encoder().bits(digits().test.images[:4])
    batches = [{name: bits[i:i + program.images] for name, bits in maps.items()} for i in (0, 2)]
    check_cases(config, [Case(program, graph, batch) for batch in batches])


@pytest.mark.slow
def test_reset_in_the_middle_of_a_run():
    config = ArrayConfig(rows=2, cols=3, lanes=5, tile=2, sum_bits=20, weight_depth=1024, threshold_depth=1024)
    rng = np.random.default_rng(default_seed())
    cases = [draw_case(rng, config) for _ in range(5)]
    for interrupt in (1, 37, 90):
        check_cases(config, cases, interrupt=interrupt)


def read_registers(config: ArrayConfig) -> dict[str, int]:
    places = {"magic": RegisterField(Register.MAGIC, 0, 32), "version": RegisterField(Register.VERSION, 0, 32),
              **config_fields()}
    result = simulate(Accelerator(config=config), "signum.verif.bench.bench_accelerator", test="registers", parameters={
        "config": config.to_dict(), "read_registers": [place.word for place in places.values()], "stall": 0.3,
        "seed": 1})
    return {name: word >> place.offset & (1 << place.bits) - 1
            for (name, place), word in zip(places.items(), result.values["registers"], strict=True)}


@pytest.mark.parametrize("changes", [{}, {"gate": 1}, {"zero_padding": 0, "raw_depth": 64}])
def test_registers_tell_the_configuration(changes: dict[str, int]) -> None:
    config = ArrayConfig.preset("tiny").replace(**changes)
    assert read_registers(config) == {"magic": MAGIC, "version": VERSION, **config.to_dict()}


def test_registers_of_the_smallest_memories():
    """The address of a register has the width of the number of registers, and no more."""
    config = ArrayConfig(rows=1, cols=1, lanes=1, acc_bits=4, weight_depth=1, activation_depth=1, threshold_depth=1,
                         program_depth=1, requantize_depth=1)
    assert read_registers(config) == {"magic": MAGIC, "version": VERSION, **config.to_dict()}
