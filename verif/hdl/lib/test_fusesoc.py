"""The core file, read by FuseSoC itself: alone, and as a dependency of another system."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from signum.fpga.flow.tools import verilator_environment
from signum.hdl.lib.emit import emit
from signum.hdl.lib.fusesoc import write_core
from signum.hdl.verilog import WRAPPERS
from signum.verif.command_line import main
from signum.verif.hdl.lib.test_emit import Nested

SYSTEM = """\
CAPI=2:
name: "somebody::system:1.0"
filesets:
  rtl:
    files: [system.v]
    file_type: verilogSource-2005
    depend: ["signum:accelerator:signum"]
targets:
  default:
    filesets: [rtl]
    toplevel: system
  lint:
    filesets: [rtl]
    toplevel: system
    flow: lint
    flow_options: {tool: verilator, verilator_options: [-Wno-WIDTH, -Wno-PINMISSING]}
"""


def fusesoc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """FuseSoC on the cores below a folder, with its output in this folder."""
    command = shutil.which("fusesoc", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert command, "fusesoc is missing: pip install fusesoc"
    homes = {f"XDG_{kind}_HOME": str(folder / "home") for kind in ("CONFIG", "CACHE", "DATA")}
    return subprocess.run([command, "--cores-root", str(folder), *arguments], cwd=folder, text=True,
                          env={**os.environ, **verilator_environment(), **homes}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_fusesoc_lints_what_the_command_writes(wrapper: str, tmp_path: Path) -> None:
    streams = ["--input-depth=64", "--input-planes=2", "--answer-ranks=1"] if wrapper == "axis" else []
    assert main(["verilog", "--preset=tiny", *streams, f"--wrapper={wrapper}", f"--out={tmp_path / 'cores'}"]) == 0
    about = json.loads((tmp_path / "cores" / "signum.json").read_text())
    assert about["wrapper"] == wrapper
    assert ("stream_registers" in about) == (wrapper == "axi")
    done = fusesoc(tmp_path, "run", "--target", "lint", "signum:accelerator:signum")
    assert done.returncode == 0, done.stdout
    assert "verilator -f" in done.stdout
    assert "Warning" not in done.stdout


def test_a_system_depends_on_the_core(tmp_path: Path) -> None:
    assert main(["verilog", "--preset=tiny", "--wrapper=wishbone", f"--out={tmp_path / 'cores'}"]) == 0
    (tmp_path / "system.core").write_text(SYSTEM)
    instance = "module system(input clk, input rst, output busy);\n  {} array(.clk(clk), .rst(rst), .busy(busy));\n"
    (tmp_path / "system.v").write_text(instance.format("signum") + "endmodule\n")
    done = fusesoc(tmp_path, "run", "--target", "lint", "somebody::system")
    assert done.returncode == 0, done.stdout
    # the module comes from the core alone
    (tmp_path / "system.v").write_text(instance.format("another") + "endmodule\n")
    done = fusesoc(tmp_path, "run", "--target", "lint", "somebody::system")
    assert done.returncode != 0
    assert "another" in done.stdout


def test_the_core_is_called_as_the_module(tmp_path: Path) -> None:
    core = write_core(emit(Nested(), name="nested", directory=tmp_path))
    assert core == tmp_path / "nested.core"
    done = fusesoc(tmp_path, "core", "show", "signum:accelerator:nested")
    assert done.returncode == 0, done.stdout
    assert "nested.core" in done.stdout


def test_an_unknown_wrapper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verilog", "--preset=tiny", "--wrapper=apb", f"--out={tmp_path / 'cores'}"]) == 2
    assert capsys.readouterr().err == "wrapper must be one of none, axi, axis, wishbone, not apb\n"
    assert not (tmp_path / "cores").exists()
