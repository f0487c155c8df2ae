"""RTLIL read and written again: the same netlists, and the same hardware to Yosys."""

from pathlib import Path

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.host.axi import AxiAccelerator
from signum.hdl.lib.emit import run_yosys, to_rtlil
from signum.hdl.lib.rtlil import Wire, format_netlists, format_signal, parse_netlists, parse_signal

WIRES = {"\\a": Wire("\\a", 4), "$b": Wire("$b", 1)}


@pytest.mark.parametrize(("text", "bits", "again"), [
    ("\\a", [("\\a", 0), ("\\a", 1), ("\\a", 2), ("\\a", 3)], "\\a"),
    ("\\a [2]", [("\\a", 2)], "\\a [2]"),
    ("{ $b \\a [3:2] 2'01 }", ["1", "0", ("\\a", 2), ("\\a", 3), ("$b", 0)], "{ $b \\a [3:2] 2'01 }"),
    ("{ \\a [1] \\a [0] }", [("\\a", 0), ("\\a", 1)], "\\a [1:0]"),
    ("{ 3'1x- { } 1'z }", ["z", "x", "x", "1"], "4'1xxz"),
    ("3'x", ["x", "x", "x"], "3'xxx"),
    ("-2", ["0", *["1"] * 31], f"32'{'1' * 31}0"),
    ("4's1010", ["0", "1", "0", "1"], "4'1010"),
])
def test_signals(text: str, bits: list[object], again: str) -> None:
    assert parse_signal(text, WIRES) == bits
    assert format_signal(parse_signal(text, WIRES), WIRES) == again


def test_a_design_stays_as_it_is(tmp_path: Path) -> None:
    """Yosys's output for a design with memories, instances and initial values stays the same."""
    config = ArrayConfig(rows=2, cols=3, lanes=5)
    (tmp_path / "design.il").write_text(to_rtlil(AxiAccelerator(config=config), "design")[0])
    run_yosys("read_rtlil design.il\nhierarchy -top design\nproc\nmemory_collect\nopt_clean\nwrite_rtlil first.il\n",
              tmp_path)
    first = (tmp_path / "first.il").read_text()
    (tmp_path / "again.il").write_text(format_netlists(parse_netlists(first)))
    run_yosys("read_rtlil again.il\nwrite_verilog again.v\n", tmp_path)
    run_yosys("read_rtlil first.il\nwrite_verilog first.v\n", tmp_path)
    assert (tmp_path / "again.v").read_text() == (tmp_path / "first.v").read_text().replace("reg signed", "reg")


def test_a_process_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^line 2 of RTLIL must be of a netlist, not 'process \$1'$"):
        parse_netlists("module \\top\n  process $1\n  end\nend\n")
