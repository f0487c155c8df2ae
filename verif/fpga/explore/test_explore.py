"""The exploration of arrays: the best candidate wins, misfits are excluded and reported, work is not repeated."""

import json
import sys
from typing import Any

import pytest

import signum.fpga.explore.candidates
import signum.fpga.explore.explore
from signum.fpga.explore.cache import Cache
from signum.fpga.explore.candidates import ExploreError, board_rams, candidates, graph_of, limits, stage_configs
from signum.fpga.explore.explore import Runner, build_candidate, clock_of, executor_of, explore, save
from signum.fpga.flow.boards import board_named
from signum.fpga.flow.estimate import board_cells, element_cells
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.sizing import roomy
from signum.golden.compiler.stages import plan_stages
from signum.hdl.config import ArrayConfig
from signum.verif.command_line import main

AXES = {"rows": (1, 3), "cols": (8, 16), "lanes": (32,), "tile": (8,), "pipeline": (1,), "drain_width": (1, 4)}
ONE = {"rows": (2,), "cols": (8,), "lanes": (16,), "tile": (8,), "pipeline": (1,), "drain_width": (1,)}
BOARD = board_named("ulx3s-85f")


def luts(config: dict[str, int]) -> int:
    """A stand-in for Yosys."""
    return 1500 + config["rows"] * config["cols"] * 3 * config["lanes"] + 50 * config["rows"] * config["drain_width"]


class Quick(Runner):
    """Records the calls of a stand-in for Yosys."""

    built: list[dict[str, int]]

    def map(self, what: str, function: Any, calls: Any) -> list[Any]:
        if function is element_cells:
            return [3 * call[0]["lanes"] for call in calls]
        if function is board_cells:
            return [luts(call[0]) for call in calls]
        if function is build_candidate:
            self.__dict__.setdefault("built", []).extend(call[1] for call in calls)
            return [self.build(*call) for call in calls]
        return super().map(what, function, calls)

    def build(self, name: str, config: dict[str, int], placed: bool) -> dict[str, Any]:
        return {"lut": luts(config), "ram": board_rams(ArrayConfig.from_dict(config), BOARD), "ff": 0}


@pytest.fixture
def runner(tmp_path):
    return Quick(Cache(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def no_kept_builds(monkeypatch):
    monkeypatch.setattr(signum.fpga.explore.explore, "load_board_rows", list)


def rates(network: str) -> list[float]:
    """Images a second of every candidate, with the deepest memories."""
    found = []
    for config, split in candidates(graph_of(network), BOARD, AXES):
        config = roomy(config).replace(access_patterns=1, zero_padding=0, requantize_depth=0)
        program = compile_graph(graph_of(network), config, split=split)
        images = 1 if split else config.rows
        found.append(BOARD.frequency * images / predict_cycles(config, program.records))
    return found


def test_the_best_is_the_best(runner):
    result = explore("cnv", BOARD, runner, axes=AXES, top=2)
    rows = result["candidates"]
    assert all(row["fits"] for row in rows)
    assert [row["images_per_s"] for row in rows] == pytest.approx(rates("cnv"))
    assert rows[result["best"]]["images_per_s"] == pytest.approx(max(rates("cnv")))
    assert {json.dumps(row["config"]) for row in rows if row["measured"]} == set(map(json.dumps, runner.built))
    assert len(runner.built) == 2


@pytest.mark.parametrize(("objective", "sign", "field"), [
    ("latency", -1, "latency_ms"), ("images_per_s_per_lut", 1, "images_per_s_per_lut")])
def test_objectives(objective, sign, field, runner):
    result = explore("cnv", BOARD, runner, axes=AXES, top=0, objective=objective)
    rows = result["candidates"]
    assert sign * rows[result["best"]][field] == max(sign * row[field] for row in rows if row["fits"])
    for row in rows:
        assert row["images_per_s_per_lut"] == pytest.approx(row["images_per_s"] / row["lut"])
        assert row["latency_ms"] == pytest.approx(1000 * row["images"] / row["images_per_s"])


def test_the_same_again_from_the_cache(runner, monkeypatch):
    first = explore("cnv", BOARD, runner, axes=ONE)
    monkeypatch.setattr(signum.fpga.explore.candidates, "compile_fitted", None)
    assert explore("cnv", BOARD, Quick(runner.cache), axes=ONE) == first


def test_what_synthesis_finds_too_large_is_replaced(tmp_path):
    class Large(Quick):
        def build(self, name: str, config: dict[str, int], placed: bool) -> dict[str, Any]:
            found = super().build(name, config, placed)
            return found | {"lut": 10 ** 6} if config == self.built[0] else found

    runner = Large(Cache(tmp_path))
    result = explore("cnv", BOARD, runner, axes=AXES, top=1)
    first, second = runner.built
    best = result["candidates"][result["best"]]
    assert best["config"] == second
    assert best["fits"]
    for row in result["candidates"]:
        if row["config"] == first:
            assert row["why"] == f"LUTs must be at most {limits(BOARD)[0]}, not 1000000"


def test_the_clock_that_placement_reaches_counts(tmp_path):
    class Placed(Quick):
        def build(self, name: str, config: dict[str, int], placed: bool) -> dict[str, Any]:
            assert placed
            return super().build(name, config, placed) | {"fmax_mhz": 80.0}

    result = explore("cnv", BOARD, Placed(Cache(tmp_path)), axes=ONE, top=1, placed=True)
    best = result["candidates"][result["best"]]
    assert best["images_per_s"] == pytest.approx(80e6 * best["images"] / best["cycles"])


def test_the_clock_of_kept_builds(monkeypatch):
    kept = [{"board": "ulx3s-85f", "preset": "ecp5_2k", "fmax_mhz": 90.0},
            {"board": "ulx3s-85f", "preset": "ecp5_85f", "fmax_mhz": 70.0},
            {"board": "ulx3s-45f", "preset": "ecp5_45f", "fmax_mhz": 60.0},
            {"board": "ulx3s-85f", "preset": "", "fmax_mhz": 10.0}]
    monkeypatch.setattr(signum.fpga.explore.explore, "load_board_rows", lambda: kept)
    assert clock_of(BOARD, ArrayConfig.preset("ecp5_85f").pipeline) == 70e6
    assert clock_of(BOARD, 0) == BOARD.pll(BOARD.frequency).frequency


def test_in_stages_where_no_array_holds_it(runner):
    board = board_named("icebreaker")
    result = explore("cnv", board, runner, axes=ONE, top=0)
    row = result["candidates"][result["best"]]
    config = ArrayConfig.from_dict(row["config"])
    assert board_rams(config, board) <= limits(board)[1]
    stages = plan_stages(graph_of("cnv"), config, split=row["mode"] == "split")
    assert row["stages"] == len(stages) > 1
    assert row["cycles"] == sum(predict_cycles(stage.program.config, stage.program.records) for stage in stages)
    weights = sum(stage.program.weights.size for stage in stages) // 32
    assert row["link_words"] > weights
    assert row["latency_ms"] == pytest.approx(1000 * (row["cycles"] / 30e6 + row["link_words"] * 40 / board.baud))


def test_stage_memories_take_what_there_is():
    turns, maps = stage_configs(candidates(graph_of("cnv"), BOARD, ONE)[0][0], BOARD)
    assert maps.activation_depth > turns.activation_depth
    assert maps.weight_depth < turns.weight_depth
    for config in (turns, maps):
        assert limits(BOARD)[1] // 2 < board_rams(config, BOARD) <= limits(BOARD)[1]


def test_nothing_fits(runner):
    with pytest.raises(ExploreError) as error:
        explore("cnv", board_named("icebreaker"), runner, axes=ONE | {"rows": (8, 16)})
    assert str(error.value) == (
        "cnv fits no array tried for icebreaker; the nearest is 8x8x16, tile 8, pipeline 1, drain 1, batch: "
        f"LUTs must be at most 3696, not {luts({'rows': 8, 'cols': 8, 'lanes': 16, 'drain_width': 1})}")


def test_what_is_written(runner, tmp_path):
    result = explore("cnv", BOARD, runner, axes=AXES, top=1)
    paths = save(result, tmp_path / "out")
    assert json.loads(paths["candidates"].read_text()) == result
    assert ArrayConfig.load(paths["config"]).to_dict() == result["candidates"][result["best"]]["config"]
    assert paths["throughput"].exists()
    assert paths["latency"].exists()


@pytest.mark.parametrize(("options", "message"), [
    (["--network", "alexnet"], "network must be one of cnv, digits, lfc, resnet18, sfc, vgg_small, not alexnet"),
    (["--network", "cnv", "--objective", "beauty"],
     "objective must be one of images_per_s, latency, images_per_s_per_lut, not beauty"),
    (["--network", "cnv", "--rows", "1;2"], "values must be integers with commas between them, not 1;2"),
    (["--network", "cnv", "--lanes", "16", "--drain-width", "3"],
     "the values of the axes must allow an array: drain_width must divide lanes, cols and tile"),
    (["--network", "cnv", "--top", "-1"], "top must be at least 0, not -1"),
    (["--network", "cnv", "--jobs", "0"], "jobs must be at least 1, not 0"),
    (["--network", "cnv", "--frequency", "0"], "frequency must be positive, not 0"),
])
def test_refusals(options, message, tmp_path, capsys):
    assert main(["explore", "--jobs=1", "--out", str(tmp_path), *options]) == 2
    assert capsys.readouterr().err == message + "\n"


def test_an_unknown_board(capsys):
    assert main(["explore", "--network", "cnv", "--board", "nexys"]) == 2
    assert capsys.readouterr().err.startswith("board must be one of butterstick, ")


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = r"^the scheduler needs Dask: python -m pip install 'distributed>=2024\.8'$"
    with pytest.raises(ExploreError, match=message), executor_of(1, "tcp://host:8786"):
        pass


def test_by_dask(runner, tmp_path):
    distributed = pytest.importorskip("distributed")
    alone = explore("sfc", BOARD, runner, axes=ONE, top=0)
    local = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**local) as cluster, executor_of(1, cluster.scheduler_address) as executor:
        assert executor is not None
        assert explore("sfc", BOARD, Quick(Cache(tmp_path / "other"), executor), axes=ONE, top=0) == alone


def test_no_scheduler_there():
    pytest.importorskip("distributed")
    with pytest.raises(ExploreError, match=r"^scheduler must be the address of a Dask scheduler, such as "), \
            executor_of(1, "nonsense://nowhere"):
        pass


@pytest.mark.slow
def test_by_processes(runner, tmp_path):
    alone = explore("sfc", BOARD, runner, axes=ONE, top=0)
    with executor_of(2, None) as executor:
        assert explore("sfc", BOARD, Quick(Cache(tmp_path / "other"), executor), axes=ONE, top=0) == alone
