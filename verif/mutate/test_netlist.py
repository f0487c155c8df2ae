"""Mutants of a netlist: which are drawn, and what stays as it is."""

import pytest

from signum.fpga.host.model import Model
from signum.hdl.lib.emit import EmitError

from .netlist import MUTANTS, mutants_of

MODULE = """\
module unit(input clk, input rst, input [3:0] a, input [3:0] b, output reg [3:0] sum, output both);
  wire [3:0] either = a | b;
  assign both = (either & a & b) != 0;
  initial sum = 0;
  always @(posedge clk) if (rst) sum <= 0; else sum <= a + b;
endmodule
"""


def test_the_same_seed_draws_the_same_mutants() -> None:
    first, second, other = (mutants_of(MODULE, 20, seed) for seed in (1, 1, 2))
    assert first == second
    assert first.changes != other.changes
    assert len(set(first.changes)) == 20


def test_clocks_and_outputs_of_flip_flops_stay() -> None:
    changes = mutants_of(MODULE, 5000, 1).changes
    assert any("-port D " in change for change in changes)
    assert not any("-port CLK " in change or "-port Q " in change for change in changes)


def test_no_more_mutants_than_there_are() -> None:
    assert 20 < len(mutants_of(MODULE, 5000, 1).changes) < 5000


def test_a_module_that_yosys_refuses() -> None:
    with pytest.raises(EmitError, match=r"^yosys: .*ERROR"):
        mutants_of("module unit(", 5, 1)


def test_names_of_ports_may_be_any() -> None:
    """Verilator refuses a module with a port of its own name."""
    mutants = mutants_of("module unit(input clk, input unit, output unit_out); assign unit_out = unit; endmodule", 4, 1)
    with Model(mutants.verilog, MUTANTS) as model:
        for model["unit"] in (0, 1):
            model.settle()
            assert model["unit_out"] == model["unit"]


@pytest.mark.parametrize("comparison", ["a >= 4'd0", "a <= 4'd15"])
def test_comparisons_may_be_constant(comparison: str) -> None:
    """Verilator warns of them, as where a crop begins at the edge of its frame."""
    mutants = mutants_of("module unit(input clk, input [3:0] a, input [3:0] b, output y); "
                         f"assign y = ({comparison}) & (a > b); endmodule", 4, 1)
    with Model(mutants.verilog, MUTANTS) as model:
        for model["a"], model["b"] in ((3, 2), (2, 3)):
            model.settle()
            assert model["y"] == (model["a"] > model["b"])
