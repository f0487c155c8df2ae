"""Coverage data by hand: which lines and toggles it tells of, sums, and data that is refused."""

import pytest

from .points import Coverage, PointsError, fold, merge, read_counts, read_point, write_counts

VERILOG = """\
// in hdl/host/uart.py:57
module unit(clk, i__ready);
  input clk;
  input i__ready;
  reg [1:0] timer = 2'h0;
  always @* begin
    _02_ = _00_;
    if (sample) begin
      _02_ = 2'h3;  // hdl/host/uart.py:67
    end else begin
      _02_ = a ? 2'h0 : 2'h1;  // hdl/host/uart.py:69
    end
    casez (state)
      2'h0:
        begin
          _02_ = 2'h1;  // hdl/host/uart.py:73
          if (line) begin
            _02_ = 2'h2;  // hdl/host/uart.py:75
          end
        end
    endcase
  end
endmodule
module other(clk);
  input clk;
endmodule
"""


def key(line: int, page: str, comment: str, lines: str = "") -> str:
    fields = {"f": "unit.v", "l": line, "n": 3, "t": page.partition("/")[0][2:], "page": page, "o": comment}
    if lines:
        fields["S"] = lines
    return "".join(f"\x01{name}\x02{value}" for name, value in {**fields, "h": "unit"}.items())


COUNTS = {
    key(6, "v_line/unit", "block", "6-7,13"): 9,
    key(8, "v_branch/unit", "if", "8-9"): 4,
    key(8, "v_branch/unit", "else", "11"): 0,
    key(11, "v_branch/unit", "cond_then", "11"): 5,     # of the expression, which is evaluated before the branch
    key(14, "v_line/unit", "case", "14,16"): 1,
    key(17, "v_branch/unit", "if", "17-18"): 0,
    key(4, "v_toggle/unit", "i___05Fready:0->1"): 1,
    key(4, "v_toggle/unit", "i___05Fready:1->0"): 0,
    key(5, "v_toggle/unit", "timer[1]:0->1"): 3,
    key(5, "v_toggle/unit", "__024auto__0241:0->1"): 3,
    key(25, "v_toggle/other", "clk:0->1"): 3,           # of a module that is not described in hdl
}


def test_lines_and_toggles_by_hand() -> None:
    found = fold(VERILOG, COUNTS)
    name = "hdl/host/uart.py"
    assert found.lines == {(name, 67): True, (name, 69): False, (name, 73): True, (name, 75): False}
    assert found.toggles == {(name, "i__ready:0->1"): True, (name, "i__ready:1->0"): False,
                             (name, "timer[1]:0->1"): True}


def test_a_place_without_a_point_is_missed() -> None:
    found = fold(VERILOG, {})
    assert set(found.lines.values()) == {False}
    assert len(found.lines) == 4


def test_a_line_is_covered_if_one_run_covers_it() -> None:
    other = {point: 1 - min(count, 1) for point, count in COUNTS.items()}
    both = Coverage()
    both |= fold(VERILOG, COUNTS)
    both |= fold(VERILOG, other)
    assert all(both.lines.values())
    assert all(both.toggles.values())
    sums = dict(COUNTS)
    merge(sums, other)
    assert fold(VERILOG, sums) == both


def test_files_come_back() -> None:
    assert Coverage.from_plain(fold(VERILOG, COUNTS).plain()) == fold(VERILOG, COUNTS)
    assert read_counts(write_counts(COUNTS)) == COUNTS
    assert read_counts(write_counts({})) == {}


@pytest.mark.parametrize(("text", "message"), [
    ("", "coverage data must begin with '# SystemC::Coverage', not ''"),
    ("C 'x' 1\n", "coverage data must begin with '# SystemC::Coverage', not \"C 'x' 1\""),
    ("# SystemC::Coverage-3\nC 'x' -1\n", "line 2 of coverage data must be C '...' COUNT, not \"C 'x' -1\""),
    ("# SystemC::Coverage-3\nC 'x\n", "line 2 of coverage data must be C '...' COUNT, not \"C 'x\""),
])
def test_other_files(text: str, message: str) -> None:
    with pytest.raises(PointsError) as error:
        read_counts(text)
    assert str(error.value) == message


def test_other_points() -> None:
    with pytest.raises(PointsError, match=r"^a point must have a page, a line and a comment, not 'x'$"):
        read_point("x")
    with pytest.raises(PointsError, match=r"^a point must be in the 26 lines of the Verilog, not in 27$"):
        fold(VERILOG, {key(27, "v_line/unit", "block", "27"): 1})
