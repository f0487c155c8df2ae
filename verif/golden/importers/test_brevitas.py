"""Modules of Brevitas in memory, of one example in its own words, and what cannot be exported."""

import re

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from brevitas.quant import Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFixedPoint
from torch import nn

from signum.golden.importers import NetworkError, from_brevitas


def test_layers_with_learned_scales() -> None:
    """8-bit weights per tensor, unsigned activations of 4 bits, scales from statistics: powers of two."""
    torch.manual_seed(1)
    model = nn.Sequential(
        qnn.QuantIdentity(act_quant=Uint8ActPerTensorFixedPoint, return_quant_tensor=False),
        qnn.QuantConv2d(3, 6, 3, padding=1, bias=False, weight_quant=Int8WeightPerTensorFixedPoint),
        nn.BatchNorm2d(6), qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=3), nn.MaxPool2d(2),
        qnn.QuantConv2d(6, 5, 2, stride=2, bias=False, weight_quant=Int8WeightPerTensorFixedPoint, weight_bit_width=4))
    for _ in range(5):
        model(torch.rand(20, 3, 8, 8))
    network = from_brevitas(model, torch.rand(1, 3, 8, 8))
    assert network.name == "Sequential"
    assert model.training
    assert not network.near
    images = np.random.default_rng(0).integers(0, 256, (1000, 3, 8, 8))
    assert network.differences(images) == 0
    with torch.no_grad():
        wanted = model.eval()(torch.from_numpy(images[:50] / 255).float()).numpy()
    found = network.run(images[:50]).reshape(wanted.shape)
    assert np.array_equal(found.argmax(axis=1), wanted.argmax(axis=1))


def test_a_module_that_cannot_be_exported() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no forward pass")

    with pytest.raises(NetworkError) as error:
        from_brevitas(Odd(), torch.rand(1, 3, 8, 8))
    assert re.match(r"the module must be one that Brevitas exports: ", str(error.value))
    assert "\n" not in str(error.value)
