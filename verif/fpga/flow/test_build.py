"""From a board to a bitstream: reports, the clock that is missed, the command line, and one small build."""

import json
import re

import numpy as np
import pytest

import signum.fpga.flow.build
import signum.fpga.flow.commands
import signum.fpga.flow.report
from signum.fpga.flow.boards import BOARDS
from signum.fpga.flow.build import STALLED, Stall, build, camera_view, place_best
from signum.fpga.flow.commands import boot_program
from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.flow.families.gowin import GOWIN
from signum.fpga.flow.families.ice40 import ICE40
from signum.fpga.flow.lines.board_line import BoardError
from signum.fpga.flow.lines.serial_line import baud_divisor
from signum.fpga.flow.program_file import ProgramFile
from signum.fpga.flow.report import (
    ReportError,
    TimingError,
    board_row,
    boards_table,
    cells,
    check_clock,
    critical_path,
    fmax_mhz,
    keep_board_row,
    load_board_rows,
    table,
    utilization,
)
from signum.fpga.flow.tools import BuildError
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.golden.compiler.weight_streaming import plan_streamed
from signum.golden.layers.encoder import BitPlanes
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.networks.geometry import fully_connected, with_random_weights
from signum.hdl.config import PRESETS, ArrayConfig
from signum.verif.command_line import main

SMALL = ArrayConfig(rows=1, cols=2, lanes=8, tile=2, acc_bits=6, sum_bits=8, weight_depth=64,
                    activation_depth=64, threshold_depth=32, program_depth=64, access_patterns=1, zero_padding=0,
                    requantize_depth=0)

# the shape of nextpnr-ice40's report
PLACED = {
    "utilization": {
        "ICESTORM_LC": {"used": 4171, "available": 5280},
        "ICESTORM_RAM": {"used": 29, "available": 30},
        "ICESTORM_PLL": {"used": 1, "available": 1},
    },
    "fmax": {
        "clk": {"achieved": 29.712385, "constraint": 24.0},
        "slow": {"achieved": 50.0, "constraint": 12.0},
    },
    "critical_paths": [
        {"from": "posedge slow", "to": "posedge slow", "path": []},
        {"from": "<async>", "to": "posedge clk", "path": []},
        {"from": "posedge clk", "to": "posedge clk", "path": [
            {"type": "clk-to-q", "delay": 1.1781, "from": {"cell": "a", "port": "CLK"},
             "to": {"cell": "a", "port": "Q"}},
            {"type": "routing", "delay": 4.79, "net": "n", "from": {"cell": "a", "port": "Q"},
             "to": {"cell": "b", "port": "I0"}}]},
    ],
}


def test_what_nextpnr_says():
    assert utilization(PLACED, ICE40) == {"lut": 4171, "lut_capacity": 5280, "ram": 29, "ram_capacity": 30,
                                   "dsp": 0, "dsp_capacity": 0, "pll": 1, "pll_capacity": 1}
    assert fmax_mhz(PLACED) == 29.712385
    assert critical_path(PLACED) == [
        {"kind": "clk-to-q", "ns": 1.178, "from": "a", "to": "a", "net": ""},
        {"kind": "routing", "ns": 4.79, "from": "a", "to": "b", "net": "n"}]


def test_the_clock_that_matters_is_the_one_nearest_to_its_limit():
    clocks = {"fast": {"achieved": 90.0, "constraint": 100.0}, "slow": {"achieved": 30.0, "constraint": 12.0}}
    assert fmax_mhz({"fmax": clocks}) == 90.0


def test_what_yosys_says():
    counts = {"SB_LUT4": 100, "SB_CARRY": 20, "SB_DFF": 3, "SB_DFFESR": 4, "SB_RAM40_4K": 1}
    statistics = {"design": {"num_cells_by_type": counts}}
    assert cells(statistics, ICE40) == {"ff": 7, "carry": 20, "lut4": 100, "lut4_equivalents": 100}
    counts = {"LUT4": 100, "CCU2C": 20, "TRELLIS_FF": 3, "TRELLIS_DPR16X4": 2, "DP16KD": 1}
    statistics = {"design": {"num_cells_by_type": counts}}
    assert cells(statistics, ECP5) == {"ff": 3, "carry": 20, "lut4": 108, "lut4_equivalents": 148}
    counts = {"LUT1": 1, "LUT4": 100, "ALU": 20, "DFF": 3, "DFFRE": 4, "SDPX9B": 1}
    statistics = {"design": {"num_cells_by_type": counts}}
    assert cells(statistics, GOWIN) == {"ff": 7, "carry": 20, "lut4": 101, "lut4_equivalents": 121}


def test_reports_that_say_nothing():
    with pytest.raises(ReportError, match="ICESTORM_LC"):
        utilization({"utilization": {}}, ICE40)
    with pytest.raises(ReportError, match="frequency of a clock"):
        fmax_mhz({"fmax": {}})
    with pytest.raises(ReportError, match="number of cells"):
        cells({}, ICE40)


def test_a_missed_clock_says_by_how_much():
    check_clock(24.0, 24.0)
    message = "the clock must be at most 22.10 MHz, not 24.00: misses by 1.90 MHz"
    with pytest.raises(TimingError, match=f"^{re.escape(message)}$"):
        check_clock(22.1, 24.0)


@pytest.mark.parametrize(("clock", "baud", "divisor"), [
    (24e6, 1_000_000, 24), (24.75e6, 1_000_000, 25), (24e6, 115_200, 208), (24e6, 6_000_000, 4)])
def test_baud_divisor(clock, baud, divisor):
    assert baud_divisor(clock, baud) == divisor


@pytest.mark.parametrize(("clock", "baud", "message"), [
    (24e6, 7_000_000, "baud must be 1 to 6000000 at 24 MHz, not 7000000"),
    (24e6, 0, "baud must be 1 to 6000000 at 24 MHz, not 0"),
    (24e6, 5_300_000, "baud must divide 24 MHz to within 2%, not 5300000: the nearest is 4800000"),
])
def test_a_baud_rate_that_cannot_be_had(clock, baud, message):
    with pytest.raises(BoardError, match=f"^{re.escape(message)}$"):
        baud_divisor(clock, baud)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--board", "nothing"], f"board must be one of {', '.join(sorted(BOARDS))}, not nothing"),
    (["--frequency", "5"], "frequency must be 16 MHz to 275 MHz, not 5 MHz"),
    (["--baud", "9000000"], "baud must be 1 to 7500000 at 30 MHz, not 9000000"),
    (["--preset", "huge"], f"preset must be one of {', '.join(sorted(PRESETS))}, not huge"),
    (["--config", "missing.toml"],
     "config must be a readable file, not missing.toml (No such file or directory)"),
    (["--seeds", "0"], "seeds must be at least 1, not 0"),
    (["--board", "ulx3s-12f", "--loader"],
     "loader must be left out on ulx3s-12f, which has no single-port RAMs for it"),
    (["--frequency", "fast"], "frequency must be a number, not 'fast'"),
    (["--frequency", "0"], "frequency must be positive, not 0"),
    (["--baud", "1.5"], "baud must be an integer, not '1.5'"),
    (["--seed", "-1"], "seed must be at least 0, not -1"),
    (["--quad"], "quad must be left out without a network in the flash"),
    (["--preset", "tiny", "--config", "x.toml"], "preset must not be given together with config, not tiny"),
])
def test_bad_arguments_get_one_line(arguments, message, capsys, tmp_path):
    assert main(["build", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"
    assert not (tmp_path / "out").exists()


def pretend(monkeypatch, fmax):
    """Replace the tools: any design is placed at once, and seed n reaches ``fmax[n]`` MHz."""
    def place(board, seed, folder, clock):
        assert clock == 30e6
        (folder / "signum.asc").write_text(f"seed {seed}")
        return PLACED | {"fmax": {"clk": {"achieved": fmax[seed], "constraint": 30.0}}}

    def pack(name, arguments, folder):
        assert name == "icepack"
        (folder / arguments[1]).write_text((folder / arguments[0]).read_text())

    monkeypatch.setattr(signum.fpga.flow.build, "synthesize", lambda *_, **__: {"ff": 1, "carry": 2, "lut4": 3})
    monkeypatch.setattr(signum.fpga.flow.build, "place", place)
    monkeypatch.setattr(signum.fpga.flow.build, "run_tool", pack)


def test_a_network_larger_than_the_banks(monkeypatch, tmp_path, capsys):
    """Its stages go behind the bitstream; the report has the time to the first answer."""
    pretend(monkeypatch, {1: 31.0})
    graph = with_random_weights(fully_connected(256), 1)
    path = tmp_path / "net.sgn"
    ProgramFile(graph, None, "large").save(path)
    assert main(["build", "--preset", "icebreaker", "--network", str(path), "--quad", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    flash = (tmp_path / "flash.bin").read_bytes()
    assert flash.startswith(b"seed 1")
    assert flash[-report["flash_image_bytes"] + 8:][:4] != b"\xFF" * 4
    assert len(flash) - report["flash_image_bytes"] == (3 << 16) - 8
    assert (report["stages"], report["flash_lines"]) == (
        len(plan_streamed(graph, ArrayConfig.preset("icebreaker"), split=True)), 4)
    assert 10 < report["power_up_ms"] < 1000
    assert f"{report['power_up_ms']} ms" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["--camera", "hm01b0"], "network must fit into the banks to take its images from a camera, not in stages"),
    (["--board", "icesugar"], "network must be left out on icesugar, whose flash holds no program"),
    (["--loader"], "write lists in the flash must be without another loader, and without a camera"),
])
def test_what_a_network_in_stages_cannot_have(arguments, message, tmp_path, capsys):
    path = tmp_path / "net.sgn"
    ProgramFile(with_random_weights(fully_connected(256), 1), None, "large").save(path)
    assert main(["build", "--preset", "icebreaker", "--network", str(path), *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"


def test_pixels_of_a_camera_that_a_host_would_look_up(tmp_path, capsys):
    """A network for 17 grey levels on an input unit for 256; with a table the device does it by itself."""
    path = tmp_path / "net.sgn"
    ProgramFile(digits_graph_untrained(0), digits_encoder(), "digits").save(path)
    array = ArrayConfig.preset("icebreaker_camera").replace(input_maximum=255)
    for tables in (0, 1):
        config = tmp_path / f"{tables}.toml"
        config.write_text(array.replace(input_tables=tables).to_toml())
        if not tables:
            assert main(["build", "--config", str(config), "--network", str(path), "--camera", "hm01b0"]) == 2
            assert capsys.readouterr().err == (f"the pixels of a camera must be those of {path}, which looks them up in "
                                               "tables: input_tables of 1 would add them\n")
            continue
        program = boot_program(path, array.replace(input_tables=1), given=True, camera=True)
        assert len(program.tables) == 1
        assert camera_view(BOARDS["icebreaker"].sensor("hm01b0"), program).scaling.maximum == 16


def test_a_camera_for_bit_planes():
    """Each plane is a map of the program, of one image."""
    encoder = BitPlanes(3)
    shape = MapShape(8, 8, 1)
    layer = Layer(name="sums", combine="sum", offset=np.zeros(2, dtype=np.int64), segments=tuple(
        Segment(source=name, weights=np.ones((2, 1, 8, 8), dtype=bool), pad=np.zeros(1, dtype=bool), double=number > 0)
        for number, name in enumerate(encoder.names)))
    config = ArrayConfig(rows=1, cols=2, lanes=8, input_depth=64, input_planes=4, answer_ranks=1)
    program = compile_graph(Graph(inputs=dict.fromkeys(encoder.names, shape), layers=(layer,)), config, answers=Answers(),
                            encoder=encoder)
    assert camera_view(BOARDS["icebreaker"].sensor("hm01b0"), program).scaling.maximum == 7


def test_the_best_of_several_seeds(monkeypatch, tmp_path):
    pretend(monkeypatch, {1: 29.0, 2: 35.0, 3: 31.0})
    stages: list[str] = []
    report = build(BOARDS["icebreaker"], SMALL, out=tmp_path, seeds=3, progress=stages.append)
    assert (report["seed"], report["fmax_mhz"], report["met"]) == (2, 35.0, True)
    assert (tmp_path / "signum.bin").read_text() == "seed 2"
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert stages == ["synthesis", *(f"place and route, seed {seed}" for seed in (1, 2, 3)), "bitstream"]


def test_a_slow_design_leaves_no_bitstream(monkeypatch, tmp_path, capsys):
    pretend(monkeypatch, {1: 22.1})
    (tmp_path / "signum.bin").write_text("of an earlier build")
    assert main(["build", "--preset", "tiny", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "the clock must be at most 22.10 MHz, not 30.00: misses by 7.90 MHz\n"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert json.loads((tmp_path / "report.json").read_text())["met"] is False


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [
    ("ice40_hx8k_b_evn", 100_000), ("ulx3s-12f", 50_000), ("tang_nano_9k", 1_000_000)])
def test_a_bitstream(name, size, tmp_path):
    """A small build of each family, from Amaranth to the bitstream."""
    board = BOARDS[name]
    fast = {} if board.family.name == "ice40" else {"memory_registers": 1, "pipeline": 2}
    report = build(board, SMALL.replace(**fast), out=tmp_path)
    assert report["family"] == board.family.name
    assert 300 < report["lut"] < 2500
    assert report["pll"] == 1
    assert report["clock_mhz"] == board.pll(board.frequency).frequency / 1e6
    assert report["met"]
    assert report["critical_path"]
    assert (tmp_path / board.family.bitstream).stat().st_size > size
    assert dict(table(report))["array"] == "1 x 2 elements of 8 lanes"
    assert dict(table(report))["line"].startswith("serial, ")


def test_the_table_of_boards(monkeypatch, tmp_path, capsys):
    pretend(monkeypatch, {1: 31.0, 2: 35.0})
    monkeypatch.chdir(tmp_path)
    recorded = tmp_path / "recorded.json"
    for module in (signum.fpga.flow.report, signum.fpga.flow.commands):
        monkeypatch.setattr(module, "RECORDED_BOARDS", recorded)
    assert main(["boards"]) == 1
    assert capsys.readouterr().err == "build/boards/report.json must have a row: signum build --board icebreaker\n"
    assert main(["build", "--seed", "1"]) == main(["build", "--seed", "2"]) == 0
    build(BOARDS["icebreaker"], SMALL, out=tmp_path / "other")
    keep_board_row(board_row(json.loads((tmp_path / "other" / "report.json").read_text())))
    rows = load_board_rows()
    assert [(row["preset"], row["fmax_mhz"], row["seed"]) for row in rows] == [("", 31.0, 1), ("icebreaker", 35.0, 2)]
    head, _, row = boards_table(rows)
    assert dict(zip(head, row, strict=True)) == {
        "board": "icebreaker", "preset": "icebreaker", "a cycle": "512", "LUT": "79%", "RAM": "97%",
        "Fmax, MHz": "35.0", "clock, MHz": "30.0", "peak, GOPS": "30.7", "built": "here"}
    capsys.readouterr()
    assert main(["boards"]) == 0
    assert "30.7" in capsys.readouterr().out
    assert main(["boards", "--record"]) == 0
    kept = json.loads(recorded.read_text())["rows"]
    assert [(row["preset"], "recorded" in row) for row in kept] == [("icebreaker", False)]
    recorded.write_text(json.dumps({"rows": [kept[0] | {"seed": 9}, kept[0] | {"board": "other"}]}))
    for _ in range(2):                  # records stand in the way of no build, also once they are in both files
        assert [(row["board"], row["seed"], row["recorded"]) for row in load_board_rows()] == [
            ("icebreaker", 1, False), ("icebreaker", 2, False), ("other", 2, True)]
        assert main(["boards"]) == 0
    recorded.unlink()
    assert [row["board"] for row in load_board_rows()] == ["icebreaker", "icebreaker"]


def test_a_stalled_router_is_told_from_a_slow_one():
    def row(step: int, free: int, left: int) -> str:
        return f"Info:  {step:9} | {step // 2:8} {step // 2:10} | {1000 - free:4} {free:5} | {left:9}|  0.37   50.25|"

    stalled, slow = Stall(), Stall()
    rows = range(1, 200)
    assert not any(slow(row(1000 * i, i % 2, 4802)) for i in rows)
    assert not slow("Info: Routing complete.")
    found = [stalled(row(1000 * i, max(0, 20 - i), 4802 + max(0, 20 - i))) for i in rows]
    assert found.index(STALLED) == 20 + Stall.PATIENCE - 1


def test_the_second_router_stalls_where_it_gets_no_lower():
    watch = Stall()
    rows = [f"Info:     iter={i} wires=44758 overused={max(7, 300 - i)} overuse=9 archfail=NA" for i in range(600)]
    assert [watch(row) for row in rows].index(STALLED) == 293 + Stall.PATIENCE2


def test_a_further_seed_where_the_router_stalls(tmp_path, monkeypatch):
    def place(board, seed, folder, clock):
        if seed in stalls:
            raise BuildError(f"nextpnr-ice40: {STALLED}")
        (folder / "signum.asc").write_text(str(seed))
        return {"fmax": {"clk": {"achieved": 40.0 - seed, "constraint": 24.0}}}

    monkeypatch.setattr(signum.fpga.flow.build, "place", place)
    stalls = {1, 3}
    assert place_best(BOARDS["icebreaker"], range(1, 3), tmp_path, 24e6, lambda stage: None)[0] == 2
    assert (tmp_path / "signum.asc").read_text() == "2"
    stalls = set(range(10))
    with pytest.raises(BuildError, match="no progress"):
        place_best(BOARDS["icebreaker"], range(1, 3), tmp_path, 24e6, lambda stage: None)
