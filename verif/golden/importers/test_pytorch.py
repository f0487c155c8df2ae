"""Plain modules of PyTorch equal themselves: integers against torch, in software and in RTL, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from signum.golden.importers import NetworkError, Normalization, from_torch
from signum.golden.importers.pytorch import TorchNetwork
from signum.verif.bench.imported_runs import check_imported, images_of

from .modules import STYLES, drawn_norm


def imported(name: str) -> tuple[nn.Module, TorchNetwork]:
    make, shape = STYLES[name]
    torch.manual_seed(0)
    model = make()
    return model, from_torch(model, torch.rand(1, *shape))


def own_outputs(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """The module's outputs of a batch."""
    with torch.no_grad():
        found: Tensor = model.eval()(torch.from_numpy(images.astype(np.float32) / np.float32(255)))
    return found.numpy()


@pytest.mark.parametrize("name", STYLES)
def test_styles(name: str) -> None:
    model, network = imported(name)
    assert model.training
    images = images_of(network, 1000)
    assert network.differences(images) == 0
    wanted = own_outputs(model, images)
    found = network.run(images).reshape(wanted.shape)
    if name == "BinaryNet":
        assert np.array_equal(found, wanted)
    elif name != "2 bits":              # where torch.topk may give equal values in another order
        assert np.abs(found - wanted).max() < 1e-5
    assert len(np.unique(network.run(images))) > 3
    assert {place for _, place in network.absorbed.values()} >= {layer.name for layer in network.graph.layers}


def test_layers_that_torch_rounds_are_told() -> None:
    """Scales of the weights, noise of ``sign(x) - x + x``, and biases among the sums."""
    _, network = imported("residual")
    assert set(network.near) == {"conv2d", "conv2d_1", "conv2d_2"}
    assert not any(network.near.values())
    _, network = imported("BinaryNet")
    assert set(network.near) == {"linear", "linear_1"}
    assert not any(network.near.values())


def test_in_rtl() -> None:
    """All styles on one simulated array, results and cycles."""
    check_imported([imported(name)[1] for name in STYLES])


class Small(nn.Module):
    """A convolution, and a function of it and of the module."""

    def __init__(self, function: Callable[["Small", Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.randn(6, 3, 3, 3))
        self.second = nn.Parameter(torch.randn(6, 6, 3, 3))
        self.norm = drawn_norm(6, 6.0)
        self.groups = nn.GroupNorm(2, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)

    def sums(self, x: Tensor) -> Tensor:
        return functional.conv2d(torch.round(x * 255), torch.sign(self.weight))


def small(function: Callable[[Small, Tensor], Tensor], example: Tensor | None = None,
          normalization: Normalization | None = None) -> TorchNetwork:
    torch.manual_seed(0)
    return from_torch(Small(function), torch.rand(1, 3, 8, 8) if example is None else example,
                      normalization=normalization)


@pytest.mark.parametrize("function", [
    lambda net, x: functional.conv2d(torch.sign(net.norm(functional.conv2d(x.float(), torch.sign(net.weight)))),
                                     torch.sign(net.second)),
    lambda net, x: functional.conv2d(torch.sign(x / 255 - 0.4), torch.sign(net.weight))])
def test_integer_pixels(function: Callable[[Small, Tensor], Tensor]) -> None:
    network = small(function, torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    assert network.normalization == Normalization(divide=1)
    assert network.differences(images_of(network, 100)) == 0


def test_normalization() -> None:
    network = small(lambda net, x: functional.conv2d(torch.sign(x), torch.sign(net.weight)),
                    normalization=Normalization(mean=(0.5, 0.25, 0.125), std=(0.25, 0.3, 0.5)))
    assert network.differences(images_of(network, 100)) == 0


@pytest.mark.parametrize("function", [
    lambda net, x: torch.sign(net.sums(x)),
    lambda net, x: (net.sums(x) > 3).float(),
    lambda net, x: torch.round(net.sums(x).clamp(0, 1.5) * 2) / 2,
    lambda net, x: net.norm(net.sums(x)) * 3 - 1,
    lambda net, x: net.sums(x).argmax(1)])
def test_ends(function: Callable[[Small, Tensor], Tensor]) -> None:
    """Codes, functions of the last sums, and a class for each position."""
    network = small(function)
    assert network.differences(images_of(network, 50)) == 0


def test_equal_values_are_ranked_by_their_places() -> None:
    def scores_of(net: Small, x: Tensor) -> Tensor:
        return functional.conv2d(torch.sign(net.sums(x)), torch.sign(net.second), stride=4).flatten(1)

    network = small(lambda net, x: scores_of(net, x).topk(3)[1])
    images = images_of(network, 200)
    assert network.differences(images) == 0
    scores = small(scores_of).run(images)
    assert any(len(np.unique(row)) < 6 for row in scores[:, :, 0, 0])


def refused(function: Callable[[Small, Tensor], Tensor], example: Tensor | None = None) -> NetworkError:
    with pytest.raises(NetworkError) as error:
        small(function, example)
    assert "\n" not in str(error.value)
    return error.value


def test_all_refusals_at_once() -> None:
    def forward(net: Small, x: Tensor) -> Tensor:
        y = functional.conv2d(torch.sign(net.groups(net.sums(x))), torch.sign(net.second))
        return functional.softmax(torch.cat([functional.conv2d(y, net.second), y.flip(3)[..., :2, :2]], 1), 1)

    found = refused(forward)
    assert [(refusal.node, refusal.operator) for refusal in found.refusals] == [
        ("groups.group_norm", "group_norm"), ("flip", "flip"), ("slice_1", "slice"), ("slice_2", "slice"),
        ("cat", "cat"), ("softmax", "softmax")]
    assert str(found.refusals[0]) == ("groups.group_norm (group_norm) must not depend on the statistics of an image; "
                                      "a batch_norm with running statistics would make it fit")
    assert str(found).startswith("Small must be a network that the array computes exactly: groups.group_norm")


@pytest.mark.parametrize(("function", "message"), [
    (lambda net, x: x if x.sum() > 0 else -x, "the module must be one that torch.export traces: Could not guard on "
     "data-dependent expression"),
    (lambda net, x: 1 / 0, "the module must be one that torch.export traces: division by zero"),
    (lambda net, x: (x, x), "Small must have one input and one output, tensors, not 1 and 2"),
    (lambda net, x: functional.conv2d(torch.round(x * 255), net.weight),
     "conv2d (conv2d) must have weights of integers: the weights of an output channel must be multiples of one number, "
     "by -255 to 255; a quantizer of its weights would make it fit"),
    (lambda net, x: functional.conv2d(net.norm(net.sums(x)), torch.sign(net.second)),
     "conv2d_1 (conv2d) must read a quantized tensor; a quantizer in front of it would make it fit"),
    (lambda net, x: net.norm(net.sums(x)) + functional.conv2d(torch.sign(net.sums(x)), torch.sign(net.second)).sum(),
     "round_2 (round) must be the only reader of the network's input; one quantizer of the input would make it fit"),
    (lambda net, x: torch.sign(net.sums(x) + torch.rand(1, 6, 6, 6)),
     "rand (rand) must give the same numbers each time; constants would make it fit"),
    (lambda net, x: net.sums(x).argmax(), "argmax (argmax) must rank the channels; dim of 1 would make it fit"),
    (lambda net, x: net.sums(x.double()).float(),
     "must read float32, not float64; a model of float32 would make it fit"),
    (lambda net, x: torch.sign(net.weight).sum((1, 2, 3)).view(1, 6), "must depend on the network's input"),
    (lambda net, x: torch.sign(net.sums(x)).topk(2, dim=1)[0], "must give the places of the largest values"),
])
def test_refusals(function: Callable[[Small, Tensor], Tensor], message: str) -> None:
    found = refused(function)
    assert message in str(found)


def test_the_example() -> None:
    assert str(refused(lambda net, x: x, torch.rand(3, 8, 8))) == (
        "the example must be of the shape (1, C, H, W) or (1, F), not (3, 8, 8)")


def test_the_device() -> None:
    with pytest.raises(NetworkError, match=r"^the module and the example must be on the CPU, not on cpu, meta$"):
        from_torch(nn.Linear(3, 2, device="meta"), torch.rand(1, 3))


def test_a_module_that_counts_its_calls() -> None:
    """A buffer that the forward pass changes is no output."""
    class Counting(Small):
        calls: Tensor

        def __init__(self) -> None:
            super().__init__(lambda net, x: functional.conv2d(torch.sign(net.sums(x)), torch.sign(net.second)))
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x)

    torch.manual_seed(0)
    model = Counting()
    network = from_torch(model, torch.rand(1, 3, 8, 8))
    assert network.differences(images_of(network, 20)) == 0
    assert model.calls == 0


def test_a_refused_module_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    refused(lambda net, x: x if x.sum() > 0 else -x)
    refused(lambda net, x: functional.linear(x, net.weight))
    assert capfd.readouterr() == ("", "")
