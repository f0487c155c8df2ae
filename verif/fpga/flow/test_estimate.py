"""Sizes without synthesis: block RAMs as the tools place them, LUTs near the counts of Yosys."""

from pathlib import Path

import numpy as np
import pytest

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.build import synthesize
from signum.fpga.flow.estimate import board_cells, element_cells, fit_area, ram_blocks
from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.flow.families.ice40 import ICE40
from signum.hdl.config import ArrayConfig

BASE = ArrayConfig(rows=1, cols=1, lanes=8, tile=8, acc_bits=10, sum_bits=12, fetch_width=4, access_patterns=1,
                   zero_padding=0, requantize_depth=0)


def test_blocks_of_the_smallest_board():
    # nextpnr places 29 of the 30 for `make bitstream`
    assert ram_blocks(ArrayConfig.preset("icebreaker"), ICE40) == 29


@pytest.mark.parametrize(("depth", "blocks"), [(512, 1), (513, 2), (1024, 2), (2048, 4), (4096, 8), (16384, 32)])
def test_a_bank_takes_the_shape_that_fits_best(depth, blocks):
    # weights of one column of 32 lanes on ECP5; all else is of LUTs
    config = BASE.replace(lanes=32, weight_depth=depth, activation_depth=16, threshold_depth=16, program_depth=16)
    assert ram_blocks(config, ECP5) == blocks


def test_the_fit_finds_the_shares():
    shares = np.array([1500, 90, 20, 6.5, 12, 3, 1])

    def size(function, config):
        rows, cols, lanes, width = (config[name] for name in ("rows", "cols", "lanes", "drain_width"))
        around = shares @ [1, rows, rows * width, rows * lanes, cols, lanes, rows * cols]
        element = 2 * lanes + 10 + 5 * config["pipeline"]
        return element if function is element_cells else round(around + rows * cols * element)

    model = fit_area(BASE, [(64, 2)], "ecp5", lambda function, calls: [size(function, call[0]) for call in calls])
    config = BASE.replace(rows=12, cols=32, lanes=64, pipeline=2, drain_width=4, tile=16)
    assert model(config) == pytest.approx(size(board_cells, config.to_dict()), rel=0.01)


@pytest.mark.slow
def test_luts_are_near_what_is_built(tmp_path: Path):
    model = fit_area(BASE, [(16, 1)], "ecp5", lambda function, calls: [function(*call) for call in calls])
    config = BASE.replace(rows=4, cols=8, lanes=16, pipeline=1, drain_width=2)
    board = board_named("ulx3s-12f")
    assert board.family is ECP5
    line = board.line()
    built = synthesize(board, board.design(config, board.pll(50e6), line), line, tmp_path)
    assert model(config) == pytest.approx(built["lut4_equivalents"], rel=0.15)
