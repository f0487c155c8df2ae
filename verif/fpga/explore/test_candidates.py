"""The candidate arrays, and the order of their figures."""

import pytest

from signum.fpga.explore.candidates import axes_of, candidates, graph_of, nearest, ranked
from signum.fpga.flow.boards import board_named
from signum.golden.compiler.sizing import compile_fitted

AXES = {"rows": (1, 2), "cols": (4, 8), "lanes": (16,), "tile": (4, 8), "pipeline": (0,), "drain_width": (1, 8)}


def test_every_array_once():
    found = candidates(graph_of("sfc"), board_named("ulx3s-12f"), AXES)
    sizes = [(config.rows, config.cols, config.tile, config.drain_width, split) for config, split in found]
    assert len(set(sizes)) == len(sizes)
    # with 4 columns a tile of 8 becomes 4; a drain of 8 needs 8 columns in a tile
    one_image = [(1, 4, 4, 1), (1, 8, 4, 1), (1, 8, 8, 1), (1, 8, 8, 8)]
    assert set(sizes) == {(*size, False) for size in one_image} | {
        (2, *size[1:], split) for size in one_image for split in (False, True)}


@pytest.mark.parametrize(("board", "width", "registers", "pipeline"), [
    ("icebreaker", 1, 0, (1, 2)), ("tang_nano_9k", 8, 1, (3, 5)), ("ulx3s-12f", 8, 2, (2, 3))])
def test_program_and_registers_are_such_as_the_family_allows(board, width, registers, pipeline):
    found = candidates(graph_of("sfc"), board_named(board), AXES)
    assert {(config.fetch_width, config.memory_registers) for config, _ in found} == {(width, registers)}
    assert axes_of(board_named(board))["pipeline"] == pipeline


def test_sums_are_as_wide_as_the_program_needs():
    config, split = candidates(graph_of("cnv"), board_named("ulx3s-12f"), AXES)[0]
    program = compile_fitted(graph_of("cnv"), config, split=split)
    assert (config.acc_bits, config.sum_bits) == (program.config.acc_bits, program.config.sum_bits)


def row(lut: int, ram: int | None, latency: float, fits: bool = True) -> dict:
    return {"lut": lut, "ram": ram, "latency_ms": latency, "images_per_s": 1000 / latency, "fits": fits}


def test_the_order():
    best, small, large = row(100, 1, 1.0), row(90, 1, 2.0), row(95, 1, 2.0)
    for objective in ("latency", "images_per_s"):
        assert ranked([large, row(1, 1, 0.1, fits=False), best, small], objective) == [best, small, large]


def test_the_nearest():
    # 3,696 LUTs and 30 block RAMs
    unknown, luts, rams = row(10, None, 1.0), row(3696 * 2, 3, 1.0), row(100, 45, 1.0)
    assert nearest([unknown, luts, rams], board_named("icebreaker")) is rams
    assert nearest([unknown], board_named("icebreaker")) is unknown
