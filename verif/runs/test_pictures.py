"""The pictures: every figure is drawn, and shows its data."""

import matplotlib.image
import numpy as np
import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.utilization import layer_uses
from signum.golden.networks.digits import digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig
from signum.verif.runs.pictures import picture_answers, picture_array


@pytest.mark.parametrize("config", [ArrayConfig.preset("icebreaker"), ArrayConfig(rows=40, cols=20, lanes=64)])
def test_array(config, tmp_path):
    program = compile_graph(digits_graph_untrained(0), config.replace(sum_bits=16))
    picture_array(tmp_path / "array.png", config, layer_uses(program))
    assert matplotlib.image.imread(tmp_path / "array.png").std() > 0.05


def test_answers(tmp_path):
    test = digits().test
    logits = np.eye(10)[test.labels]
    picture_answers(tmp_path / "right.png", test.images, test.labels, logits)
    logits[:5] = np.roll(logits[:5], 1, axis=1)
    picture_answers(tmp_path / "wrong.png", test.images, test.labels, logits)
    right, wrong = (matplotlib.image.imread(tmp_path / name) for name in ("right.png", "wrong.png"))
    assert right.shape == wrong.shape
    assert (right != wrong).any()
