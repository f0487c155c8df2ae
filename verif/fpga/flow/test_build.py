"""From a board to a bitstream: the command line, the report, the clock that is missed, and one small build."""

import json

import pytest

import signum.fpga.flow.build
import signum.fpga.flow.commands
import signum.fpga.flow.placement
import signum.fpga.flow.report
from signum.fpga.flow.boards import BOARDS
from signum.fpga.flow.build import build
from signum.fpga.flow.camera_view import camera_view
from signum.fpga.flow.commands import boot_program
from signum.fpga.flow.program_file import ProgramFile
from signum.fpga.flow.report import board_row, boards_table, keep_board_row, load_board_rows, table
from signum.golden.compiler.program import Program
from signum.golden.compiler.weight_streaming import plan_streamed
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.networks.geometry import fully_connected, with_random_weights
from signum.hdl.config import ArrayConfig
from signum.hdl.presets import PRESETS
from signum.verif.command_line import main

from .test_report import PLACED

SMALL = ArrayConfig(rows=1, cols=2, lanes=8, tile=2, acc_bits=6, sum_bits=8, weight_depth=64,
                    activation_depth=64, threshold_depth=32, program_depth=64, access_patterns=1, zero_padding=0,
                    requantize_depth=0)


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
    monkeypatch.setattr(signum.fpga.flow.placement, "place", place)
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
    config = tmp_path / "array.toml"
    config.write_text(array.to_toml())
    assert main(["build", "--config", str(config), "--network", str(path), "--camera", "hm01b0"]) == 2
    assert capsys.readouterr().err == (f"the pixels of a camera must be those of {path}, which looks them up in "
                                       "tables: input_tables of 1 would add them\n")
    program = boot_program(path, array.replace(input_tables=1), given=True, camera=True)
    assert isinstance(program, Program)
    assert len(program.tables) == 1
    assert camera_view(BOARDS["icebreaker"].sensor("hm01b0"), program).scaling.maximum == 16


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
