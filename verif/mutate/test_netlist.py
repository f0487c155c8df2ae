"""Mutants of a netlist: the original among them, what is proved equivalent, and what is not."""

import random

import pytest

from signum.fpga.host.model import Model
from signum.hdl.lib.emit import EmitError

from .netlist import MUTANTS, SELECT, equivalent, mutants_of

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


def test_which_mutants_are_equivalent() -> None:
    """An equivalent mutant never differs, and of the others most differ within a few cycles."""
    mutants = mutants_of(MODULE, 30, 3)
    proved = equivalent(mutants, range(1, len(mutants.changes) + 1))
    assert any(proved.values())
    rng = random.Random(1)
    steps = [(rng.getrandbits(4), rng.getrandbits(4), rng.random() < 0.1) for _ in range(300)]

    def trace(number: int) -> list[tuple[int, int]]:
        with Model(mutants.verilog, MUTANTS) as model:
            model[SELECT] = number
            found = []
            for model["a"], model["b"], model["rst"] in steps:
                model.run(1)
                found.append((model["sum"], model["both"]))
        return found

    original = trace(0)
    assert {number: trace(number) == original for number in proved} == proved


SUBMODULE = """
module part(input [3:0] x, output [4:0] y);
  wire [4:0] twice = {1'b0, x} + 5'd1;
  assign y = {twice[4:1], 1'b0};
endmodule
module unit(input clk, input [3:0] a, input [3:0] b, output [4:0] one, output [4:0] other);
  part first(.x(a), .y(one));
  part second(.x(b), .y(other));
endmodule
"""


def test_a_change_within_a_submodule_is_judged_there() -> None:
    """The lowest bit of the sum has no reader."""
    mutants = mutants_of(SUBMODULE, 5000, 1)
    unread = "-mode const0 -module unit -cell $flatten\\second.$add$design.v:3$"
    numbers = [number for number, change in enumerate(mutants.changes, 1) if change.startswith(unread)]
    found = equivalent(mutants, numbers)
    bits = {number: mutants.changes[number - 1].split(" -port ")[1] for number in numbers}
    assert {bits[number]: proved for number, proved in found.items() if bits[number].startswith("Y")} == {
        f"Y -portbit {bit}": bit == 0 for bit in range(5)}


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
