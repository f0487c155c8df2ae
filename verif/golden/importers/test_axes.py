"""Orders of axes: inputs without height and width, flattening in each of its forms, and what cannot be."""

import numpy as np
import pytest
from onnx import ModelProto

from signum.golden.importers.qonnx import QonnxNetwork, load_qonnx
from signum.golden.importers.refusal import NetworkError
from signum.verif.bench.onnx_networks import OnnxNetwork


def reshaped(net: OnnxNetwork, x: str, *shape: int) -> str:
    return net.node("Reshape", [x, net.constant(shape, np.int64)])


def differences(network: QonnxNetwork) -> int:
    rng = np.random.default_rng(1)
    return network.differences(rng.integers(0, 256, (50, *network.input_shape)))


@pytest.mark.parametrize("shape", [(1, 3, 2, 4), (0, 3, 2, -1), (-1, 3, 2, 4)])
def test_an_input_without_height_and_width(shape: tuple[int, ...]) -> None:
    net = OnnxNetwork((1, 24))
    x = net.conv(net.quant(reshaped(net, "x", *shape), 3, 0.125, signed=0), (4, 3, 2, 2), 2)
    network = load_qonnx(net.model(net.dense(net.flatten(net.bipolar(net.norm(x, 4))), 12, 5)))
    assert {(plane.height, plane.width) for plane in network.graph.inputs.values()} == {(2, 4)}
    assert differences(network) == 0


@pytest.mark.parametrize("shape", [(1, 12), (0, -1), (1, -1), (-1, 12), (0, 12)])
def test_a_reshape_that_flattens(shape: tuple[int, int]) -> None:
    net = OnnxNetwork((1, 2, 3, 4))
    x = net.bipolar(net.norm(net.conv(net.quant("x", 2, 0.25, signed=0), (2, 2, 2, 2), 2), 2))
    network = load_qonnx(net.model(net.dense(reshaped(net, x, *shape), 12, 5)))
    assert differences(network) == 0


def test_a_reshape_to_the_same_shape() -> None:
    net = OnnxNetwork((1, 2, 3, 4))
    x = net.conv(net.quant(reshaped(net, "x", 1, 2, 3, -1), 2, 0.25, signed=0), (2, 2, 2, 2), 2)
    assert differences(load_qonnx(net.model(x))) == 0


def flattened(operator: str, kernel: tuple[int, int], *axes: int) -> ModelProto:
    """A map of six channels behind a kernel on 3 x 4 pixels, flattened along some axes."""
    net = OnnxNetwork((1, 2, 3, 4))
    x = net.bipolar(net.norm(net.conv(net.quant("x", 2, 0.25, signed=0), (6, 2, *kernel), 2), 6))
    x = (net.node("Squeeze", [x, net.constant(axes, np.int64)]) if operator == "Squeeze" else
         net.node("Flatten", [x], axis=axes[0]))
    return net.model(net.dense(x, 6 * (4 - kernel[0]) * (5 - kernel[1]), 3))


@pytest.mark.parametrize(("operator", "kernel", "axes"), [
    ("Squeeze", (3, 4), (2, 3)), ("Flatten", (3, 4), (1,)), ("Flatten", (2, 1), (-3,)), ("Flatten", (1, 2), (1,))])
def test_what_flattens(operator: str, kernel: tuple[int, int], axes: tuple[int, ...]) -> None:
    assert differences(load_qonnx(flattened(operator, kernel, *axes))) == 0


@pytest.mark.parametrize(("operator", "kernel", "axes", "message"), [
    ("Squeeze", (3, 3), (2, 3), "must remove height and width of one position; a Flatten would make it fit"),
    ("Flatten", (3, 4), (2,), "must flatten all axes but the first; an axis of 1 would make it fit")])
def test_what_does_not(operator: str, kernel: tuple[int, int], axes: tuple[int, ...], message: str) -> None:
    with pytest.raises(NetworkError) as error:
        load_qonnx(flattened(operator, kernel, *axes))
    assert message in " ".join(map(str, error.value.refusals))


def test_a_reshape_to_another_map() -> None:
    net = OnnxNetwork((1, 2, 3, 4))
    x = net.bipolar(net.conv(net.quant("x", 2, 0.25, signed=0), (2, 2, 2, 2), 2))
    with pytest.raises(NetworkError) as error:
        load_qonnx(net.model(net.conv(reshaped(net, x, 1, 4, 3, 1), (3, 4, 1, 1))))
    assert "must flatten all axes but the first, not give the shape (1, 4, 3, 1)" in str(error.value.refusals[0])
