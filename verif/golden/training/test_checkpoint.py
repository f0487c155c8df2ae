"""Trained networks in files: the same results after a round trip, small, and refusals."""

import numpy as np
import pytest
import torch
from torch import nn

from signum.golden.layers.binary import BinaryConv2d, BinaryWeights
from signum.golden.layers.blocks import FLOAT, Network, Style
from signum.golden.layers.encoder import BitPlanes
from signum.golden.layers.int8 import prepare, quantize
from signum.golden.layers.quant import QuantConv2d, QuantLinear
from signum.golden.training.checkpoint import StoreError, load_network, save_network
from signum.verif.golden.layers.test_blocks import ENCODER, build, images, of_grey, of_pixels, settled

__all__ = ["images"]


@pytest.mark.parametrize("style", [Style(), Style(weight_gains="full", residual="concat"),
                                   Style(centred_weights=True, residual="concat", levels=3, rectified=True)],
                         ids=["int4", "gains", "centred"])
def test_round_trip(style, images, tmp_path):
    network = settled(style, images)
    path = tmp_path / "deep" / "network.npz"
    save_network(network, path)
    again = load_network(build(style.blocks(ENCODER, 255)), path)
    with torch.no_grad():
        assert torch.equal(network(network.encode(images)), again(again.encode(images)))
    weights = sum(m.weight.numel() for m in network.modules() if isinstance(m, BinaryConv2d))
    others = sum(v.numel() for v in network.state_dict().values()) - weights
    assert path.stat().st_size < weights / 8 + 4 * others + 1500
    bytes_before = path.read_bytes()
    save_network(again, path)
    assert path.read_bytes() == bytes_before


@pytest.mark.parametrize("make", [of_pixels, of_grey])
def test_round_trip_of_filters_with_a_total(make, images, tmp_path):
    encoder = BitPlanes(8)
    network = settled(Style(), images, make, encoder)
    with torch.no_grad():       # some middle taps beyond their range
        next(m for m in network.modules() if isinstance(m, QuantConv2d)).weight.mul_(3)
    save_network(network, tmp_path / "network.npz")
    again = load_network(make(Style().blocks(encoder, 255)), tmp_path / "network.npz")
    with torch.no_grad():
        assert torch.equal(network(network.encode(images)), again(again.encode(images)))


def test_int8_round_trip(images, tmp_path):
    network = settled(FLOAT, images)
    twin = quantize(network, network.encode(images))
    save_network(twin, tmp_path / "int8.npz")
    again = load_network(prepare(network), tmp_path / "int8.npz")
    with torch.no_grad():
        assert torch.equal(twin(twin.encode(images)), again(again.encode(images)))


def test_refusals(images, tmp_path):
    path = tmp_path / "network.npz"
    save_network(settled(Style(), images), path)
    with pytest.raises(StoreError, match=r"must hold \d+ values of bits for this network, not \d+"):
        load_network(settled(Style(multiplier=2), images), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(StoreError, match="must be a network that was saved"):
        load_network(settled(Style(), images), path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(StoreError, match="must be a network that was saved"):
        load_network(settled(Style(), images), path)
    with pytest.raises(StoreError, match="must be a network that was saved"):
        load_network(settled(Style(), images), tmp_path / "missing.npz")


def test_weights_of_several_bits_keep_their_integers(tmp_path):
    """Also the ends of the range, and a second round trip gives the same file."""
    def made() -> Network:
        return Network(Style().blocks(ENCODER, 255), nn.Sequential(
            QuantConv2d(3, 40, 3, weight_bits=8), QuantLinear(40, 2, weight_bits=3), BinaryConv2d(2, 2, 1)))

    torch.manual_seed(2)
    network = made()
    save_network(network, tmp_path / "network.npz")
    again = load_network(made(), tmp_path / "network.npz")
    before, after = ([module.binary_weight() for module in each.modules() if isinstance(module, BinaryWeights)]
                     for each in (network, again))
    assert len(before) == 3
    assert all(map(torch.equal, before, after))
    assert before[0].abs().max() == 255
    save_network(again, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "network.npz").read_bytes()
