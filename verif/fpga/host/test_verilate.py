"""Builds that are kept: ports, one build for all processes, failures that are tried again, and the first error."""

import os
import re
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from signum.fpga.host.verilate import BuildError, Port, digest, first_error, keep, module_ports, runtime, verilate

VERILOG = r"""module other(nothing);
  input nothing;
endmodule
module top(clk, \odd.name , wide, pad);
  input clk;
  wire clk;
  input [69:0] \odd.name ;
  output [3:0] wide;
  inout pad;
  reg [3:0] \inner ;
endmodule
"""


def test_ports():
    assert module_ports(VERILOG, "top") == {
        "clk": Port(True, 1), "odd.name": Port(True, 70), "wide": Port(False, 4), "pad": Port(False, 1)}
    with pytest.raises(BuildError, match=r"^the Verilog must have a module inner$"):
        module_ports(VERILOG, "inner")


def test_a_digest_depends_on_all_values():
    assert digest("a", [1], True) == digest("a", [1], True)
    assert len({digest(), digest("a", "b"), digest("ab"), digest("b", "a"), digest(["a", "b"]), digest("a", 1)}) == 6


def count_slowly(folder: Path) -> None:
    with open(folder.parent / "made", "a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(0.3)
    (folder / "result").write_text("done")


def keep_one(folder: Path) -> str:
    return (keep(folder, count_slowly) / "result").read_text()


def test_one_of_several_processes_makes_a_folder(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        assert list(pool.map(keep_one, [tmp_path / "kept"] * 4)) == ["done"] * 4
    assert len((tmp_path / "made").read_text().splitlines()) == 1


def test_a_failed_folder_is_made_again(tmp_path):
    def fail(folder: Path) -> None:
        (folder / "rest").touch()
        raise BuildError("no")

    with pytest.raises(BuildError, match=r"^no$"):
        keep(tmp_path / "kept", fail)
    assert (tmp_path / "kept" / "rest").exists()        # for the log to be read
    assert keep_one(tmp_path / "kept") == "done"
    assert not (tmp_path / "kept" / "rest").exists()


@pytest.mark.parametrize(("log", "line"), [
    ("c++ -c x.cpp\n  x.cpp:3: error: no\nmake: *** Error 1\n", "x.cpp:3: error: no"),
    ("%Warning-WIDTH: x.v:1\n%Error: Exiting\n", "%Warning-WIDTH: x.v:1"),
    ("nothing\nto see\n", "nothing"),
    ("", "no output"),
])
def test_the_first_error(tmp_path, log, line):
    path = tmp_path / "log"
    path.write_text(log)
    assert first_error(path) == line


@pytest.mark.parametrize("options", [[], ["--output-split", "1"]], ids=["one file", "several files"])
def test_a_program_uses_the_run_time_that_is_kept(tmp_path, options):
    kept = {path.name: path.stat().st_mtime_ns for path in runtime().glob("*.o")}
    assert kept.keys() == {"verilated.o", "verilated_threads.o", "verilated_vpi.o", "verilated_dpi.o"}
    (tmp_path / "top.v").write_text("module top(input clk, output q); assign q = ~clk; endmodule\n")
    (tmp_path / "main.cpp").write_text(
        '#include "Vtop.h"\nint main() { Vtop top; top.clk = 0; top.eval(); return top.q ? 0 : 1; }\n')
    # the compiler would tell of a precompiled header that it does not take, and that is an error then
    verilate(tmp_path, [tmp_path / "top.v", tmp_path / "main.cpp"], "top",
             ["--vpi", "--prefix", "Vtop", "-o", "program", "-CFLAGS", "-Winvalid-pch -Werror=invalid-pch", *options],
             optimise="-O1")
    assert os.spawnl(os.P_WAIT, tmp_path / "program", "program") == 0
    log = (tmp_path / "build.log").read_text()
    assert "include/verilated" not in re.sub(r"-I\S+", "", log)
    assert not list(tmp_path.glob("*.o"))
    assert {path.name: path.stat().st_mtime_ns for path in runtime().glob("*.o")} == kept


def test_verilog_that_is_refused(tmp_path):
    (tmp_path / "top.v").write_text("module top(input clk); assign clk = ; endmodule\n")
    with pytest.raises(BuildError, match=r"^verilator: %Error: top.v:1:.*build.log\)$"):
        verilate(tmp_path, [Path("top.v")], "top", ["--prefix", "Vtop"], optimise="-O0")
