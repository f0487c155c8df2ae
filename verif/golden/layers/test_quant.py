"""Layers with weights of several bits: their numbers, gradients, folding into planes, and runs of the interpreter."""

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.fold import FoldError, fold
from signum.golden.compiler.graph import Graph
from signum.golden.layers.binary import BatchNorm, BinaryConv2d, ErrorDecay, Logits, MaxPool, Sign, Sum, binarize, clamp
from signum.golden.layers.encoder import BitPlanes, Encoder, SignEncoder
from signum.golden.layers.quant import Levels, QuantConv2d, QuantLinear, QuantReLU, odd_integers
from signum.golden.layers.residual import Int4, Residual
from signum.golden.reference.interpret import interpret
from signum.hdl.config import ArrayConfig

ARRAY = ArrayConfig(rows=3, cols=5, lanes=12, weight_depth=8192, activation_depth=2048, threshold_depth=4096,
                    program_depth=2048, acc_bits=9, sum_bits=24)


@pytest.mark.parametrize("bits", range(1, 9))
def test_odd_integers(bits: int) -> None:
    """Every odd integer is its own nearest, halfway cases round up, and the ends are clipped."""
    top = 2**bits - 1
    odd = torch.arange(-top, top + 1, 2)
    assert len(odd) == 2**bits
    assert odd_integers(odd / top, bits).tolist() == odd.tolist()
    assert odd_integers(torch.tensor([-9.0, 9.0]), bits).tolist() == [-top, top]
    x = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    found = odd_integers(x, bits)
    assert (found % 2 == 1).all()
    assert ((found - x * top).abs() <= 1 + 1e-9).all()
    assert odd_integers(torch.zeros(1), bits).item() == 1


def test_one_bit_is_a_sign() -> None:
    x = torch.randn(1000, requires_grad=True)
    weights = torch.randn(1000)
    assert torch.equal(odd_integers(x, 1), binarize(x))
    found, = torch.autograd.grad((odd_integers(x, 1) * weights).sum(), x)
    wanted, = torch.autograd.grad((binarize(x) * weights).sum(), x)
    assert torch.equal(found, wanted)


def test_gradient() -> None:
    x = torch.tensor([-1.5, -1, -0.2, 0.7, 1, 1.1], requires_grad=True)
    odd_integers(x, 3).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 7, 7, 7, 7, 0]


def test_real_weights_of_the_first_stage_have_the_same_range() -> None:
    layer = QuantConv2d(2, 3, 3, weight_bits=4)
    layer.binarizer = clamp
    assert torch.equal(layer.binary_weight(), 15 * layer.weight.clamp(-1, 1))


def norm(rng: np.random.Generator, channels: int, spread: float) -> BatchNorm:
    """A norm of any sign near the middle of the sums; some channels are constant."""
    made = BatchNorm(channels)
    made.running_mean.copy_(torch.from_numpy(rng.normal(0, spread / 2, channels)))
    made.running_var.copy_(torch.from_numpy(rng.uniform(0.5, 2, channels) * spread**2))
    made.weight.data.copy_(torch.from_numpy(rng.choice([-1, 1], channels) * rng.uniform(0.5, 2, channels)))
    made.bias.data.copy_(torch.from_numpy(rng.normal(0, 0.3, channels)))
    made.weight.data[0] = 0
    return made


def check(model: nn.Sequential, encoder: Encoder, images: np.ndarray, config: ArrayConfig = ARRAY) -> Graph:
    """PyTorch, the graph and the interpreter agree about every element of the last layer."""
    graph = fold(model, encoder, images.shape[1:])
    with torch.no_grad():
        wanted = model.eval()(encoder.tensor(images)).numpy()
    last = graph.layers[-1]
    maps = encoder.bits(images)
    count = next((module.count for module in reversed(list(model)) if isinstance(module, Sign)), 1)
    found = graph.run(maps)[last.name]
    inverted = np.zeros(last.channels, dtype=bool) if last.inverted is None else last.inverted
    values = last.values(found) if last.raw else np.where(found ^ inverted, 1, -1).reshape(
        *found.shape[:3], -1, count).sum(axis=4)
    wanted = wanted.reshape(*wanted.shape[:2], *values.shape[1:3]).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(values, wanted)
    assert len(np.unique(wanted)) > 1
    program = compile_graph(graph, config)
    memory, results = interpret(program, maps)
    if last.raw:
        np.testing.assert_array_equal(results.reshape(found.shape), found)
    else:
        place = program.maps[last.name]
        np.testing.assert_array_equal(place.to_elements(memory[:, place.addresses]), found)
    return graph


@pytest.mark.parametrize(("kernel", "total"), [(3, 1), (5, 129), (2, 6)])
def test_filters_with_a_total(kernel: int, total: int) -> None:
    torch.manual_seed(0)
    layer = QuantConv2d(1, 40, kernel, weight_bits=8, total=total)
    with torch.no_grad():
        layer.weight.mul_(0.2)
    weights = layer.binary_weight()
    assert (weights % 2 == 1).all()
    inside = weights.abs().amax(dim=(1, 2, 3)) < 255
    assert inside.sum() > 20
    assert (weights.sum(dim=(1, 2, 3))[inside] == total).all()
    assert weights.abs().max() <= 255
    free = QuantConv2d(1, 40, kernel, weight_bits=8)
    free.weight = nn.Parameter(layer.weight.detach() - layer.weight.detach().mean(dim=(1, 2, 3), keepdim=True))
    same = (weights == free.binary_weight()).sum(dim=(1, 2, 3))
    assert (same >= kernel**2 - 1).all()
    weights.square().sum().backward()
    assert layer.weight.grad is not None
    assert "total=" in repr(layer)
    with pytest.raises(ValueError, match=r"total must be odd, as a sum of 9 odd integers, not 4"):
        QuantConv2d(1, 2, 3, weight_bits=2, total=4)


@pytest.mark.parametrize("pad", [1, -1, 0])
@pytest.mark.parametrize("weight_bits", [1, 2, 3, 5])
def test_weights_of_several_bits_on_signs(weight_bits: int, pad: int) -> None:
    """Two layers: on signs of the image, then on the signs of the first."""
    rng = np.random.default_rng(weight_bits)
    model = nn.Sequential(
        QuantConv2d(3, 9, 3, weight_bits=weight_bits, padding=1, pad=pad), norm(rng, 9, 2**weight_bits * 5), Sign(),
        QuantConv2d(9, 6, (2, 3), weight_bits=2, stride=(1, 2), dilation=(2, 1), padding=(1, 0), pad=pad),
        norm(rng, 6, 40), MaxPool(2), Sign())
    graph = check(model, SignEncoder(), rng.integers(-9, 9, (5, 3, 8, 9)))
    assert [segment.double for segment in graph.layers[0].segments] == [False, *[True] * (weight_bits - 1)]


@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize(("a_bits", "w_bits"), [(1, 8), (2, 1), (2, 2), (3, 4), (8, 2)])
def test_numbers_and_weights_of_several_bits(a_bits: int, w_bits: int, pad: int) -> None:
    """a times w passes, in the order of falling weight: doublings at a + w - 2 of them."""
    rng = np.random.default_rng(10 * a_bits + w_bits)
    model = nn.Sequential(QuantConv2d(2, 7, 3, weight_bits=w_bits, padding=1, pad=pad),
                          norm(rng, 7, 2**(a_bits + w_bits) * 2), Sign())
    images = rng.integers(0, 2**a_bits, (4, 2, 5, 6))
    images[0], images[1] = 0, 2**a_bits - 1
    graph = check(model, BitPlanes(a_bits), images)
    segments = graph.layers[0].segments
    assert len(segments) == a_bits * w_bits
    assert sum(segment.double for segment in segments) == a_bits + w_bits - 2


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_levels(count: int) -> None:
    """As many levels as there are, at equal distances; their thermometer bits rise one after the other."""
    levels = Levels(count, spacing=0.5)
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)[:, None]
    found = levels(x)[:, 0]
    assert found.unique().tolist() == list(range(-count, count + 1, 2))
    assert (found.diff() >= 0).all()
    bits = levels.bits(x.expand(-1, 3))
    assert bits.shape == (61, 3 * count)
    for channel in range(3):
        code = bits[:, channel * count:(channel + 1) * count].int()
        assert torch.equal(2 * code.sum(1) - count, found)
        assert (code.diff(dim=1) <= 0).all()


@pytest.mark.parametrize("count", [1, 3, 7])
def test_quantized_relu(count: int) -> None:
    """The nearest level of a clipped ReLU; its gradient is that of the clipped ReLU in units of half a step."""
    relu = QuantReLU(count, spacing=0.5)
    x = torch.linspace(-2, 5, 141, dtype=torch.float64) + 1e-3
    assert torch.equal(relu(x[:, None])[:, 0], 2 * (x.clamp(0, 0.5 * count) / 0.5).round() - count)
    assert torch.equal(2 * relu.bits(x[:, None]).sum(1) - count, relu(x[:, None])[:, 0].long())
    x.requires_grad_()
    relu(x[:, None]).sum().backward()
    other = x.detach().clone().requires_grad_()
    (other.clamp(0, 0.5 * count) / 0.25).sum().backward()
    assert x.grad is not None
    assert other.grad is not None
    assert torch.equal(x.grad, other.grad)


def test_quantized_relu_with_another_gradient() -> None:
    relu = QuantReLU(3)
    x = torch.linspace(-1, 3, 50)
    plain = relu(x)
    relu.binarizer = ErrorDecay(2.0)
    assert torch.equal(relu(x), plain)


def test_gradient_of_levels() -> None:
    x = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], requires_grad=True)
    Levels(2, spacing=2.0)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 0]


@pytest.mark.parametrize(("count", "weight_bits", "rectified"), [
    (3, 1, False), (3, 2, False), (2, 1, False), (2, 3, False), (7, 1, False), (3, 1, True), (1, 2, True)])
def test_activations_of_several_bits(count: int, weight_bits: int, rectified: bool) -> None:
    """Convolutions with zero padding, pools before and after the levels, and a linear layer behind them."""
    rng = np.random.default_rng(10 * count + weight_bits)
    top = 2**weight_bits
    model = nn.Sequential(
        BinaryConv2d(3, 5, 3, padding=1, pad=0), norm(rng, 5, 5),
        QuantReLU(count) if rectified else Levels(count), MaxPool((1, 2)),
        QuantConv2d(5, 6, 3, weight_bits=weight_bits, padding=1, pad=0), MaxPool(2), norm(rng, 6, 5 * count * top),
        Levels(count, spacing=0.5), nn.Flatten(), QuantLinear(6 * 9, 7, weight_bits=weight_bits),
        norm(rng, 7, 8 * count * top), Levels(2))
    graph = check(model, SignEncoder(), rng.integers(-9, 9, (6, 3, 6, 12)))
    assert [layer.channels for layer in graph.layers] == [5 * count, 6 * count, 14]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("end", [-1, 1])
def test_maps_padded_with_an_end_of_their_range(count: int, end: int) -> None:
    """The padded positions of a map have all bits or none; results of several bits allow it, too."""
    rng = np.random.default_rng(count)
    model = nn.Sequential(
        BinaryConv2d(2, 5, 1), norm(rng, 5, 3), Levels(count), BinaryConv2d(5, 4, 3, padding=1, pad=end * count),
        norm(rng, 4, 7 * count), Levels(count),
        QuantConv2d(4, 3, 3, weight_bits=2, padding=(1, 0), pad=end * count), Logits(3, scale=0.25))
    graph = check(model, SignEncoder(), rng.integers(-9, 9, (6, 2, 5, 4)))
    assert all(layer.border == (0, 0, 0, 0) for layer in graph.layers)


def test_ternary_logits() -> None:
    rng = np.random.default_rng(7)
    check(nn.Sequential(BinaryConv2d(3, 8, 3), norm(rng, 8, 5), Levels(2), QuantConv2d(8, 4, 3, weight_bits=2)),
          SignEncoder(), rng.integers(-5, 5, (9, 3, 6, 6)))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Levels(0), "count must be an integer of 1 to 7, not 0"),
    (lambda: Levels(8), "count must be an integer of 1 to 7, not 8"),
    (lambda: Levels(2, spacing=0), "spacing must be positive, not 0"),
])
def test_levels_are_checked(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_levels_are_padded_with_a_value_of_bits() -> None:
    model = nn.Sequential(BinaryConv2d(3, 4, 1), Levels(3), BinaryConv2d(4, 4, 3, padding=1), Sign())
    message = "2 (BinaryConv2d) must have pad 0, 3 or -3 behind an activation of 3 bits, not -1"
    with pytest.raises(FoldError, match=f"^{re.escape(message)}$"):
        fold(model, SignEncoder(), (3, 4, 4))


def test_int4_paths_have_activations_of_one_bit() -> None:
    def both() -> Residual:
        return Residual(*(nn.Sequential(BinaryConv2d(4, 6, 1), Int4(6, 4)) for _ in range(2)))

    message = "layer 0 must end with a Sign of one bit, not of 2, for its paths are INT4"
    with pytest.raises(FoldError, match=f"^{re.escape(message)}$"):
        fold(nn.Sequential(both(), Levels(2)), SignEncoder(), (4, 3, 3))
    message = "the paths of 2 (Residual) must have weights of 1 bit and read single bits, for they combine by residual"
    with pytest.raises(FoldError, match=f"^{re.escape(message)}$"):
        fold(nn.Sequential(BinaryConv2d(4, 4, 1), Levels(2), both(), Sign()), SignEncoder(), (4, 3, 3))


def test_paths_of_different_bits_add_exactly() -> None:
    """The planes of both paths are ordered together: no doubling meets the other path's sum."""
    rng = np.random.default_rng(3)
    model = nn.Sequential(Sum(QuantConv2d(4, 6, 3, weight_bits=3, padding=1), BinaryConv2d(4, 6, 1),
                              QuantConv2d(4, 6, 1, weight_bits=2)), norm(rng, 6, 40), Sign())
    graph = check(model, SignEncoder(), rng.integers(-5, 5, (4, 4, 6, 5)))
    assert [segment.double for segment in graph.layers[0].segments] == [False, True, False, True, False, False]


def test_paths_on_planes_and_on_signs_add_exactly() -> None:
    """One path reads pixels by planes, the other the signs of a layer before: these have twice the weight."""
    rng = np.random.default_rng(5)
    body = nn.Sequential(QuantConv2d(2, 5, 3, weight_bits=2, padding=1, pad=0), norm(rng, 5, 60), Sign(),
                         QuantConv2d(5, 6, 3, weight_bits=3, padding=1, pad=0))
    model = nn.Sequential(Sum(body, QuantConv2d(2, 6, 1, weight_bits=1)), norm(rng, 6, 40), MaxPool(2), Sign())
    graph = check(model, BitPlanes(3), rng.integers(0, 8, (4, 2, 6, 6)))
    assert len(graph.layers[-1].segments) == 3 + 3
    assert [segment.double for segment in graph.layers[-1].segments] == [False, True, False, True, False, True]


@pytest.mark.parametrize("pad", [0, 1])
def test_raw_sums_of_planes(pad: int) -> None:
    rng = np.random.default_rng(6)
    logits = Logits(4, scale=0.01)
    logits.bias.data.copy_(torch.from_numpy(rng.normal(0, 3, 4)))
    images = rng.integers(0, 16, (4, 3, 4, 5))
    images[0], images[1] = 0, 15
    graph = check(nn.Sequential(QuantConv2d(3, 4, 3, weight_bits=3, padding=1, pad=pad), logits), BitPlanes(4), images)
    assert graph.layers[-1].step == 1


def test_logits_of_a_linear_layer_of_several_bits() -> None:
    rng = np.random.default_rng(4)
    logits = Logits(10, scale=0.01)
    model = nn.Sequential(BinaryConv2d(3, 8, 3), Sign(), nn.Flatten(), QuantLinear(8 * 9, 10, weight_bits=4), logits)
    logits.bias.data.copy_(torch.from_numpy(rng.normal(0, 3, 10)))
    graph = check(model, SignEncoder(), rng.integers(-5, 5, (9, 3, 5, 5)))
    assert graph.layers[-1].raw


@pytest.mark.parametrize("bits", [0, 9, True, 2.0])
@pytest.mark.parametrize("make", [QuantLinear, partial(QuantConv2d, kernel=1)])
def test_weight_bits_are_checked(make: Callable[..., object], bits: object) -> None:
    with pytest.raises(ValueError, match=f"^weight_bits must be an integer of 1 to 8, not {bits}$"):
        make(1, 1, weight_bits=bits)


def test_int4_residuals_have_weights_of_one_bit() -> None:
    both = Residual(nn.Sequential(QuantConv2d(4, 6, 1, weight_bits=2), Int4(6, 4)),
                    nn.Sequential(BinaryConv2d(4, 6, 1), Int4(6, 4)))
    message = "the paths of 0 (Residual) must have weights of 1 bit and read single bits, for they combine by residual"
    with pytest.raises(FoldError, match=f"^{re.escape(message)}$"):
        fold(nn.Sequential(both, Sign()), SignEncoder(), (4, 3, 3))
