"""Functions of torch as chains: quantizers and weights in many forms against the module, and the table of the docs."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from signum.golden.importers import NetworkError, from_torch
from signum.golden.importers.aten import CALLED, OPERATORS, translate
from signum.golden.importers.pytorch import TorchNetwork
from signum.hdl.lib.folders import REPOSITORY

from .modules import drawn_norm

Activation = Callable[["Net", Tensor], Tensor]


class Rounded(torch.autograd.Function):
    """Rounding, with the gradient of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


class Net(nn.Module):
    """Two convolutions and a linear layer, with one function behind each norm."""

    def __init__(self, activation: Activation, weights: Callable[[Tensor], Tensor] = torch.sign) -> None:
        super().__init__()
        self.activation, self.weights = activation, weights
        self.first, self.second = nn.Parameter(torch.randn(6, 3, 3, 3)), nn.Parameter(torch.randn(6, 6, 3, 3))
        self.last = nn.Parameter(torch.randn(5, 96))
        self.norms = nn.ModuleList([drawn_norm(6, 6.0), drawn_norm(6, 6.0)])
        self.scale = nn.Parameter(torch.rand(1, 6, 1, 1) + 0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.conv2d(torch.round(x * 255), self.weights(self.first))
        x = functional.conv2d(self.activation(self, self.norms[0](x)), self.weights(self.second))
        return functional.linear(self.activation(self, self.norms[1](x)).flatten(1), self.weights(self.last))


def imported(activation: Activation, weights: Callable[[Tensor], Tensor] = torch.sign) -> TorchNetwork:
    torch.manual_seed(1)
    return from_torch(Net(activation, weights), torch.rand(1, 3, 8, 8))


def images_of(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = rng.integers(0, 256, (count, 3, 8, 8))
    found[::3] = np.rint(np.linspace(0, 255, 192).reshape(3, 8, 8) * rng.random((len(found[::3]), 1, 1, 1)))
    return found


def masked_polynomial(net: Net, x: Tensor) -> Tensor:
    """The sign, and a polynomial for its gradient, of three masks."""
    masks = [(x < end).type(torch.float32) for end in (-1, 0, 1)]
    one = -1 * masks[0] + (x * x + 2 * x) * (1 - masks[0])
    two = one * masks[1] + (-x * x + 2 * x) * (1 - masks[1])
    three = two * masks[2] + 1 * (1 - masks[2])
    return torch.sign(x).detach() - three.detach() + three


QUANTIZERS: dict[str, tuple[int, Activation]] = {
    "sign": (1, lambda net, x: torch.sign(x)),
    "sign with 0": (2, lambda net, x: torch.sign(x.round())),
    "where of numbers": (1, lambda net, x: torch.where(x >= 0, 1.0, -1.0)),
    "where of tensors": (1, lambda net, x: torch.where(x > 0, torch.tensor(1.0), torch.tensor(-1.0))),
    "where of shapes": (1, lambda net, x: torch.where(x > 0, torch.ones(x.shape), -torch.ones(x.shape))),
    "masked_fill": (1, lambda net, x: torch.ones_like(x).masked_fill(x < 0, -1.0)),
    "comparison": (1, lambda net, x: (x > 0).float() * 2 - 1),
    "comparison of 0 and 1": (1, lambda net, x: (x > 0).float()),
    "type of another": (1, lambda net, x: 2 * (x >= 0).to(x.dtype) - 1),
    "in place": (1, lambda net, x: x.clone().clamp_(-1, 1).sign_()),
    "heaviside": (1, lambda net, x: torch.heaviside(x, torch.zeros(()))),
    "hard tanh": (1, lambda net, x: torch.sign(functional.hardtanh(x))),
    "leaky": (1, lambda net, x: torch.sign(torch.where(x > 0, x, 0.1 * x) + 0.2)),
    "tanh": (1, lambda net, x: torch.sign(torch.tanh(x) - 0.3)),
    "prelu of channels": (1, lambda net, x: torch.sign(functional.prelu(x, net.scale.flatten()))),
    "double": (1, lambda net, x: torch.sign(x.double() / 3 + 0.1).float()),
    "straight through": (1, lambda net, x: x + (torch.sign(x) - x).detach()),
    "polynomial": (1, masked_polynomial),
    "clamp and round": (3, lambda net, x: torch.round(functional.relu(x).clamp(max=1.0) * 3) / 3),
    "round and clamp": (3, lambda net, x: torch.round(x * 3).clamp(0, 3) / 3),
    "round of a function": (3, lambda net, x: Rounded.apply(x.clamp(-1, 1) * 1.5 + 1.5) / 1.5 - 1),
    "step of its own": (3, lambda net, x: (torch.round((x / 0.3).clamp(-2, 1)) - x / 0.3).detach() * 0.3 + x),
    "floor": (3, lambda net, x: torch.floor(x.clamp(0, 0.999) * 4)),
    "integers": (3, lambda net, x: (x * 2).clamp(0, 3).int().float() / 2),
    "sum of comparisons": (3, lambda net, x: (x > -0.5).float() + (x > 0).float() + (x > 0.5).float()),
    "fake quantize": (7, lambda net, x: torch.fake_quantize_per_tensor_affine(x, 0.25, 0, -4, 3)),
    "channels last": (1, lambda net, x: torch.sign(x.permute(0, 2, 3, 1) - torch.arange(6) / 9).permute(0, 3, 1, 2)),
    "pooled": (1, lambda net, x: functional.max_pool2d(torch.sign(x), 3, 1, 1)),
}


@pytest.mark.parametrize("name", [name for name in QUANTIZERS if name != "step of its own"])
def test_quantizers(name: str) -> None:
    bits, activation = QUANTIZERS[name]
    network = imported(activation)
    assert network.differences(images_of(200)) == 0
    assert network.bits["conv2d"] == network.bits["conv2d_1"] == bits
    assert len(np.unique(network.run(images_of(200)))) > 3
    assert not any(network.near.values())


def test_thresholds_within_the_rounding_are_counted() -> None:
    """A step of 0.3 whose values are those of torch's own rounding."""
    bits, activation = QUANTIZERS["step of its own"]
    network = imported(activation)
    assert network.bits["conv2d"] == bits
    assert not network.exact
    assert "conv2d_1" in network.near


@pytest.mark.parametrize("weights", [
    lambda w: torch.where(w >= 0, 1.0, -1.0), lambda w: w.abs().mean() * torch.sign(w),
    lambda w: torch.sign(w) * w.abs().flatten(1).mean(1).reshape(-1, *[1] * (w.ndim - 1)),
    lambda w: (torch.sign(w) * 0.03).detach() - w.clamp(-1, 1).detach() + w.clamp(-1, 1),
    lambda w: torch.round(torch.clamp(w, -1, 1)), lambda w: torch.round(w.clamp(-1, 1) * 7) / 8,
    lambda w: torch.sign(w - w.mean(tuple(range(1, w.ndim)), keepdim=True)), lambda w: w.sign() + torch.zeros_like(w)])
def test_weights(weights: Callable[[Tensor], Tensor]) -> None:
    network = imported(QUANTIZERS["sign"][1], weights)
    assert network.differences(images_of(200)) == 0
    assert len(np.unique(network.run(images_of(200)))) > 3


def test_readers_of_one_quantizer_share_its_layer() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        few = torch.sign(x)
        return functional.conv2d(few * 0.5, torch.sign(net.second), padding=1) + functional.conv2d(
            few * 0.25, torch.sign(net.second), padding=1)

    network = imported(lambda net, x: torch.sign(forward(net, x)))
    assert [layer.name for layer in network.graph.layers] == ["conv2d", "add", "conv2d_3", "add_1", "linear"]
    assert network.differences(images_of(100)) == 0


def test_scales_of_channels_behind_a_quantizer() -> None:
    network = imported(lambda net, x: torch.sign(x) * 2.0 ** torch.arange(6).reshape(1, 6, 1, 1))
    assert network.differences(images_of(100)) == 0


@pytest.mark.parametrize(("activation", "message"), [
    (lambda net, x: torch.sign(x.abs() - 0.5), "the functions between layer conv2d and its Sign must be monotone"),
    (lambda net, x: torch.where(x > 0, 0.7, -0.4),
     "must have levels of one distance, at multiples of it or of its half; a uniform quantizer would make it fit"),
    (lambda net, x: torch.sign(x + torch.arange(36.0).reshape(6, 6)[:x.shape[2], :x.shape[3]]),
     r"must have constants that are alike for all positions, not of the shape \(6, 6\)"),
    (lambda net, x: torch.round(100 * x), "must have at most 256 levels"),
    (lambda net, x: torch.sign(x) * torch.sign(x.flip(3)), r"mul_1 \(mul\) must have one input that is not constant"),
    (lambda net, x: torch.sign(x).cumsum(1),
     r"cumsum \(cumsum\) must be an operator that the array can compute; one of abs"),
])
def test_refused_functions(activation: Activation, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        imported(activation)


def test_the_table_of_the_docs() -> None:
    page = (REPOSITORY / "docs" / "import.md").read_text()
    table = page.split("| ATen operators |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if "|" in line)))
    assert named == set(OPERATORS)
    assert not named & set(CALLED)


def test_a_model_shows_its_chains() -> None:
    torch.manual_seed(1)
    net = Net(QUANTIZERS["comparison"][1]).eval()
    program = torch.export.export(net, (torch.rand(1, 3, 8, 8),)).run_decompositions({})
    found = translate(program, "net")
    assert [node.op_type for node in found.model.graph.node] == [
        "Chain", "Conv", "Chain", "Conv", "Chain", "Reshape", "Gemm"]
    chain = found.model.graph.node[2]
    assert [value.decode() for value in chain.attribute[1].strings] == [
        "batch_norm", "getitem", "gt", "to", "mul", "sub"]
    assert set(found.chains) == {node.output[0] for node in found.model.graph.node if node.op_type == "Chain"}
