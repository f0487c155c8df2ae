"""Levels of the trees of adders, counted by hand, and which of them have registers."""

from signum.hdl.array.popcount.tree import TreePopcount
from signum.hdl.stages import most_stages, multiply_levels, popcount_levels, registered_levels


def test_levels_of_a_popcount() -> None:
    levels = {1: 0, 4: 0, 5: 1, 9: 1, 10: 2, 19: 2, 20: 3, 39: 3, 40: 4, 128: 5}
    assert {lanes: popcount_levels(lanes) for lanes in levels} == levels
    assert all(TreePopcount.stages(lanes) == most_stages(lanes, 1) == count + 1 for lanes, count in levels.items())


def test_levels_of_products() -> None:
    levels = {1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 8: 4, 9: 5}
    assert {lanes: multiply_levels(lanes) for lanes in levels} == levels
    assert all(most_stages(lanes, 8) == count for lanes, count in levels.items())


def test_registers_are_spread_evenly() -> None:
    assert [registered_levels(4, pipeline) for pipeline in range(6)] == [
        set(), {4}, {2, 4}, {1, 2, 4}, {1, 2, 3, 4}, {0, 1, 2, 3, 4}]
    for levels in range(1, 8):
        for pipeline in range(1, levels + 2):
            registered = registered_levels(levels, pipeline)
            assert len(registered) == pipeline
            assert max(registered) == levels
