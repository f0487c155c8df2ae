"""Trained networks in files: the same results after a round trip, small, and refusals."""

import numpy as np
import pytest
import torch

from signum.golden.layers.binary import BinaryConv2d
from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.layers.int8 import prepare, quantize
from signum.golden.training.checkpoint import StoreError, load_network, save_network
from signum.verif.golden.layers.test_blocks import ENCODER, build, images, settled

__all__ = ["images"]


@pytest.mark.parametrize("style", [Style(), Style(weight_gains="full", residual="concat")], ids=["int4", "gains"])
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
