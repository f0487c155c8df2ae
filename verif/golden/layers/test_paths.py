"""Combined paths: every module folds to its row of the table, with PyTorch's bits."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.fold import fold
from signum.golden.compiler.lowering import FoldError
from signum.golden.layers import binary, residual
from signum.golden.layers.binary import BatchNorm, BinaryConv2d, MaxPool, Paths, Sign
from signum.golden.layers.encoder import Thermometer
from signum.golden.layers.residual import Int4
from signum.hdl.control.combine import COMBINES

KINDS = [kind for module in (binary, residual) for kind in vars(module).values()
         if isinstance(kind, type) and issubclass(kind, Paths) and kind is not Paths]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Paths]:
    return request.param


def path(kind: type[Paths], pad: int = 1) -> nn.Module:
    convolution = BinaryConv2d(6, 9, 3, padding=1, pad=pad)
    return nn.Sequential(convolution, Int4(9, 54)) if COMBINES[kind.combine].requantized else convolution


def network(kind: type[Paths], *paths: nn.Module, pool: str = "none") -> nn.Module:
    """Paths, a norm with statistics and factors of either sign, and a sign; a pool before or after the norm."""
    before, after = ([MaxPool(2)] if pool == place else [] for place in ("before", "after"))
    model = nn.Sequential(kind(*paths), *before, BatchNorm(9), *after, Sign())
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.running_mean.normal_(0, 4)
            module.running_var.uniform_(1, 9)
            module.weight.data.normal_()
            module.bias.data.normal_()
    return model.eval()


@pytest.mark.parametrize("pool", ["none", "before", "after"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_pytorch_and_the_graph(kind: type[Paths], count: int, pool: str, seed: int) -> None:
    """A row that is not linear is refused where the network pools values that fall with S."""
    torch.manual_seed(seed + count)
    encoder = Thermometer(levels=3, maximum=16)
    model = network(kind, *(path(kind) for _ in range(count)), pool=pool)
    row = COMBINES[kind.combine]
    if pool == "after" and (row.requantized or not row.linear):
        with pytest.raises(FoldError, match=r"its MaxPool must rise"):
            fold(model, encoder, (2, 8, 8))
        next(module for module in model.children() if isinstance(module, BatchNorm)).weight.data.abs_()
    graph = fold(model, encoder, (2, 8, 8))
    (layer,) = graph.layers
    assert layer.combine == kind.combine
    images = np.random.default_rng(seed).integers(0, 17, (5, 2, 8, 8))
    found = graph.run(encoder.bits(images))[layer.name]
    if layer.inverted is not None:
        found = found ^ layer.inverted
    with torch.no_grad():
        expected = model(encoder.tensor(images)).numpy() > 0
    assert (found.transpose(0, 3, 1, 2) == expected).all()
    assert 0 < expected.mean() < 1


def test_padding_with_0_needs_a_linear_row(kind: type[Paths]) -> None:
    row = COMBINES[kind.combine]
    model = network(kind, path(kind, pad=0), path(kind, pad=0))
    if row.linear and not row.requantized:
        assert fold(model, Thermometer(levels=3, maximum=16), (2, 8, 8)).layers[0].border == (1, 1, 1, 1)
    else:
        with pytest.raises(FoldError):
            fold(model, Thermometer(levels=3, maximum=16), (2, 8, 8))


def test_no_paths(kind: type[Paths]) -> None:
    with pytest.raises(ValueError, match=r"^paths must be one or more modules, not none$"):
        kind()
