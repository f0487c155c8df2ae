"""The tree of adders: its levels, its register stages, and both simulators of Verilog."""

import random

from signum.golden.reference.units import popcount
from signum.hdl.array.popcount.tree import TreePopcount
from signum.hdl.config import popcount_levels
from signum.verif.bench.trace import play


def test_the_levels_that_there_are() -> None:
    levels = {1: 0, 4: 0, 5: 1, 9: 1, 10: 2, 19: 2, 20: 3, 39: 3, 40: 4, 128: 5}
    assert {lanes: popcount_levels(lanes) for lanes in levels} == levels
    assert all(TreePopcount.stages(lanes) == count + 1 for lanes, count in levels.items())


def test_simulators(simulator: str, seed: int) -> None:
    rng = random.Random(seed)
    pairs = [(rng.getrandbits(70), rng.getrandbits(70)) for _ in range(100)]
    for pipeline in (4, 5):
        steps = [{"a": a, "w": w} for a, w in pairs] + [{}] * pipeline
        trace = play(TreePopcount(lanes=70, pipeline=pipeline), steps, simulator)
        assert [outputs["count"] for outputs in trace[pipeline:]] == [popcount(a, w, 70) for a, w in pairs]
