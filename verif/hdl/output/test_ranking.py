"""The list of the largest values: the order of `golden.compiler.answers.ranked`; pauses, equal values and resets."""

import random

import numpy as np
import pytest

from signum.golden.compiler.answers import ranked
from signum.hdl.output.ranking import Ranking
from signum.verif.bench.trace import play


@pytest.mark.parametrize("ranks", [1, 2, 5])
@pytest.mark.parametrize("bits", [3, 16])
def test_the_largest_values_in_order(ranks: int, bits: int, seed: int) -> None:
    rng = random.Random(f"{seed} {ranks} {bits}")
    steps: list[dict[str, int]] = []
    expected: list[tuple[int, int]] = []
    for _ in range(20):
        values = [rng.randrange(-(1 << bits - 1), 1 << bits - 1) for _ in range(rng.randint(ranks, 32))]
        steps.append({rng.choice(["restart", "restart", "rst"]): 1})
        for index, value in enumerate(values):
            steps += [{"value": rng.randrange(1 << bits - 1)}] * rng.choice([0, 0, 2])
            steps.append({"insert": 1, "value": value, "index": index})
        for index in ranked(np.array(values), ranks).tolist():
            expected.append((len(steps), index))
            steps.append({"shift": 1})
    trace = play(Ranking(ranks=ranks, bits=bits, index_bits=5), steps)
    assert [(cycle, trace[cycle]["first"]) for cycle, _ in expected] == expected
