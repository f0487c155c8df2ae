"""Placement with several seeds, and what tells a router that makes no progress from a slow one."""

import json

import pytest

from signum.fpga.flow import placement
from signum.fpga.flow.boards import BOARDS
from signum.fpga.flow.placement import STALLED, Stall, place_best
from signum.fpga.flow.tools import BuildError


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


@pytest.mark.parametrize(("board", "rams", "others"), [
    ("ecpix5-85", 187, False), ("ecpix5-85", 188, True), ("ecpix5-45", 100, True), ("icebreaker", 30, False)])
def test_designs_with_nearly_all_block_rams_have_another_placer_and_router(board, rams, others, tmp_path,
                                                                             monkeypatch):
    def run_tool(name, options, folder, watch):
        called.extend(options)
        (folder / "place.json").write_text("{}")

    called: list[str] = []
    monkeypatch.setattr(placement, "run_tool", run_tool)
    (tmp_path / "stat.json").write_text(json.dumps({"design": {"num_cells_by_type": {
        "DP16KD": rams - 1, "PDPW16KD": 1, "SB_RAM40_4K": rams, "LUT4": 1000}}}))
    placement.place(BOARDS[board], 1, tmp_path, 100e6)
    assert ("router2" in called) == ("static" in called) == others


def test_of_a_dense_design_the_most_promising_placement_alone_is_routed(tmp_path, monkeypatch):
    expected = {1: 70.0, 2: 90.0, 3: 80.0}

    def run_tool(name, options, folder, watch):
        seed = int(options[options.index("--seed") + 1])
        if "--no-route" in options:
            watch(f"Info: Max frequency for clock '$glbnet$clock.clk': {expected[seed]:.2f} MHz (FAIL at 100.00 MHz)")
            watch("Info: Max frequency for clock 'line': 217.63 MHz (PASS at 125.00 MHz)")
            return
        routed.append(seed)
        if seed in stalls:
            raise BuildError(f"nextpnr-ecp5: {STALLED}")
        (folder / "signum.config").write_text(str(seed))
        (folder / "place.json").write_text(json.dumps({"fmax": {"clk": {"achieved": 88.0, "constraint": 100.0}}}))

    routed: list[int] = []
    stages: list[str] = []
    monkeypatch.setattr(placement, "run_tool", run_tool)
    (tmp_path / "stat.json").write_text(json.dumps({"design": {"num_cells_by_type": {"DP16KD": 208}}}))
    for stalls, order in ((set(), [2]), ({2}, [2, 3])):
        routed.clear()
        found = place_best(BOARDS["ecpix5-85"], range(1, 4), tmp_path, 100e6, stages.append)
        assert (found.seed, found.stalled, routed) == (order[-1], sorted(stalls), order)
        assert found.reached == {order[-1]: 88.0}
        assert found.expected == expected
    assert stages[:4] == ["place, seed 1", "place, seed 2", "place, seed 3", "place and route, seed 2"]


def test_a_further_seed_where_the_router_stalls(tmp_path, monkeypatch):
    def place(board, seed, folder, clock):
        if seed in stalls:
            raise BuildError(f"nextpnr-ice40: {STALLED}")
        (folder / "signum.asc").write_text(str(seed))
        return {"fmax": {"clk": {"achieved": 40.0 - seed, "constraint": 24.0}}}

    monkeypatch.setattr(placement, "place", place)
    stalls = {1, 3}
    assert place_best(BOARDS["icebreaker"], range(1, 3), tmp_path, 24e6, lambda stage: None)[0] == 2
    assert (tmp_path / "signum.asc").read_text() == "2"
    stalls = set(range(10))
    with pytest.raises(BuildError, match="no progress"):
        place_best(BOARDS["icebreaker"], range(1, 3), tmp_path, 24e6, lambda stage: None)
