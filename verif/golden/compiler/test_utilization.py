"""The utilisation of an array: each loss by its cause, and the sum of all."""

import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.utilization import LOSSES, layer_uses, utilization
from signum.golden.networks.digits import digits_graph_untrained
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_case, draw_config


def test_shares_make_one_and_the_useful_one_is_what_the_network_asks_for(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        program = draw_case(rng, draw_config(rng), layers=3).program
        for use, useful in zip(layer_uses(program), program.useful, strict=True):
            shares = [use.useful, *(getattr(use, loss) for loss in LOSSES)]
            assert sum(shares) == pytest.approx(1)
            assert min(shares) >= -1e-9
            capacity = use.cycles * program.config.binops_per_cycle
            assert use.useful == pytest.approx(useful * program.images / capacity)


def test_digits_network_uses_the_array_this_well():
    program = compile_graph(digits_graph_untrained(0), ArrayConfig.preset("icebreaker"))
    uses = {use.name: use for use in layer_uses(program)}
    assert uses["conv2"].useful > 0.97
    assert uses["conv1"].drain > 0.3
    assert 0.5 < utilization(program) < 1
