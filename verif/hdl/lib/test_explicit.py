"""Netlists with explicit widths: proved equal to the original, and without messages of Verilator's strictest lint."""

import random
import re
import subprocess
from pathlib import Path

import pytest

from signum.fpga.flow.tools import tool, verilator_environment
from signum.hdl.lib.emit import initial_registers, run_yosys
from signum.hdl.lib.explicit import explicit, unread_inputs
from signum.hdl.lib.rtlil import Cell, Netlist, Signal, Wire, format_netlists, parse_netlists
from signum.hdl.lib.waivers import bits_of, message_of

BINARY = ("$add", "$sub", "$mul", "$and", "$or", "$xor", "$xnor")
COMPARE = ("$eq", "$ne", "$eqx", "$nex", "$lt", "$le", "$gt", "$ge")
SHIFT = ("$shl", "$shr", "$sshl", "$sshr")
UNARY = ("$not", "$neg", "$pos")
REDUCE = ("$logic_not", "$reduce_and", "$reduce_or", "$reduce_xor", "$reduce_xnor", "$reduce_bool")
KINDS = (*BINARY, *COMPARE, *SHIFT, *UNARY, *REDUCE, "$mux", "$dff")


def draw(rng: random.Random, name: str, kind: str) -> Netlist:
    """A netlist of a dozen cells, one of them of a given kind; outputs take some of their bits.

    Registers do not feed back, so a proof by induction terminates.
    """
    netlist = Netlist(f"\\{name}")
    ports = [("clk", 1, "input"), *((f"i{i}", rng.randrange(1, 7), "input") for i in range(4)),
             *((f"o{i}", rng.randrange(1, 4), "output") for i in range(3))]
    for order, (port, width, direction) in enumerate(ports, 1):
        netlist.wires[f"\\{port}"] = Wire(f"\\{port}", width, direction, order)
    bits: Signal = [(f"\\i{i}", place) for i in range(4) for place in range(netlist.wires[f"\\i{i}"].width)]

    def some(width: int) -> Signal:
        return [rng.choice(bits) for _ in range(width)]

    for number, each in enumerate([*rng.choices(KINDS, k=11), kind]):
        width = rng.randrange(1, 8)
        one = each in COMPARE + REDUCE
        public = rng.random() < 0.5
        y = Wire(f"\\from{number}" if public else f"${number}", 1 if one else width)
        netlist.wires[y.name] = y
        cell = Cell(each, f"$cell{number}")
        if each == "$dff":
            cell.parameters = {"\\WIDTH": str(width), "\\CLK_POLARITY": "1'1"}
            cell.ports = {"\\CLK": [("\\clk", 0)], "\\D": some(width)}
            y.attributes["\\init"] = f"{width}'{'0' * width}"
        elif each == "$mux":
            cell.parameters = {"\\WIDTH": str(width)}
            cell.ports = {"\\A": some(width), "\\B": some(width), "\\S": some(1)}
        else:
            signed = str(rng.randrange(2)) if each not in REDUCE else "0"
            for port in "A" if each in UNARY + REDUCE else "AB":
                cell.ports[f"\\{port}"] = some(rng.randrange(1, 8))
                cell.parameters[f"\\{port}_WIDTH"] = str(len(cell.ports[f"\\{port}"]))
                cell.parameters[f"\\{port}_SIGNED"] = "0" if port == "B" and each in SHIFT else signed
            cell.parameters["\\Y_WIDTH"] = str(y.width)
        cell.ports["\\Q" if each == "$dff" else "\\Y"] = [(y.name, i) for i in range(y.width)]
        netlist.cells[cell.name] = cell
        bits += [(y.name, i) for i in range(y.width)] * (3 if each == kind else 1)
    for i in range(3):
        netlist.connections.append(([(f"\\o{i}", place) for place in range(netlist.wires[f"\\o{i}"].width)],
                                    some(netlist.wires[f"\\o{i}"].width)))
    return netlist


def lint(path: Path) -> set[str]:
    """Verilator's messages about a file of unconnected modules."""
    env = verilator_environment()
    run = subprocess.run([str(tool("verilator").find() / "bin" / "verilator"), "--lint-only", "-Wall", "-Wno-MULTITOP",
                          "-Wno-DECLFILENAME", path.name], cwd=path.parent, env=env, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    messages = re.findall(r"^%(?:Warning|Error)\S*: (?:after\.v:\S+ )?(.*)$", run.stdout, re.MULTILINE)
    return {message for message in messages if not message.startswith("Exiting due to")}


def test_the_linter_has_messages_without_this(seed: int, tmp_path: Path) -> None:
    for kind in ("$add", "$lt", "$logic_not", "$not"):
        rng = random.Random(f"{seed} {kind}")
        (tmp_path / "before.il").write_text(format_netlists([draw(rng, f"case{i}", kind) for i in range(6)]))
        run_yosys("read_rtlil before.il\nwrite_verilog -noattr after.v\n", tmp_path)
        messages = "\n".join(lint(tmp_path / "after.v"))
        assert re.search(r"expects \d+ bits? on the [LR]HS", messages)
        assert "Bits of signal are not used: 'from" in messages


def rewritten(before: list[Netlist], tmp_path: Path) -> list[Netlist]:
    """Netlists with explicit widths, written to ``after.v`` as well."""
    after = []
    for netlist in parse_netlists(format_netlists(before)):
        after += explicit([netlist], netlist.name[1:])
    (tmp_path / "after.il").write_text(format_netlists(after))
    run_yosys("read_rtlil after.il\nwrite_verilog -noattr after.v\n", tmp_path)
    (tmp_path / "after.v").write_text(initial_registers((tmp_path / "after.v").read_text()))
    return after


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_function_and_no_message(kind: str, seed: int, tmp_path: Path) -> None:
    rng = random.Random(f"{seed} {kind}")
    before = [draw(rng, f"case{i}", kind) for i in range(6)]
    (tmp_path / "before.il").write_text(format_netlists(before))
    after = rewritten(before, tmp_path)
    # the proof covers the emitted netlist
    proofs = [f"miter -equiv -flatten gold_case{i} case{i} miter{i}\nsat -verify -tempinduct -maxsteps 15 "
              f"-prove trigger 0 miter{i}" for i in range(len(before))]
    run_yosys("read_rtlil before.il\n" + "".join(f"rename case{i} gold_case{i}\n" for i in range(len(before)))
              + "read_verilog after.v\nproc\n" + "\n".join(proofs) + "\n", tmp_path)
    expected = {message_of(bits_of(port, places, width))
                for (_, port), (places, width) in unread_inputs(after).items()}
    assert lint(tmp_path / "after.v") == expected


REGISTER = """\
module \\top
  attribute \\init 8'10100101
  wire width 8 \\kept
  wire input 1 \\clk
  wire width 8 input 2 \\i
  wire width 4 output 3 \\o
  cell $dff $1
    parameter \\WIDTH 8
    parameter \\CLK_POLARITY 1'1
    connect \\CLK \\clk
    connect \\D \\i
    connect \\Q \\kept
  end
  connect \\o { \\kept [6:5] \\kept [2:1] }
end
"""


def test_a_register_keeps_the_bits_that_are_read(tmp_path: Path) -> None:
    after, = rewritten(parse_netlists(REGISTER), tmp_path)
    assert {name: (wire.width, wire.offset, wire.attributes.get("\\init")) for name, wire in after.wires.items()
            if not wire.port} == {"\\kept_1": (2, 1, "2'10"), "\\kept_5": (2, 5, "2'01")}
    assert unread_inputs([after]) == {("top", "i"): ([0, 3, 4, 7], 8)}


SUM = """\
module \\top
  wire width 8 $1
  wire width 4 input 1 \\i
  wire width 2 output 2 \\o
  cell $add $2
    parameter \\A_SIGNED 1
    parameter \\A_WIDTH 4
    parameter \\B_SIGNED 1
    parameter \\B_WIDTH 2
    parameter \\Y_WIDTH 8
    connect \\A \\i
    connect \\B \\i [1:0]
    connect \\Y $1
  end
  connect \\o $1 [4:3]
end
"""


def test_a_sum_is_as_wide_as_its_highest_bit_that_is_read(tmp_path: Path) -> None:
    after, = rewritten(parse_netlists(SUM), tmp_path)
    adder = after.cells["$2"]
    assert {port: len(signal) for port, signal in adder.ports.items()} == {"\\A": 5, "\\B": 5, "\\Y": 5}
    assert adder.ports["\\A"][3:] == [("\\i", 3)] * 2
    assert [bit[0] for bit in adder.ports["\\Y"]] == ["\\unused"] * 3 + ["$1"] * 2


def test_equal_sums_stay_equal(tmp_path: Path) -> None:
    second = SUM[SUM.index("  cell"):SUM.index("  connect \\o")].replace("$2", "$3").replace("$1", "$4")
    text = SUM.replace("end\n  connect", f"end\n{second}  connect").replace("  wire width 8 $1\n", (
        "  wire width 8 $1\n  wire width 8 $4\n  wire output 3 \\low\n")).replace(
        "[4:3]\n", "[4:3]\n  connect \\low $4 [0]\n")
    after, = rewritten(parse_netlists(text), tmp_path)
    assert after.cells["$2"].ports["\\A"] == after.cells["$3"].ports["\\A"]
    assert len(after.cells["$3"].ports["\\Y"]) == 5


NAMES = """\
module \\below
  wire input 1 \\begin
  wire output 2 \\port$1$2
  connect \\port$1$2 \\begin
end
module \\top
  wire input 1 \\i
  wire output 2 \\o
  wire \\a.b
  wire \\a_b
  cell \\below \\program
    connect \\begin \\a.b
    connect \\port$1$2 \\a_b
  end
  connect \\a.b \\i
  connect \\o \\a_b
end
"""


def test_names_are_plain(tmp_path: Path) -> None:
    below, top = explicit(parse_netlists(NAMES), "top")
    assert list(below.ports()) == ["\\begin_", "\\port_1_2"]
    assert set(top.wires) == {"\\i", "\\o", "\\a_b", "\\a_b_2"}
    instance = top.cells["\\program_"]
    assert instance.ports == {"\\begin_": [("\\a_b_2", 0)], "\\port_1_2": [("\\a_b", 0)]}
    (tmp_path / "names.il").write_text(format_netlists([below, top]))
    run_yosys("read_rtlil names.il\nwrite_verilog -noattr after.v\n", tmp_path)
    text = (tmp_path / "after.v").read_text()
    assert "\\" not in text
    assert lint(tmp_path / "after.v") == set()
