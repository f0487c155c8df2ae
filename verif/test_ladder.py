"""The digits program on netlists of the three families, and on a bitstream turned back into Verilog."""

import pytest

from fpga.boards import board_named
from fpga.netlist_board import synthesize_without_pll
from fpga.tools import tool
from golden.networks import digits_graph_untrained
from hdl.config import ArrayConfig
from verif.ladder import BOARDS, RUNGS, climb, right

# two rows and columns with registers between, as small as the digits allow; memories of several depths
CONFIG = ArrayConfig.preset("icebreaker").replace(rows=2, cols=2, lanes=16, tile=1, pipeline=1, weight_depth=2048)
IMAGES = 4

ICEBOX = tool("icebox_vlog")


@pytest.mark.slow
@pytest.mark.parametrize(("rung", "family"), [
    pytest.param("bitstream", "ice40", marks=pytest.mark.skipif(
        not ICEBOX.available, reason=f"icebox_vlog is missing: {ICEBOX.get}")),
    ("netlist", "ice40"), ("netlist", "ecp5"), ("netlist", "gowin")])
def test_digits(rung, family, tmp_path):
    board = board_named(BOARDS[family])
    synthesize_without_pll(board, CONFIG, tmp_path)
    row = climb(rung, RUNGS[rung](board, tmp_path), family, CONFIG, digits_graph_untrained(), IMAGES)
    assert (row["images"], row["logits"], row["wrong"]) == (IMAGES, 10 * IMAGES, 0)
    assert (row["cycles"], row["runs_with_other_cycles"]) == (row["cycles_predicted"], 0)


def test_what_is_not_right():
    row = {"wrong": 0, "runs_with_other_cycles": 0}
    assert right(row)
    assert not right({**row, "wrong": 1})
    assert not right({**row, "runs_with_other_cycles": 1})
