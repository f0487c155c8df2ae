"""The table of counts on both Verilog simulators."""

import random

from signum.golden.reference.units import popcount
from signum.hdl.array.popcount.table import TablePopcount
from signum.verif.bench.trace import play


def test_simulators(simulator: str, seed: int) -> None:
    rng = random.Random(seed)
    pairs = [(rng.getrandbits(70), rng.getrandbits(70)) for _ in range(100)]
    steps = [{"a": a, "w": w} for a, w in pairs] + [{}] * 3
    trace = play(TablePopcount(lanes=70, pipeline=3), steps, simulator)
    assert [outputs["count"] for outputs in trace[3:]] == [popcount(a, w, 70) for a, w in pairs]
