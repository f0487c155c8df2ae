"""Hamming distances of descriptors: the array's sums beside numpy, in both modes."""

import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.networks.distances import SOURCE, distance_graph
from signum.hdl.config import ArrayConfig
from signum.verif.bench.programs import program_job, run_on_model


@pytest.mark.parametrize("split", [False, True])
def test_distances(split: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    here, there = (rng.random((points, 50)) < 0.5 for points in (7, 11))
    here[2], here[3] = there[4], ~there[5]
    graph = distance_graph(there, len(here))
    config = ArrayConfig(rows=2, cols=4, lanes=16, tile=2)
    program = compile_graph(graph, config, split=split)
    _, (words,) = run_on_model(config, [program_job(program, [{SOURCE: here[None, None]}])])
    found = program.results(1, words)[0]
    wanted = [[sum(bool(x) != bool(y) for x, y in zip(one, other, strict=True)) for other in there] for one in here]
    assert found.tolist() == wanted
    assert (found[2, 4], found[3, 5]) == (0, 50)


def test_refusals() -> None:
    for candidates, points in ((np.zeros((0, 8), dtype=bool), 3), (np.zeros((2, 8), dtype=bool), 0)):
        with pytest.raises(ValueError, match="candidates must be"):
            distance_graph(candidates, points)
