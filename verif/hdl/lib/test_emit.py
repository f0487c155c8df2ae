"""The Verilog output: same bytes for the same input, ports, keywords, and both simulators."""

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

from signum.fpga.flow.tools import tool, verilator_environment
from signum.hdl.config import PRESETS
from signum.hdl.lib.emit import EmitError, emit, run_yosys, to_verilog
from signum.verif.bench.simulate import simulate
from signum.verif.command_line import main

SIZES = [(1, 1, 1), (1, 1, 64), (3, 5, 7), (7, 2, 33), (16, 16, 32), (8, 8, 64)]


class Storage(wiring.Component):
    """A memory with a write port of two halves and a read port of each kind; a counter that begins at 5."""

    def __init__(self, *, width: int, depth: int, init: list[int]) -> None:
        self.width = width
        self.depth = depth
        self.init = init
        super().__init__({
            "write_address": In(range(depth)), "write_data": In(width), "write_enable": In(2),
            "read_address": In(range(depth)), "read_enable": In(1),
            "before": Out(width), "after": Out(width), "now": Out(width),
            "count": Out(4, init=5), "odd": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=self.width, depth=self.depth, init=self.init)
        write = words.write_port(granularity=self.width // 2)
        m.d.comb += [write.addr.eq(self.write_address), write.data.eq(self.write_data),
                     write.en.eq(self.write_enable)]
        old, new = words.read_port(), words.read_port(transparent_for=[write])
        for port, out in ((old, self.before), (new, self.after)):
            m.d.comb += [port.addr.eq(self.read_address), port.en.eq(self.read_enable), out.eq(port.data)]
        now = words.read_port(domain="comb")
        m.d.comb += [now.addr.eq(self.read_address), self.now.eq(now.data)]
        m.d.sync += self.count.eq(self.count + 1)
        # a process without an input that ever changes: an `always @*` would stay X
        with m.If(self.count[0]):
            m.d.comb += self.odd.eq(1)
        return m


class Missing(wiring.Component):
    """Has a module that nobody has written."""

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
        m.d.sync += kept.eq(self.s.p.a)
        m.d.comb += [self.t[1].eq(kept), self.s.ready.eq(1)]
        return m


def storage() -> Storage:
    return Storage(width=6, depth=37, init=[1, 2, 3, *[40] * 20, 9])


def iverilog(standard: str) -> Callable[[Path, str], str]:
    def reader(path: Path, top: str) -> str:
        if not tool("iverilog").available:
            pytest.skip("iverilog is missing: apt-get install iverilog")
        return output("iverilog", f"-g{standard}", "-Wall", "-Wno-timescale", "-s", top, "-o", os.devnull,
                      str(path))
    return reader


def output(*command: str, **environment: str) -> str:
    run = subprocess.run(command, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    return run.stdout if run.returncode == 0 else f"exit {run.returncode}: {run.stdout}"


def verilator(path: Path, top: str) -> str:
    text = output("verilator", "--lint-only", "-Wno-WIDTH", "--top-module", top, str(path),
                  **verilator_environment())
    return "\n".join(line for line in text.splitlines() if not line.startswith("- "))


def yosys(path: Path, top: str) -> str:
    script = f"read_verilog {path}\nhierarchy -check -top {top}\nproc\ncheck -assert\n"
    log = run_yosys(script, path.parent)
    # a memory of one word is a register, and Yosys says so
    return "\n".join(line for line in log.splitlines() if line.startswith("Warning")
                     and "Replacing memory" not in line)


READERS = {"iverilog-2005": iverilog("2005"), "iverilog-2012": iverilog("2012"), "verilator": verilator,
           "yosys": yosys}


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
    assert files == ["chain.json", "chain.v", "storage.json", "storage.v"]
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_nothing_is_written_of_what_cannot_be_emitted(tmp_path: Path) -> None:
    with pytest.raises(EmitError, match=r"^yosys: ERROR: .*nobody_wrote_this"):
        emit(Missing(), name="missing", directory=tmp_path / "out")
    with pytest.raises(ValueError, match=r"^name must be a plain Verilog identifier, not '1x'$"):
        emit(Nested(), name="1x", directory=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def signum(tmp_path: Path, *arguments: str) -> str:
    """What the command says on both outputs; its files are in ``tmp_path / "out"``."""
    return output(str(Path(sys.executable).with_name("signum")), "verilog", f"--out={tmp_path / 'out'}", *arguments)


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
                   "--program-depth, --weight-depth"),
])
def test_a_bad_value_is_one_line_and_nothing_is_written(arguments: list[str], message: str,
                                                        tmp_path: Path) -> None:
    assert signum(tmp_path, *arguments) == f"exit 2: {message}\n"
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: "x".join(map(str, size)))
def accelerator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Verilog of an accelerator of each size, by the command line."""
    folder = tmp_path_factory.mktemp("accelerator")
    rows, cols, lanes = request.param
    said = signum(folder, f"--rows={rows}", f"--cols={cols}", f"--lanes={lanes}")
    assert said.startswith(str(folder / "out" / "signum.v")), said
    return folder / "out" / "signum.v"


@pytest.mark.parametrize("reader", READERS)
def test_readers_accept_each_size(accelerator: Path, reader: str) -> None:
    assert READERS[reader](accelerator, "signum") == ""


def test_a_size_again_gives_the_same_bytes(accelerator: Path, tmp_path: Path) -> None:
    config = json.loads(accelerator.with_suffix(".json").read_text())["config"]
    (tmp_path / "array.toml").write_text("".join(f"{name} = {value}\n" for name, value in config.items()))
    signum(tmp_path, f"--config={tmp_path / 'array.toml'}")
    for name in ("signum.v", "signum.json"):
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
    """The same ports, other cells; what there is no choice of is refused."""
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
