"""Tap ranges: planes of one weight are one record, and its loops read the maps in the order of their weights."""

import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.golden.compiler.program import Program
from signum.golden.reference.interpret import interpret
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import SegmentFlag

ARRAY = ArrayConfig(rows=2, cols=3, lanes=8, acc_bits=10, sum_bits=16, fetch_width=4, activation_depth=4096,
                    weight_depth=4096, threshold_depth=4096)
SHAPE = MapShape(5, 6, 8)


def program_of(order: str, doubles: str, kernel: tuple[int, int], config: ArrayConfig = ARRAY,
               dilation: tuple[int, int] = (1, 1)) -> Program:
    """A layer with a segment on each map of ``order``; a digit 1 in ``doubles`` marks a segment that doubles.

    The results of the program are checked against the graph. A layer before reads all maps by other windows, so that
    none is packed.
    """
    rng = np.random.default_rng(len(order))
    names = sorted(set(order))
    padding = (kernel[0] // 2 * dilation[0], kernel[1] // 2 * dilation[1]) * 2

    def segment(name: str, size: tuple[int, int], double: bool, around: tuple[int, int, int, int],
                apart: tuple[int, int] = (1, 1)) -> Segment:
        return Segment(source=name, weights=rng.random((4, SHAPE.channels, *size)) < 0.5, padding=around,
                       dilation=apart, pad=np.ones(SHAPE.channels, dtype=bool), double=double)

    before = Layer(name="before", segments=tuple(segment(name, (2, 2), False, (0, 0, 0, 0)) for name in names),
                   thresholds=np.full((1, 1, 4), 50))
    layer = Layer(name="sums", segments=tuple(segment(name, kernel, double == "1", padding, dilation)
                                              for name, double in zip(order, doubles, strict=True)),
                  offset=np.zeros(4, dtype=np.int64))
    graph = Graph(inputs=dict.fromkeys(names, SHAPE), layers=(before, layer))
    maps = {name: rng.random((2, SHAPE.height, SHAPE.width, SHAPE.channels)) < 0.5 for name in names}
    program = compile_graph(graph, config)
    _, results = interpret(program, maps)
    wanted = graph.run(maps)["sums"]
    np.testing.assert_array_equal(results.reshape(wanted.shape), wanted)
    return program


def shapes(program: Program) -> list[tuple[int, int, int]]:
    """Words, runs and lines of each segment of the last layer."""
    return [(part["words"] + 1, part["runs"] + 1, part["lines"] + 1) for part in program.records[-1].segments]


@pytest.mark.parametrize(("kernel", "loops"), [((1, 1), (1, 3, 1)), ((1, 4), (4, 3, 1)), ((3, 3), (3, 3, 3))])
def test_maps_at_equal_distances_are_one_record(kernel: tuple[int, int], loops: tuple[int, int, int]) -> None:
    assert shapes(program_of("abc", "000", kernel)) == [loops]
    assert shapes(program_of("cba", "000", kernel)) == [loops]
    assert shapes(program_of("bbb", "000", kernel)) == [loops]


def test_each_weight_is_a_record_that_doubles() -> None:
    program = program_of("aabab", "01010", (1, 1))
    assert shapes(program) == [(1, 1, 1), (1, 2, 1), (1, 2, 1)]
    flags = [bool(part["flags"] & SegmentFlag.DOUBLE) for part in program.records[-1].segments]
    assert flags == [False, True, True]
    assert program.records[-1].fields["drains"] == 2


def test_maps_at_other_distances_are_records_of_their_own() -> None:
    """Long enough, they continue one sum in the accumulators."""
    program = program_of("abd" + "c", "0000", (3, 3))
    assert [lines for *_, lines in shapes(program)] == [2, 2]
    assert program.records[-1].fields["drains"] == 0


def gated_program(order: str, first: int, doubles: str, config: ArrayConfig) -> Program:
    """A layer with a segment on each map of ``order``, gated from ``first`` on; checked against the graph."""
    rng = np.random.default_rng(first)
    segments = tuple(Segment(source=name, weights=rng.random((4, SHAPE.channels, 3, 3)) < 0.5, double=double == "1",
                             gated=number >= first) for number, (name, double) in enumerate(zip(order, doubles,
                                                                                                strict=True)))
    before = Layer(name="before", thresholds=np.full((1, 1, 4), 50), segments=tuple(
        Segment(source=name, weights=rng.random((4, SHAPE.channels, 2, 2)) < 0.5) for name in sorted(set(order))))
    gates, closed, opened = (np.full((1, 1, 4), value) for value in (36 * first, 40 * first, 36 * len(order)))
    layer = Layer(name="gated", segments=segments, combine="gated", gates=gates, thresholds=closed,
                  open_thresholds=opened)
    graph = Graph(inputs=dict.fromkeys(sorted(set(order)), SHAPE), layers=(before, layer))
    maps = {name: rng.random((2, SHAPE.height, SHAPE.width, SHAPE.channels)) < 0.5 for name in graph.inputs}
    program = compile_graph(graph, config.replace(gate=1))
    memory, _ = interpret(program, maps)
    place = program.maps["gated"]
    np.testing.assert_array_equal(place.to_elements(memory[:, place.addresses]), graph.run(maps)["gated"])
    return program


@pytest.mark.parametrize(("order", "first", "doubles", "lines", "drains", "gated"), [
    ("abc", 1, "000", [3, 6], 2, 1),        # one record on either side of the gate
    ("aabb", 2, "0000", [6, 6], 2, 1),
    ("abab", 2, "0101", [3, 3, 3, 3], 4, 2),     # weights of 2 bits: two drains decide, two are gated
])
def test_ranges_end_at_the_gate(order: str, first: int, doubles: str, lines: list[int], drains: int,
                                gated: int) -> None:
    program = gated_program(order, first, doubles, ARRAY)
    record = program.records[-1]
    assert [(part["runs"] + 1) * (part["lines"] + 1) for part in record.segments] == lines
    assert record.fields["drains"] + 1 == drains
    assert record.fields["gated"] == gated


def test_a_gated_plane_in_several_drains_has_one_gate() -> None:
    """7 bits hold one kernel of 72 taps, and 6 bits two lines of three."""
    for acc_bits, drains in ((7, 2), (6, 4)):
        record = gated_program("abc", 1, "000", ARRAY.replace(acc_bits=acc_bits)).records[-1]
        assert record.fields["gated"] == drains


def test_accumulators_double_on_one_side_of_the_gate_alone() -> None:
    record = gated_program("abab", 2, "0101", SHIFTING).records[-1]
    assert [bool(part["flags"] & SegmentFlag.SHIFT) for part in record.segments] == [True, False, False]
    assert [bool(part["flags"] & SegmentFlag.DOUBLE) for part in record.segments] == [False, False, True]
    assert (record.fields["drains"] + 1, record.fields["gated"]) == (3, 2)


def test_a_record_ends_where_the_accumulator_is_full() -> None:
    """Three maps of 9 words of 8 lanes are 216 taps, and 7 bits hold one map."""
    program = program_of("abc", "000", (3, 3), ARRAY.replace(acc_bits=7))
    assert shapes(program) == [(3, 3, 1)] * 3
    assert program.records[-1].fields["drains"] == 2


SHIFTING = ARRAY.replace(acc_bits=13, accumulator_shift=1)


def flags_of(program: Program, flag: SegmentFlag) -> list[bool]:
    return [bool(part["flags"] & flag) for part in program.records[-1].segments]


@pytest.mark.parametrize(("kernel", "loops"), [((1, 1), (1, 1, 3)), ((3, 3), (3, 3, 3))])
def test_accumulators_double_before_each_plane_of_one_record(kernel: tuple[int, int], loops: tuple[int, ...]) -> None:
    program = program_of("abc", "011", kernel, SHIFTING)
    assert shapes(program) == [loops]
    assert flags_of(program, SegmentFlag.SHIFT) == [True]
    assert flags_of(program, SegmentFlag.DOUBLE) == [False]
    assert program.records[-1].fields["drains"] == 0


@pytest.mark.parametrize(("maps", "doubles", "shifts"), [
    ("abab", "0101", [True, False, True]), ("abac", "0010", [False, True, False]), ("aabc", "0011", [False, True])])
def test_planes_of_equal_weight_are_records_of_one_sum(maps: str, doubles: str, shifts: list[bool]) -> None:
    """Records of a whole kernel give the sequencer time to fetch the next one."""
    program = program_of(maps, doubles, (3, 3), SHIFTING)
    assert flags_of(program, SegmentFlag.SHIFT) == shifts
    assert program.records[-1].fields["drains"] == 0


def test_short_planes_of_equal_weight_are_drained() -> None:
    program = program_of("aabab", "01010", (1, 1), SHIFTING)
    assert flags_of(program, SegmentFlag.SHIFT) == [True, False, False]
    assert flags_of(program, SegmentFlag.DOUBLE) == [False, False, True]


def test_planes_whose_kernel_takes_all_loops_are_drained() -> None:
    program = program_of("abc", "011", (3, 3), SHIFTING, dilation=(1, 2))
    assert shapes(program) == [(1, 3, 3)] * 3
    assert flags_of(program, SegmentFlag.SHIFT) == [False] * 3
    assert flags_of(program, SegmentFlag.DOUBLE) == [False, True, True]


def test_planes_past_a_full_accumulator_double_the_drained_sum() -> None:
    """Maps of 72 lanes: 72, 216 and 504 taps, and 8 bits hold two planes."""
    program = program_of("abc", "011", (3, 3), SHIFTING.replace(acc_bits=8))
    assert shapes(program) == [(3, 3, 2), (3, 3, 1)]
    assert flags_of(program, SegmentFlag.SHIFT) == [True, False]
    assert flags_of(program, SegmentFlag.DOUBLE) == [False, True]
    assert program.records[-1].fields["drains"] == 1


def pooled_program(config: ArrayConfig) -> Program:
    """A layer on a map with the same weights at all positions, of two planes, checked against the graph."""
    rng = np.random.default_rng(3)
    shape = MapShape(3, 4, 20)
    weights = rng.random((2, 5, shape.channels, 1, 1)) < 0.5
    segments = tuple(Segment(source="a", weights=np.broadcast_to(plane, (5, shape.channels, 3, 4)), double=i > 0)
                     for i, plane in enumerate(weights))
    before = Layer(name="a", segments=(Segment(source="input", weights=rng.random((20, 8, 1, 1)) < 0.5),),
                   thresholds=np.full((1, 1, 20), 4))
    graph = Graph(inputs={"input": MapShape(3, 4, 8)},
                  layers=(before, Layer(name="sums", segments=segments, offset=np.zeros(5, dtype=np.int64))))
    maps = {"input": rng.random((2, 3, 4, 8)) < 0.5}
    program = compile_graph(graph, config)
    assert np.array_equal(interpret(program, maps)[1].reshape(2, 1, 1, 5), graph.run(maps)["sums"])
    return program


def test_weights_of_all_positions_are_in_memory_once() -> None:
    """Three words a pixel, two planes and two blocks of channels."""
    once, often = (pooled_program(ARRAY.replace(weight_repeats=repeats)) for repeats in (1, 0))
    first = 7 * 1       # blocks of the layer before, of one word
    assert once.weights.shape[1] - first == 2 * 2 * 3
    assert often.weights.shape[1] - first == 2 * 2 * 3 * 12
    for program, repeats in ((once, True), (often, False)):
        assert [bool(part["flags"] & SegmentFlag.REPEAT) for part in program.records[-1].segments] == 2 * [repeats]


def test_parts_of_a_repeated_kernel_repeat_their_own_weights() -> None:
    """An accumulator of 63 holds two of a line's positions of three words."""
    program = pooled_program(ARRAY.replace(acc_bits=6, weight_repeats=1))
    assert shapes(program) == [(3, 2, 1)] * 12
    assert program.weights.shape[1] == 7 + 2 * 12 * 3
