"""Records of runs: cheap figures are recomputed exactly, and records of one design agree."""

from pathlib import Path

import pytest
from rich.console import Console

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.utilization import utilization
from signum.golden.networks.digits import digits_graph_untrained
from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks import record
from signum.verif.benchmarks.commands import recorded_table
from signum.verif.benchmarks.record import BENCHMARKS, keep, load, markdown, save, value_text
from signum.verif.command_line import main


def test_the_digits_take_the_recorded_cycles() -> None:
    """Cycles do not depend on weights, so an untrained network suffices."""
    config = ArrayConfig.preset("icebreaker")
    program = compile_graph(digits_graph_untrained(0), config)
    demo, cycles = load("demo"), predict_cycles(config, program.records)
    assert ArrayConfig.from_dict(demo["config"]) == config
    assert demo["cycles_predicted"] == demo["cycles_measured"] == cycles / program.images
    assert demo["utilization"] == pytest.approx(utilization(program), abs=1e-9)
    assert demo["images_per_s"] == pytest.approx(1e6 * demo["clock_mhz"] / demo["cycles_measured"])
    for row in load("ladder")["rows"]:
        assert row["cycles"] == row["cycles_predicted"] == cycles
    session, = load("session")["rows"]
    assert session["cycles_of_runs"] == cycles * session["images"] / program.images


def test_records_of_the_same_build_agree() -> None:
    demo = load("demo")
    built, = (row for row in load("boards")["rows"] if (row["board"], row["preset"]) == ("icebreaker", "icebreaker"))
    without, = (row for row in load("loader")["rows"] if row["loader"] == "without")
    clock, = (row for row in load("clock")["rows"] if (row["board"], row["preset"]) == ("icebreaker", "icebreaker"))
    for row in (built, without):
        assert {name: row[name] for name in ("lut", "ram", "fmax_mhz")} == {
            name: demo[name] for name in ("lut", "ram", "fmax_mhz")}
    assert clock["lut"] == demo["lut"]


def test_no_record_has_an_error() -> None:
    demo, faults = load("demo"), load("faults")
    assert demo["mismatches"] == demo["runs_with_other_cycles"] == 0
    assert faults["wrong_accepted"] == faults["hangs"] == 0
    soak = load("soak")
    assert soak["mismatches"] == soak["cycle_mismatches"] == 0
    assert all(row["tracebacks"] == row["hangs"] == row["broken"] == 0 for row in load("fuzz")["rows"])
    assert all(row["wrong"] == row["runs_with_other_cycles"] == 0 for row in load("ladder")["rows"])


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_record_prints_as_a_table(name: str) -> None:
    rows = load(name)["rows"]
    table = recorded_table(name)
    assert table.row_count == len(rows)
    console = Console(width=400, record=True, quiet=False, file=None)
    with console.capture() as capture:
        console.print(table)
    assert value_text(rows[0][next(iter(rows[0]))]) in capture.get()


@pytest.mark.parametrize(("arguments", "message"), [
    (["--table", "nothing"], f"name must be one of {', '.join(BENCHMARKS)}, not nothing"),
    (["--table", "--record", "area"], "record must not be given together with table"),
])
def test_what_cannot_be_measured(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    assert capsys.readouterr().err == message + "\n"


def test_rows_are_saved_and_loaded(tmp_path: Path) -> None:
    save("some", [{"a": 1}], {"tool": "2"}, tmp_path, seeds=3)
    assert load("some", tmp_path) == {"benchmark": "some", "tools": {"tool": "2"}, "seeds": 3, "rows": [{"a": 1}]}


def test_a_report_becomes_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RECORDED", tmp_path)
    report = tmp_path / "report.json"
    report.write_text("{}")
    assert keep("some", report) == tmp_path / "some.json"
    assert (tmp_path / "some.json").read_text() == "{}"


def test_tables() -> None:
    assert markdown(["a", "b"], [[1, "x"]]) == "| a | b |\n| --- | --- |\n| 1 | x |\n"
    assert value_text({"fill": 0.25, "rows": 0.0}) == "fill 25.0 %"
    assert [value_text(value) for value in (True, 2.0, None, "a_b")] == ["yes", "2", "", "a b"]
