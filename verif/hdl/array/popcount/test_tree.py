"""The tree of adders, with its register stages, in both simulators of Verilog."""

import random

from signum.golden.reference.units import popcount
from signum.hdl.array.popcount.tree import TreePopcount
from signum.verif.bench.trace import play


def test_simulators(simulator: str, seed: int) -> None:
    rng = random.Random(seed)
    pairs = [(rng.getrandbits(70), rng.getrandbits(70)) for _ in range(100)]
    for pipeline in (4, 5):
        steps = [{"a": a, "w": w} for a, w in pairs] + [{}] * pipeline
        trace = play(TreePopcount(lanes=70, pipeline=pipeline), steps, simulator)
        assert [outputs["count"] for outputs in trace[pipeline:]] == [popcount(a, w, 70) for a, w in pairs]
