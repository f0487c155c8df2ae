"""Input encoders: the bits, the inputs of the network, and decoding."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from signum.golden.compiler.graph import Segment
from signum.golden.layers.encoder import (
    BitPlanes,
    Encoder,
    SignEncoder,
    TablePlanes,
    TableThermometer,
    Thermometer,
    encoder_from_dict,
)

ENCODERS = [Thermometer(16, 16), Thermometer(5, 16), Thermometer(32, 255), Thermometer(1, 1), BitPlanes(),
            BitPlanes(1), BitPlanes(4), SignEncoder(), SignEncoder(8)]
LOSSLESS = (Thermometer(16, 16), Thermometer(1, 1), BitPlanes(), BitPlanes(1), BitPlanes(4))


def images_for(encoder: Encoder) -> np.ndarray:
    """Every value of the range, in images of two channels."""
    if isinstance(encoder, Thermometer):
        values = np.arange(encoder.maximum + 1)
    else:
        values = np.arange(2**encoder.count) if isinstance(encoder, BitPlanes) else np.arange(-20, 20)
    return np.stack([values, values[::-1]]).reshape(2, 1, -1, 1).transpose(1, 0, 2, 3)


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_maps_and_tensor_agree(encoder: Encoder) -> None:
    images = images_for(encoder)
    maps = encoder.bits(images)
    shape = encoder.shape(images.shape[1:])
    assert tuple(maps) == encoder.names
    tensor = encoder.tensor(images).numpy()
    assert tensor.dtype == np.float32
    assert tensor.shape == (len(images), shape.channels, shape.height, shape.width)
    for bits in maps.values():
        assert bits.dtype == bool
        assert bits.shape == (len(images), shape.height, shape.width, shape.channels)
    if encoder.planes:
        np.testing.assert_array_equal(tensor, images)
    else:
        np.testing.assert_array_equal(tensor.transpose(0, 2, 3, 1), np.where(maps["input"], 1, -1))


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_decode_gives_an_image_of_the_same_code(encoder: Encoder) -> None:
    images = images_for(encoder)
    maps = encoder.bits(images)
    back = encoder.decode(maps)
    if encoder in LOSSLESS:
        np.testing.assert_array_equal(back, images)
    for name, bits in encoder.bits(back).items():
        np.testing.assert_array_equal(bits, maps[name])
    if not isinstance(encoder, SignEncoder):
        assert (back <= images).all()


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_description_in_plain_values(encoder: Encoder) -> None:
    assert encoder_from_dict(encoder.to_dict()) == encoder


def test_thermometer_by_hand() -> None:
    code = Thermometer(4, 16).bits(np.array([0, 1, 4, 5, 8, 13, 16]).reshape(1, 1, 1, 7))["input"]
    assert ["".join("01"[int(bit)] for bit in row) for row in code[0, 0]] == [
        "0000", "1000", "1000", "1100", "1100", "1111", "1111"]


def test_thermometer_keeps_the_codes_of_a_channel_together() -> None:
    code = Thermometer(3, 3).bits(np.array([3, 1]).reshape(1, 2, 1, 1))["input"]
    assert code[0, 0, 0].tolist() == [True, True, True, True, False, False]


def test_planes_are_most_significant_first() -> None:
    maps = BitPlanes(3).bits(np.full((1, 1, 1, 1), 6))
    assert list(maps) == ["input.2", "input.1", "input.0"]
    assert [int(bits.item()) for bits in maps.values()] == [1, 1, 0]


@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_identity_of_bit_planes(count: int) -> None:
    """sum(w*x) = S - (2**count - 1) * M: S by Horner's rule, M weights are -1."""
    rng = np.random.default_rng(count)
    encoder = BitPlanes(count)
    for taps in (1, 2, 5, 40):
        images = rng.integers(0, 2**count, (50, taps, 1, 1))
        images[0], images[1] = 0, 2**count - 1
        weights = rng.integers(0, 2, (6, taps)).astype(bool)
        maps = encoder.bits(images)
        total = np.zeros((50, 6), dtype=int)
        for name in encoder.names:
            popcount = Segment(source=name, weights=weights[:, :, None, None]).popcounts(maps[name])
            total = 2 * total + popcount[:, 0, 0]
        want = images[:, :, 0, 0] @ np.where(weights, 1, -1).T
        np.testing.assert_array_equal(total - (2**count - 1) * (~weights).sum(axis=1), want)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Thermometer(0, 16), "levels must be 1 to maximum (16), not 0"),
    (lambda: Thermometer(17, 16), "levels must be 1 to maximum (16), not 17"),
    (lambda: BitPlanes(0), "count must be 1 to 16, not 0"),
    (lambda: BitPlanes().bits(np.full((1, 1, 1, 1), 256)), "images must be in 0..255, not 256..256"),
    (lambda: Thermometer(4, 16).bits(np.full((1, 1, 1, 1), -1)), "images must be in 0..16, not -1..-1"),
    (lambda: BitPlanes().bits(np.zeros((1, 1, 1, 1))), "images must be integers, not float64"),
    (lambda: BitPlanes().bits(np.zeros((1, 8), dtype=int)), "images must be (B, C, H, W), not of 2 axes"),
    (lambda: encoder_from_dict({"encoder": "Gray"}),
     "encoder must be one of Thermometer, BitPlanes, SignEncoder, TablePlanes, TableThermometer, not Gray"),
    (lambda: TablePlanes(2, tables=((0, 4),)), "tables must be one or more of numbers of 0 to 3"),
    (lambda: TablePlanes(2, tables=((0, 3), (1, 2))).values(np.zeros((1, 3, 1, 1), dtype=int)),
     "images must have 2 channels, not 3"),
    (lambda: TableThermometer(2, 3, tables=((0,),)), "maximum must be the levels (2), not 3"),
])
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()
