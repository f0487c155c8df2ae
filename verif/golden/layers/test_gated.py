"""The gated convolution: its planes and gradients, exact folding, refusals, and FracBNN's networks in RTL."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from signum.golden.compiler.compile import CapacityError, compile_graph
from signum.golden.compiler.fold import FoldError, fold
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.sizing import compile_fitted
from signum.golden.layers.binary import BatchNorm, BinaryConv2d, BinaryLinear, Logits, MaxPool, Sign, Sum, SumPool
from signum.golden.layers.encoder import BitPlanes, Encoder, SignEncoder
from signum.golden.layers.gains import GainLevels
from signum.golden.layers.gated import GatedConv2d
from signum.golden.layers.quant import Levels, QuantConv2d, QuantReLU
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import Case
from signum.verif.bench.programs import check_cases

ARRAY = ArrayConfig(rows=3, cols=4, lanes=6, tile=2, drain_width=2, weight_depth=4096, activation_depth=4096,
                    threshold_depth=4096, program_depth=1024, acc_bits=8, sum_bits=20, gate=1)


def settled(network: nn.Sequential, encoder: Encoder, shape: tuple[int, int, int], seed: int) -> tuple[
        Tensor, np.ndarray]:
    """Images as inputs of the network and as pixels; the network has the statistics of others, and norms that fall."""
    rng = np.random.default_rng(seed)
    low, high = (-1, 1) if isinstance(encoder, SignEncoder) else (0, 1 << len(encoder.names))
    with torch.no_grad():
        network(encoder.tensor(rng.integers(low, high, (24, *shape))))
        for module in network.modules():
            if isinstance(module, BatchNorm):
                module.bias.add_(torch.randn(len(module.bias)) / 3)
                module.weight[::3].neg_()
            if isinstance(module, GatedConv2d):
                module.gate.add_(torch.randn(len(module.gate)) / 2)
    images = rng.integers(low, high, (3, *shape))
    return encoder.tensor(images), images


def check_folding(network: nn.Sequential, encoder: Encoder, shape: tuple[int, int, int], seed: int) -> tuple[
        Graph, dict[str, np.ndarray]]:
    """The graph of a network, whose bits or values are those of PyTorch."""
    inputs, images = settled(network, encoder, shape, seed)
    network.eval()
    with torch.no_grad():
        wanted = network(inputs).numpy()
    graph = fold(network, encoder, shape)
    maps = encoder.bits(images)
    last = graph.layers[-1]
    found = graph.run(maps)[last.name]
    if last.raw:
        np.testing.assert_array_equal(last.values(found)[:, 0, 0], wanted)
    else:
        bits = found if last.inverted is None else found ^ last.inverted
        copies = last.channels // wanted.shape[1]
        values = (2 * bits.astype(int) - 1).reshape(*bits.shape[:3], -1, copies).sum(axis=-1)
        np.testing.assert_array_equal(values.transpose(0, 3, 1, 2), wanted)
    return graph, maps


def test_planes_and_gate() -> None:
    """One tap of weight 1: 2*high + low = x where high exceeds the gate, else 2*high."""
    layer = GatedConv2d(1, 2, 1)
    with torch.no_grad():
        layer.weight.fill_(0.3)
        layer.gate[:] = torch.tensor([0.0, -1.0])
    x = torch.tensor([-3.0, -1.0, 1.0, 3.0]).reshape(1, 1, 1, 4)
    assert layer(x)[0, :, 0].tolist() == [[-2, -2, 1, 3], [-2, -2, 1, 3]]
    with torch.no_grad():
        layer.gate[:] = torch.tensor([1.0, -1.1])       # a gate is exceeded, not reached
    assert layer(x)[0, :, 0].tolist() == [[-2, -2, 2, 2], [-3, -1, 1, 3]]
    pixels = GatedConv2d(1, 1, 1, unsigned=True)
    with torch.no_grad():
        pixels.weight.fill_(0.3)
    assert pixels(torch.arange(4.0).reshape(1, 1, 1, 4)).flatten().tolist() == [0, 0, 2, 3]


def test_gradients() -> None:
    layer = GatedConv2d(1, 1, 1)
    with torch.no_grad():
        layer.weight.fill_(0.3)
    x = torch.tensor([-3.0, -1.0, 1.0, 3.0], requires_grad=True)
    layer(x.reshape(1, 1, 1, 4)).sum().backward()
    assert x.grad is not None
    assert layer.gate.grad is not None
    slope = 5 * torch.sigmoid(torch.tensor(5.0)) * torch.sigmoid(torch.tensor(-5.0))     # at z = 1 and -1
    light = torch.tensor([-1.0, 1.0, -1.0, 1.0])
    torch.testing.assert_close(layer.gate.grad, -(slope * light).sum().reshape(1))
    torch.testing.assert_close(x.grad, 1 + slope * light / 2)


@pytest.mark.parametrize("pad", [0, 3, -3])
@pytest.mark.parametrize("activation", ["levels", "relu", "gains"])
def test_folding(pad: int, activation: str, seed: int) -> None:
    """Every padding and activation of 4 levels; strides, dilations, pooling where norms rise, 2 bits onwards."""
    torch.manual_seed(seed)
    levels: nn.Module = {"levels": Levels(3), "relu": QuantReLU(3), "gains": GainLevels(5, 3)}[activation]
    if isinstance(levels, GainLevels):
        with torch.no_grad():
            levels.spacing[:2] = torch.tensor([-0.7, 0.4])
    network = nn.Sequential(
        BinaryConv2d(3, 5, 3, padding=1), BatchNorm(5), levels,
        GatedConv2d(5, 6, 3, padding=(1, 0, 2, 1), stride=(1, 2), pad=pad), BatchNorm(6), Levels(3),
        GatedConv2d(6, 4, 2, dilation=2, pad=pad, padding=1), BatchNorm(4), Sign())
    graph, _ = check_folding(network, SignEncoder(), (3, 7, 8), seed)
    assert [layer.name for layer in graph.layers] == ["0.1", "0.0", "0.2", "3.1", "3.0", "3.2", "6"]
    assert [segment.gated for segment in graph.layers[3].segments] == [False, True, True]
    assert not any(segment.double for layer in graph.layers for segment in layer.segments)


def test_folding_of_pixels_and_pooling(seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(
        GatedConv2d(3, 5, 3, padding=1, unsigned=True, pad=3), MaxPool(2), BatchNorm(5), Levels(3), nn.Flatten(),
        BinaryLinear(5 * 9, 7))
    graph, _ = check_folding(network, BitPlanes(2), (3, 6, 7), seed)
    assert [segment.double for segment in graph.layers[0].segments] == [False, True]
    assert graph.layers[0].inverted is not None


@pytest.mark.parametrize("gate", [-9.0, 9.0])
def test_gates_that_are_always_open_or_closed(gate: float, seed: int) -> None:
    """An open one is the ungated convolution of 2-bit activations, a closed one that of their heavy plane."""
    torch.manual_seed(seed)
    layer = GatedConv2d(4, 5, 3, padding=1)
    network = nn.Sequential(BinaryConv2d(2, 4, 3, padding=1), BatchNorm(4), Levels(3), layer, BatchNorm(5), Sign())
    settled(network, SignEncoder(), (2, 6, 5), seed)
    with torch.no_grad():
        layer.gate.fill_(gate)
    inputs, _ = settled(nn.Sequential(), SignEncoder(), (2, 6, 5), seed)
    plain = BinaryConv2d(4, 5, 3, padding=1, pad=0)
    plain.weight = layer.weight
    network.eval()
    with torch.no_grad():
        x = network[:3](inputs)
        wanted = plain(x) if gate < 0 else 2 * plain(x.sign())
        assert torch.equal(layer(x), wanted)
    graph = fold(network, SignEncoder(), (2, 6, 5))
    gates, top = graph.layers[-1].gates, graph.layers[-1].top
    assert gates is not None
    assert (gates == 0).all() if gate < 0 else (gates == top + 1).all()


def before() -> list[nn.Module]:
    return [BinaryConv2d(2, 3, 1), BatchNorm(3), Levels(3)]


class Unsorted(Levels):
    """Levels whose second sign has the lowest threshold."""

    def thresholds(self) -> list[float]:
        return [0.5, -0.5, 1.5]


@pytest.mark.parametrize(("modules", "message"), [
    ([BinaryConv2d(2, 3, 3), BatchNorm(3), Unsorted(3), GatedConv2d(3, 4, 1)],
     "3 (GatedConv2d) must follow an activation of 4 levels about 0, as of Levels(3)"),
    ([GatedConv2d(2, 4, 1)], "0 (GatedConv2d) must follow an activation of 4 levels about 0, as of Levels(3)"),
    ([BinaryConv2d(2, 3, 1), BatchNorm(3), Levels(2), GatedConv2d(3, 4, 1)],
     "3 (GatedConv2d) must follow an activation of 4 levels about 0, as of Levels(3)"),
    ([GatedConv2d(2, 4, 1, unsigned=True)],
     "0 (GatedConv2d) must read pixels of 2 bit planes, for it is unsigned"),
    ([*before(), GatedConv2d(2, 4, 1)], "3 (GatedConv2d) must have 3 input channels, not 2"),
    ([*before(), SumPool(2), GatedConv2d(3, 4, 1)], "4 (GatedConv2d) must not follow Flatten or SumPool"),
    ([*before(), GatedConv2d(3, 4, 1)], "layer 3 must end with a Sign, for its light plane is gated"),
    ([*before(), GatedConv2d(3, 4, 1), Logits(4, scale=1)],
     "layer 3 must end with a Sign, for its light plane is gated"),
    ([*before(), Sum(GatedConv2d(3, 4, 1), BinaryConv2d(3, 4, 1))],
     "3.paths.0 of a Sum must not end with paths that combine by gated"),
])
def test_networks_that_do_not_fold(modules: list[nn.Module], message: str) -> None:
    with pytest.raises(FoldError, match=f"^{re.escape(message)}$"):
        fold(nn.Sequential(*modules), SignEncoder(), (2, 4, 4))


def test_pooling_of_falling_values_is_refused() -> None:
    norm = BatchNorm(4)
    with torch.no_grad():
        norm.weight[1] = -1
    network = nn.Sequential(*before(), GatedConv2d(3, 4, 1), norm, MaxPool(2), Sign())
    with pytest.raises(FoldError, match=r"^the functions between layer 3 and its MaxPool must rise, for its paths "
                                        r"combine by gated$"):
        fold(network, SignEncoder(), (2, 4, 4))


@pytest.mark.parametrize(("values", "message"), [
    ({"pad": 1}, "pad must be 0 or 3 or -3, not 1"), ({"pad": True}, "pad must be 0 or 3 or -3, not True"),
    ({"pad": -3, "unsigned": True}, "pad must be 0 or 3, not -3")])
def test_wrong_padding_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        GatedConv2d(1, 1, 1, **values)


def fracbnn(pad: int) -> nn.Sequential:
    """Pixels into gated layers with pooling and a stride, and a last layer of the third one's bits."""
    return nn.Sequential(
        QuantConv2d(3, 6, 3, weight_bits=2, padding=1, pad=0), BatchNorm(6), Levels(3),
        GatedConv2d(6, 9, 3, padding=1, pad=pad), BatchNorm(9), Levels(3),
        GatedConv2d(9, 8, 3, padding=1, stride=2, pad=pad), BatchNorm(8), QuantReLU(3),
        GatedConv2d(8, 7, (1, 2), pad=pad), MaxPool(2), BatchNorm(7), Sign(), nn.Flatten(), BinaryLinear(7, 5))


@pytest.mark.parametrize("pad", [0, pytest.param(-3, marks=pytest.mark.slow)])
def test_a_network_in_rtl(pad: int, seed: int) -> None:
    """A whole network of random weights, bit by bit as PyTorch in evaluation, in batch and in split mode."""
    torch.manual_seed(seed)
    network = fracbnn(pad)
    encoder = BitPlanes(3)
    inputs, images = settled(network, encoder, (3, 4, 6), seed)
    with torch.no_grad():
        wanted = network.eval()(inputs).numpy()
    graph = fold(network, encoder, (3, 4, 6))
    assert sum(layer.gates is not None for layer in graph.layers) == 7      # a map for each bit of an activation
    maps = encoder.bits(images)
    last = graph.layers[-1]
    np.testing.assert_array_equal(last.values(graph.run(maps)[last.name])[:, 0, 0], wanted)
    programs = [compile_graph(graph, ARRAY, split=split) for split in (False, True)]
    check_cases(ARRAY, [Case(program, graph, {name: bits[:program.images] for name, bits in maps.items()})
                        for program in programs])


def test_arrays_with_and_without_gates(seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(*before(), GatedConv2d(3, 4, 1), BatchNorm(4), Sign()).eval()
    graph = fold(network, SignEncoder(), (2, 4, 4))
    with pytest.raises(CapacityError, match=r"^layer 3 is gated, which this array leaves out: gate of 1 would make it "
                                            r"fit$"):
        compile_graph(graph, ARRAY.replace(gate=0))
    assert compile_fitted(graph, ARRAY.replace(gate=0)).config.gate == 1
