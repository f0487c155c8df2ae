"""The digits program on netlists of the three families, and on a bitstream turned back into Verilog."""

import json

import pytest

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.flow.tools import tool
from signum.fpga.host.netlist_board import synthesize_without_pll
from signum.golden.networks.digits import digits_graph_untrained
from signum.hdl.config import ArrayConfig
from signum.verif.runs.ladder import BOARDS, RUNGS, climb, right

# two rows and columns with registers between, as small as the digits allow; memories of several depths
CONFIG = ArrayConfig.preset("icebreaker").replace(rows=2, cols=2, lanes=16, tile=1, pipeline=1, weight_depth=2048)
# with the most registers
REGISTERED = CONFIG.replace(pipeline=3, memory_registers=1)
IMAGES = 4

ICEBOX = tool("icebox_vlog")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["ice40", "ecp5", "gowin"])
def test_digits(family, tmp_path):
    board = next(board for board in map(board_named, BOARDS) if board.family.name == family)
    config = CONFIG if family == "ice40" else REGISTERED
    synthesize_without_pll(board, config, tmp_path)
    if family == "ecp5":
        check_registers(tmp_path / ECP5.netlist)
    for rung in RUNGS if board.family.read_back else ["netlist"]:
        if rung == "bitstream" and not ICEBOX.available:
            pytest.skip(f"icebox_vlog is missing: {ICEBOX.get}")
        row = climb(rung, RUNGS[rung](board, tmp_path), family, config, digits_graph_untrained(), IMAGES)
        assert (row["images"], row["logits"], row["wrong"]) == (IMAGES, 10 * IMAGES, 0)
        assert (row["cycles"], row["runs_with_other_cycles"]) == (row["cycles_predicted"], 0)


def check_registers(netlist):
    """The registers after the banks are in the block RAMs."""
    cells = [cell for module in json.loads(netlist.read_text())["modules"].values()
             for name, cell in module["cells"].items() if cell["type"] == "DP16KD" and ".bridge." not in name]
    assert len(cells) >= CONFIG.rows + CONFIG.cols + 1
    assert all("OUTREG" in (cell["parameters"]["REGMODE_A"], cell["parameters"]["REGMODE_B"]) for cell in cells)


def test_what_is_not_right():
    row = {"wrong": 0, "runs_with_other_cycles": 0}
    assert right(row)
    assert not right({**row, "wrong": 1})
    assert not right({**row, "runs_with_other_cycles": 1})
