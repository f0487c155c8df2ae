"""The reserved port names, against the tools that reserve them."""

import re
import subprocess
from pathlib import Path

import pytest

from signum.fpga.flow.tools import tool, verilator_environment
from signum.hdl.lib.keywords import CPP, MODEL, SYSTEMVERILOG, VERILOG, is_reserved


def verilator(folder: Path, *arguments: str) -> str:
    run = subprocess.run([str(tool("verilator").find() / "bin" / "verilator"), *arguments], cwd=folder, text=True,
                         env=verilator_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return "\n".join(line for line in run.stdout.splitlines() if line.startswith("%"))


@pytest.mark.parametrize("words", [VERILOG, SYSTEMVERILOG], ids=["verilog", "systemverilog"])
def test_keywords_are_refused_by_verilator(words: str, tmp_path: Path) -> None:
    for word in words.split()[::12]:
        (tmp_path / "word.v").write_text(f"module word(clk, {word});\n  input clk;\n  output {word};\nendmodule\n")
        assert "syntax error" in verilator(tmp_path, "--lint-only", "word.v"), word


def test_words_of_cpp_are_reported_by_verilator(tmp_path: Path) -> None:
    words = [word for word in CPP.split() if word not in f"{VERILOG} {SYSTEMVERILOG}".split()]
    text = f"module word({', '.join(words)});\n" + "".join(f"  input {word};\n" for word in words) + "endmodule\n"
    (tmp_path / "word.v").write_text(text)
    messages = verilator(tmp_path, "--lint-only", "-Wall", "word.v")
    reported = re.findall(r"SYMRSVDWORD: .*'(\w+)'$", messages, re.MULTILINE)
    # the first six are of C++20, the standard of models with delays
    assert set(words) - set(reported) == {"char8_t", "co_await", "co_return", "co_yield", "consteval", "constinit",
                                          "reinterpret_cast"}


def test_members_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "word.v").write_text("module word(clk, q);\n  input clk;\n  output q;\n  assign q = clk;\nendmodule\n")
    assert verilator(tmp_path, "--cc", "--trace", "--Mdir", ".", "--prefix", "Vmodel", "word.v") == ""
    members = re.findall(r"^    (?!explicit|virtual).*?(\w+)(?:\(.*| = true;| const rootp;)$",
                         (tmp_path / "Vmodel.h").read_text(), re.MULTILINE)
    assert {"eval", "final", "trace"} <= set(members)
    assert [name for name in members if not is_reserved(name) and not name.startswith(("V", "VL_"))] == []


def test_keywords_and_free_names() -> None:
    assert all(map(is_reserved, f"{VERILOG} {SYSTEMVERILOG} {CPP} {MODEL}".split()))
    assert not any(map(is_reserved, ("clk", "rst", "restart", "at_end", "busy", "bus__request__valid")))
