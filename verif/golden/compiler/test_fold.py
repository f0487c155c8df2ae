"""Folding: the integer graph must equal the PyTorch network, bit for bit, in every map and every score."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.compiler.fold import FoldError, fold
from signum.golden.compiler.graph import Graph
from signum.golden.layers.binary import (
    BatchNorm,
    BinaryConv2d,
    BinaryLinear,
    ChannelFunction,
    Logits,
    MaxPool,
    Sign,
    Sum,
    SumPool,
)
from signum.golden.layers.encoder import BitPlanes, Encoder, SignEncoder, Thermometer
from signum.golden.layers.residual import Int4, Residual


def norm_with(rng: np.random.Generator, channels: int, taps: int) -> BatchNorm:
    """A norm with every special slope: negative, zero, tiny, and integer turning points (ties)."""
    norm = BatchNorm(channels)
    slope = rng.choice([-1.5, -1.0, 0.0, -0.0, 1e-30, -1e-30, 0.25, 1.0], channels)
    turn = rng.integers(-taps // 3 - 1, taps // 3 + 2, channels) + rng.choice([0, 0, 0.5, 1e-6], channels)
    with torch.no_grad():
        norm.weight.copy_(torch.from_numpy(slope))
        norm.running_mean.copy_(torch.from_numpy(turn))
        norm.running_var.copy_(torch.from_numpy(rng.choice([1 - 1e-5, taps, 0.0], channels)))
        norm.bias.copy_(torch.from_numpy(rng.choice([0.0, 0.0, -0.5, 1e-3], channels)))
    return norm


def expected_maps(model: nn.Sequential, x: torch.Tensor) -> dict[str, np.ndarray]:
    """PyTorch's outputs of each layer of a flat sequence: (B, H, W, C) or (B, N), by name."""
    maps = {}
    name = ""
    with torch.no_grad():
        for child, module in model.named_children():
            x = module(x)
            if isinstance(module, BinaryConv2d | BinaryLinear | Sum):
                name = child
            if not isinstance(module, nn.Flatten | SumPool):
                maps[name] = x.numpy() if x.dim() == 2 else x.permute(0, 2, 3, 1).numpy()
    return maps


def check(model: nn.Sequential, encoder: Encoder, images: np.ndarray) -> Graph:
    """Fold and compare every map of a flat sequence with PyTorch."""
    model.eval()
    graph = fold(model, encoder, images.shape[1:])
    found = graph.run(encoder.bits(images))
    expected = expected_maps(model, encoder.tensor(images))
    assert [layer.name for layer in graph.layers] == list(expected)
    for layer in graph.layers:
        result = found[layer.name]
        if layer.thresholds is None:
            values = layer.values(result)
        else:
            assert layer.thresholds.min() >= 0
            assert layer.thresholds.max() <= layer.top + 1
            values = np.where(result ^ (False if layer.inverted is None else layer.inverted), 1, -1)
        want = expected[layer.name]
        np.testing.assert_array_equal(values.reshape(want.shape), want, err_msg=layer.name)
    return graph


def random_network(rng: np.random.Generator, encoder: Encoder, channels: int,
                   size: list[int]) -> nn.Sequential:
    """One to three convolutions of random shape, then perhaps two linear layers."""
    modules: list[nn.Module] = []
    for _ in range(rng.integers(1, 4)):
        kernel = (int(rng.choice([1, 2, 3, 5])), int(rng.choice([1, 2, 3, 5])))
        dilation = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        pad = int(rng.choice([0, 1] if encoder.planes and not modules else [0, 1, -1]))
        reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        top, left, bottom, right = (int(rng.integers(0, reach[i % 2] // 2 + 2)) for i in range(4))
        padding = (top, left, bottom, right)
        pooled: list[nn.Module] = []
        if rng.integers(0, 3) == 0:
            summed = int(rng.integers(1, size[0] + 1)), int(rng.integers(1, size[1] + 1))
            pooled, size = [SumPool(summed)], [size[i] // summed[i] for i in range(2)]
            padding, dilation = (0, 0, 0, 0), (1, 1)
            kernel = (min(kernel[0], size[0]), min(kernel[1], size[1]))
            reach = [k - 1 for k in kernel]
        after = [(size[i] + padding[i] + padding[i + 2] - reach[i] - 1) // stride[i] + 1 for i in range(2)]
        if min(after) < 1 or any(size[i] + padding[i] + padding[i + 2] <= reach[i] for i in range(2)):
            continue
        outputs = int(rng.integers(1, 9))
        modules += [*pooled, BinaryConv2d(channels, outputs, kernel, stride=stride, dilation=dilation,
                                          padding=padding, pad=pad)]
        size = after
        taps = channels * kernel[0] * kernel[1] * (8 if encoder.planes and not modules else 1)
        tail: list[nn.Module] = [norm_with(rng, outputs, taps), Sign()]
        if min(size) >= 2 and rng.integers(0, 4):
            window = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
            window = (min(window[0], size[0]), min(window[1], size[1]))
            tail.insert(rng.integers(0, 3), MaxPool(window))
            size = [size[0] // window[0], size[1] // window[1]]
        if rng.integers(0, 3) == 0:
            tail.insert(0, norm_with(rng, outputs, taps))
        modules += tail
        channels = outputs
    if modules and rng.integers(0, 2):
        outputs = int(rng.integers(1, 12))
        if rng.integers(0, 3) == 0:
            modules.append(SumPool())
            size = [1, 1]
        modules += [nn.Flatten(), BinaryLinear(channels * size[0] * size[1], outputs)]
        if rng.integers(0, 2):
            modules += [norm_with(rng, outputs, channels * size[0] * size[1]), Sign()]
            modules += [BinaryLinear(outputs, 5)]
            outputs = 5
        if rng.integers(0, 2):
            logits = Logits(outputs, scale=0.3)
            logits.bias.data = torch.from_numpy(rng.normal(size=outputs).astype(np.float32))
            modules.append(logits)
    return nn.Sequential(*modules)


@pytest.mark.parametrize("encoder", [SignEncoder(8), Thermometer(3, 16), BitPlanes(4)],
                         ids=lambda encoder: type(encoder).__name__)
@pytest.mark.parametrize("seed", range(60))
def test_random_networks(seed: int, encoder: Encoder) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 10)), int(rng.integers(1, 10)))
    images = rng.integers(0, 16, (5, *shape))
    model = random_network(rng, encoder, encoder.shape(shape).channels, list(shape[1:]))
    if len(model) == 0:
        model = nn.Sequential(BinaryConv2d(encoder.shape(shape).channels, 3, 1), norm_with(rng, 3, 9), Sign())
    check(model, encoder, images)


@pytest.mark.parametrize("seed", range(30))
def test_random_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    pads = rng.choice([0, 1, -1], 3).tolist()
    stride = int(rng.integers(1, 3))
    body = nn.Sequential(BinaryConv2d(4, 6, 3, stride=stride, padding=1, pad=pads[0]), norm_with(rng, 6, 36),
                         *([MaxPool(1)] if seed % 3 else []), norm_with(rng, 6, 36), Sign(),
                         BinaryConv2d(6, 5, 3, padding=1, pad=pads[1]))
    skip = BinaryConv2d(4, 5, 5, stride=stride, padding=2, pad=pads[2])
    tail: list[nn.Module] = [norm_with(rng, 5, 140), Sign()]
    tail.insert(int(rng.integers(0, 3)), MaxPool(2))
    model = nn.Sequential(Sum(body, skip), *tail, BinaryConv2d(5, 3, 2))
    images = rng.integers(0, 16, (5, 4, 8, 9))
    encoder = SignEncoder(8)
    model.eval()
    graph = fold(model, encoder, (4, 8, 9))
    assert [layer.name for layer in graph.layers] == ["0.paths.0.0", "0", "4"]
    assert [segment.source for segment in graph.layers[1].segments] == ["0.paths.0.0", "input"]
    maps = graph.run(encoder.bits(images))
    with torch.no_grad():
        x = encoder.tensor(images)
        signs = {"0.paths.0.0": body[:-1](x), "0": model[:-1](x)}
        want = model(x).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(graph.layers[-1].values(maps["4"]), want)
    for layer in graph.layers[:-1]:
        inverted = False if layer.inverted is None else layer.inverted
        np.testing.assert_array_equal(maps[layer.name] ^ inverted, signs[layer.name].permute(0, 2, 3, 1) > 0)


@pytest.mark.parametrize("pad", [0, 1, -1])
def test_sums_of_one_layer(pad: int) -> None:
    """A raw layer with padding gives PyTorch's integers; zero padding has no constant offset."""
    model = nn.Sequential(BinaryConv2d(3, 4, 3, padding=1, pad=pad))
    images = np.random.default_rng(1).integers(0, 2, (2, 3, 4, 5))
    if pad == 0:
        with pytest.raises(FoldError, match=r"^the raw layer 0 must be padded with 1 or -1, not 0$"):
            fold(model, SignEncoder(1), (3, 4, 5))
    else:
        check(model, SignEncoder(1), images)


def test_larq_thresholds() -> None:
    """The published test vector of Larq's compiler, which counts unequal pairs: +1 where they are <= tau."""
    never, taps = -2**31, 4
    tau = np.array([0, 3, 2, 2, never, 2, 1, 2])
    norm = BatchNorm(8, eps=0.0)
    norm.weight.data = torch.tensor([-4.0, -3, -2, -1, 0, 1, 2, 3])
    norm.bias.data = torch.tensor([-10, 8, 0.4, 1, -0.01, 0.5, -1, 2.71])
    conv = BinaryConv2d(4, 8, 1)
    (layer,) = fold(nn.Sequential(conv, norm, Sign()), SignEncoder(1), (4, 1, 1)).layers
    assert layer.thresholds is not None
    np.testing.assert_array_equal(layer.thresholds[0, 0], np.where(tau == never, taps + 1, taps - tau))
    flipped = layer.segments[0].weights[:, :, 0, 0] != (conv.weight[:, :, 0, 0] >= 0).numpy()
    assert flipped[:4].all()
    assert not flipped[4:].any()


def test_constant_channels() -> None:
    norm = BatchNorm(3)
    norm.weight.data = torch.zeros(3)
    norm.bias.data = torch.tensor([-1.0, 0.0, -0.0])
    model = nn.Sequential(BinaryConv2d(5, 3, 3, padding=1, pad=0), norm, MaxPool(2), norm, Sign())
    (layer,) = fold(model, SignEncoder(1), (5, 6, 6)).layers
    assert layer.border == (1, 1, 1, 1)
    assert layer.thresholds is not None
    assert layer.thresholds.shape == (3, 3, 3)
    np.testing.assert_array_equal(np.unique(layer.thresholds[:, :, 0]), [layer.top + 1])
    np.testing.assert_array_equal(np.unique(layer.thresholds[:, :, 1:]), [0])


def test_pool_before_a_negative_slope_keeps_the_channel_inverted() -> None:
    norm = BatchNorm(2)
    norm.weight.data = torch.tensor([1.0, -1.0])
    model = nn.Sequential(BinaryConv2d(3, 2, 1), MaxPool(2), norm, Sign(),
                          BinaryConv2d(2, 7, 3, padding=1, pad=-1), BatchNorm(7), Sign())
    graph = check(model, SignEncoder(1), np.random.default_rng(2).integers(0, 2, (6, 3, 8, 8)))
    np.testing.assert_array_equal(graph.layers[0].inverted, [False, True])
    np.testing.assert_array_equal(graph.layers[1].segments[0].pad, [False, True])


def test_horner_of_eight_planes() -> None:
    rng = np.random.default_rng(3)
    model = nn.Sequential(BinaryConv2d(3, 16, 3, padding=1, pad=0), norm_with(rng, 16, 255 * 9), Sign())
    images = rng.integers(0, 256, (4, 3, 7, 7))
    images[0], images[1] = 0, 255
    (layer,) = check(model, BitPlanes(), images).layers
    assert [segment.double for segment in layer.segments] == [False, *[True] * 7]
    assert [segment.source for segment in layer.segments] == [f"input.{k}" for k in range(7, -1, -1)]
    assert layer.border == (0, 0, 0, 0)
    assert layer.top == 255 * 27


def test_the_model_is_left_alone() -> None:
    model = nn.Sequential(BinaryConv2d(3, 2, 1), BatchNorm(2), Sign()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fold(model, SignEncoder(1), (3, 2, 2))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


class Wave(ChannelFunction):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(2 * x)


CONV = BinaryConv2d(3, 4, 1)
LARGE = BinaryConv2d(3, 1, (300, 300), padding=150, pad=0)
LARGE.weight.data[:] = 1.0
NAN = BatchNorm(4)
NAN.weight.data[1] = torch.nan


@pytest.mark.parametrize(("modules", "message"), [
    ([], "the network must have a binary layer, not none"),
    ([Sign()], "0 (Sign) must follow a binary convolution or linear layer"),
    ([nn.Conv2d(3, 4, 1)], "0 (Conv2d) must be of golden.layers.binary, quant, gains, gated or residual, or Flatten, "
                           "Identity or Dropout, in an nn.Sequential"),
    ([CONV, nn.ReLU(), Sign()],
     "1 (ReLU) must be of golden.layers.binary, quant, gains, gated or residual, or Flatten, Identity or Dropout, "
     "in an nn.Sequential"),
    ([CONV, BatchNorm(4), BinaryConv2d(4, 2, 1)], "2 (BinaryConv2d) must follow a Sign, not the sums of 0"),
    ([CONV, BatchNorm(4)], "layer 0 must end with a Sign, or with nothing but Logits"),
    ([CONV, Sign(), BatchNorm(4)], "2 (BatchNorm) must stand before the Sign of layer 0"),
    ([CONV, MaxPool(2), MaxPool(2), Sign()], "2 (MaxPool) must be the only pooling of layer 0"),
    ([CONV, Sign(), BinaryLinear(4, 2)], "2 (BinaryLinear) must follow Flatten, not a map of 4 x 4"),
    ([CONV, Sign(), nn.Flatten(), BinaryLinear(4, 2)], "3 (BinaryLinear) must have 64 inputs, not 4"),
    ([CONV, Sign(), nn.Flatten(), CONV], "3 (BinaryConv2d) must not follow Flatten"),
    ([CONV, Sign(), nn.Flatten(2), CONV], "2 (Flatten) must flatten the axes 1 to -1, not 2 to -1"),
    ([CONV, Sign(), CONV], "2 (BinaryConv2d) must have 4 input channels, not 3"),
    ([CONV, BatchNorm(4), Logits(4, scale=1.0)], "2 (Logits) must stand right behind the sums of 0"),
    ([CONV, Logits(4, scale=1.0), Sign()], "2 (Sign) must not follow Logits"),
    ([CONV, Wave(), Sign()], "the functions between layer 0 and its Sign must be monotone"),
    ([CONV, NAN, Sign()], "the functions between layer 0 and its Sign must be finite"),
    ([CONV, Sign(), SumPool(2), BinaryConv2d(4, 2, 1, padding=1)],
     "3 (BinaryConv2d) must have padding 0 behind a SumPool, not (1, 1, 1, 1)"),
    ([CONV, Sign(), SumPool(2), BinaryConv2d(4, 2, 2, dilation=2)],
     "3 (BinaryConv2d) must have dilation 1 behind a SumPool, not (2, 2)"),
    ([CONV, Sign(), SumPool((2, 5)), CONV], "2 (SumPool) must have windows of at most 4 x 4, not 2 x 5"),
    ([CONV, Sign(), nn.Flatten(), SumPool(2)], "3 (SumPool) must not follow Flatten"),
    ([CONV, SumPool(2)], "1 (SumPool) must follow a Sign, not the sums of 0"),
    ([Sum(CONV, nn.Identity())], "0.paths.1 of a Sum must end with a binary convolution"),
    ([Sum(CONV, BinaryConv2d(3, 4, 2)), Sign()],
     "the paths of 0 (Sum) must give sums of one size, not 4 x 3 x 3 and 4 x 4 x 4"),
])
def test_what_cannot_be_folded(modules: list[nn.Module], message: str) -> None:
    with pytest.raises(FoldError) as error:
        fold(nn.Sequential(*modules), SignEncoder(1), (3, 4, 4))
    assert str(error.value) == message


@pytest.mark.parametrize(("modules", "message"), [
    ([Residual(nn.Sequential(CONV, Int4(4, 27)), nn.Sequential(CONV, Int4(4, 27))), Sign()],
     "the paths of 0 (Residual) must have weights of 1 bit and read single bits, for they combine by residual"),
    ([BinaryConv2d(3, 4, 3, padding=1, pad=-1), Sign()],
     "0 (BinaryConv2d) must have pad 0 or 1 on bit planes, not -1"),
    ([LARGE, Sign()],
     "the sums of layer 0 must stay below 16777216, not reach 68850000"),
])
def test_what_bit_planes_cannot_do(modules: list[nn.Module], message: str) -> None:
    with pytest.raises(FoldError) as error:
        fold(nn.Sequential(*modules), BitPlanes(), (3, 4, 4))
    assert str(error.value) == message
