"""The 8-bit twin: exact integer sums, close to the float network."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from signum.golden.layers.int8 import Int8Conv2d, prepare, quantize


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
                        nn.Sequential(nn.Conv2d(8, 6, 3, dilation=2, padding=2, bias=False), nn.BatchNorm2d(6)),
                        nn.Conv2d(6, 2, 1))
    for _ in range(20):
        net(torch.rand(8, 3, 12, 12))
    return net.eval()


def test_twin_is_close_and_exact():
    net, x = network(), torch.rand(16, 3, 12, 12)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    twin = quantize(net, x)
    with torch.no_grad():
        expected, found = net(x), twin(x)
    assert (expected - found).abs().max() < 0.05 * expected.std() * 4
    assert not torch.equal(expected, found)
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    convs = [module for module in twin.modules() if isinstance(module, Int8Conv2d)]
    assert [bool(conv.signed) for conv in convs] == [False, False, True]
    sums, integers = convs[0].sums(x), convs[0].integers(x).numpy().astype(np.int64)
    weight = convs[0].weight.numpy().astype(np.int64)
    padded = np.pad(integers, ((0, 0), (0, 0), (1, 1), (1, 1)))
    assert integers.min() >= 0
    assert integers.max() == 255
    assert sums[3, 5, 2, 4] == (padded[3, :, 4:7, 8:11] * weight[5]).sum()
    assert abs(weight).max(axis=(1, 2, 3)).tolist() == [127] * 8


def test_a_parametrization_is_left_in_the_original():
    """A twin has plain weights, and the original, with a class that PyTorch shares among its copies, keeps its own."""
    class Doubled(nn.Module):
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return 2 * weight

    torch.manual_seed(0)
    conv = nn.Conv2d(2, 4, 3, stride=2, padding=1, dilation=2)
    net = nn.Sequential(conv, nn.BatchNorm2d(4)).eval()
    parametrize.register_parametrization(conv, "weight", Doubled())
    x = torch.rand(2, 2, 9, 9)
    with torch.no_grad():
        before = net(x)
        twin = quantize(net, x)
        assert torch.equal(net(x), before)
        assert (twin(x) - before).abs().max() < 0.02 * before.abs().max()
    prepare(net)
    with torch.no_grad():
        assert torch.equal(net(x), before)


def test_state_goes_into_an_empty_twin():
    net, x = network(), torch.rand(4, 3, 12, 12)
    twin, empty = quantize(net, x), prepare(net)
    empty.load_state_dict(twin.state_dict())
    with torch.no_grad():
        assert torch.equal(twin(x), empty(x))


@pytest.mark.parametrize("largest", [0.0, 1e-30])
def test_inputs_that_are_all_zero(largest):
    conv = nn.Conv2d(2, 3, 1)
    twin = Int8Conv2d(conv)
    twin.set(conv, torch.full((10,), largest))
    with torch.no_grad():
        assert torch.isfinite(twin(torch.ones(1, 2, 1, 1))).all()
