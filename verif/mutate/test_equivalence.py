"""Equivalent mutants: those that the proofs find never differ, and others stay."""

import random

from signum.fpga.host.model import Model

from .equivalence import equivalent
from .netlist import MUTANTS, SELECT, mutants_of
from .test_netlist import MODULE


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


FEW = 3
STATES = """
module unit(input clk, input go, input [3:0] x, output reg [3:0] o__payload, output o__valid, output [1:0] at);
  reg [1:0] state;
  reg [3:0] held;
  initial begin state = 0; held = 0; o__payload = 0; end
  wire [1:0] last = state == 2'd3 ? 2'd1 : 2'd0;
  assign o__valid = state == 2'd2;
  assign at = state;
  always @(posedge clk) begin
    case (state)
      2'd0: if (go) state <= 2'd1;
      2'd1: state <= 2'd2;
      default: state <= last;
    endcase
    held <= state == 2'd0 ? x : held;
    o__payload <= state == 2'd1 ? held : 4'd7;
  end
endmodule
"""


def test_states_that_cannot_come_and_payloads_that_are_not_valid() -> None:
    """State 3 cannot be reached; a payload is read in state 2 alone, behind state 1."""
    mutants = mutants_of(STATES, 5000, 1)
    source = STATES.splitlines()
    line = {text: next(number for number, each in enumerate(source, 1) if text in each)
            for text in ("wire [1:0] last", "4'd7", "o__valid =")}

    def proved(place: str, port: str, cell: str = "$ternary") -> set[bool]:
        numbers = [number for number, change in enumerate(mutants.changes, 1)
                   if f"{cell}$design.v:{line[place]}$" in change and f" -port {port} " in change]
        assert numbers
        return set(equivalent(mutants, numbers[:FEW]).values())

    assert proved("wire [1:0] last", "B") == {True}         # of state 3
    assert proved("4'd7", "A") == {True}                    # not valid
    assert False in proved("4'd7", "B")                     # valid
    assert proved("o__valid =", "Y", "$eq") == {False}


def test_inputs_that_break_the_contract_do_not_count() -> None:
    """From the first of them on."""
    mutants = mutants_of(MODULE, 5000, 1)
    numbers = [number for number, change in enumerate(mutants.changes, 1)
               if change.startswith("-mode const0") and "$add$" in change and change.endswith("-port B -portbit 0")]
    for contract, proved in (("", False), ("!b[0]", True), ("!b[0] || a == 4'd9", False)):
        assert list(equivalent(mutants, numbers, contract).values()) == [proved]
