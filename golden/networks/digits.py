"""Networks that fit the boards."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn

from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.layers.binary import BatchNorm, BinaryConv2d, BinaryLinear, Logits, MaxPool, Sign
from signum.golden.layers.encoder import Encoder, Thermometer
from signum.golden.training.data import DIGITS_MAXIMUM, digits

from .geometry import cnv, fully_connected, resnet18, vgg_small

__all__ = ["DIGITS_SHAPE", "NETWORKS", "digits_encoder", "digits_float", "digits_graph_untrained", "digits_network"]

DIGITS_SHAPE = (1, 8, 8)


def digits_encoder() -> Encoder:
    """Thermometer code with a channel for each grey level of the digits."""
    return Thermometer(levels=DIGITS_MAXIMUM, maximum=DIGITS_MAXIMUM)


def digits_network() -> nn.Sequential:
    """Binary weights and activations in every layer, for digits: (B, 16, 8, 8) to integer logits (B, 10).

    Its weights take 196 of the 256 words of each of the 8 weight banks, of 32 lanes, on the smallest board.
    """
    return nn.Sequential(OrderedDict([
        ("conv1", BinaryConv2d(16, 32, 3, padding=1)),
        ("norm1", BatchNorm(32)),
        ("sign1", Sign()),
        ("conv2", BinaryConv2d(32, 32, 3, padding=1)),
        ("pool2", MaxPool(2)),
        ("norm2", BatchNorm(32)),
        ("sign2", Sign()),
        ("conv3", BinaryConv2d(32, 64, 3, padding=1)),
        ("norm3", BatchNorm(64)),
        ("sign3", Sign()),
        ("flatten", nn.Flatten()),
        ("linear", BinaryLinear(4 * 4 * 64, 10)),
        ("logits", Logits(10, scale=0.05)),
    ]))


def digits_float() -> nn.Sequential:
    """The float twin of `digits_network`: the same shape with real weights and ReLU."""
    return nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(16, 32, 3, padding=1, bias=False)),
        ("norm1", nn.BatchNorm2d(32)),
        ("relu1", nn.ReLU()),
        ("conv2", nn.Conv2d(32, 32, 3, padding=1, bias=False)),
        ("pool2", nn.MaxPool2d(2)),
        ("norm2", nn.BatchNorm2d(32)),
        ("relu2", nn.ReLU()),
        ("conv3", nn.Conv2d(32, 64, 3, padding=1, bias=False)),
        ("norm3", nn.BatchNorm2d(64)),
        ("relu3", nn.ReLU()),
        ("flatten", nn.Flatten()),
        ("linear", nn.Linear(4 * 4 * 64, 10)),
    ]))


def digits_graph_untrained(seed: int = 0) -> Graph:
    """`digits_network` with random weights, folded; its norms have the statistics of real digits. Takes a moment."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = digits_network()
    encoder = digits_encoder()
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(encoder.tensor(digits().train.images))
    return fold(model, encoder, DIGITS_SHAPE)


NETWORKS: dict[str, Callable[[], Graph]] = {
    "digits": digits_graph_untrained,
    "sfc": lambda: fully_connected(256),
    "lfc": lambda: fully_connected(1024),
    "cnv": cnv,
    "vgg_small": vgg_small,
    "resnet18": lambda: resnet18(1),
}
"""Graphs by name; all but the digits have blank weights, on which cycles do not depend."""
