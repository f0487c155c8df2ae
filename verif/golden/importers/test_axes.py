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


def sums_of_several_positions(net: OnnxNetwork) -> str:
    """Five channels on 2 x 3 positions."""
    x = net.conv(net.quant("x", 2, 0.25, signed=0), (6, 2, 2, 2), 2)
    return net.conv(net.bipolar(net.norm(x, 6)), (5, 6, 1, 1))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("operator", ["", "Flatten", "Reshape"])
def test_sums_at_the_end(operator: str, last: bool) -> None:
    """Outputs have the network's own order of axes, flattened or not."""
    net = OnnxNetwork((1, 2, 3, 4))
    x = sums_of_several_positions(net)
    if last:
        x = net.node("Transpose", [x], perm=[0, 2, 3, 1])
    if operator:
        x = net.node("Flatten", [x]) if operator == "Flatten" else reshaped(net, x, 1, 30)
        x = net.node("Mul", [x, net.constant(0.5)])
    network = load_qonnx(net.model(x))
    assert differences(network) == 0
    images = np.random.default_rng(2).integers(0, 256, (4, *network.input_shape))
    found = network.run(images)
    assert found.shape == (4, *((30, 1, 1) if operator else (2, 3, 5) if last else (5, 2, 3)))
    assert np.array_equal(found, network.reference(images))
    assert len(np.unique(found)) > 3


@pytest.mark.parametrize("last", [False, True])
def test_a_quantizer_behind_flattened_sums(last: bool) -> None:
    net = OnnxNetwork((1, 2, 3, 4))
    x = sums_of_several_positions(net)
    if last:
        x = net.node("Transpose", [x], perm=[0, 2, 3, 1])
    x = net.quant(net.node("Relu", [net.flatten(x)]), 2, 1.0, signed=0)
    network = load_qonnx(net.model(net.dense(x, 30, 3)))
    assert differences(network) == 0


def test_a_sum_of_flattened_sums() -> None:
    net = OnnxNetwork((1, 2, 3, 4))
    x = net.bipolar(net.norm(net.conv(net.quant("x", 2, 0.25, signed=0), (6, 2, 2, 2), 2), 6))
    one, other = net.conv(x, (5, 6, 1, 1)), net.conv(x, (5, 6, 1, 1), 2)
    network = load_qonnx(net.model(net.node("Add", [net.flatten(one), net.flatten(other)])))
    assert differences(network) == 0


@pytest.mark.parametrize(("operator", "message"), [
    ("norm", "batchnormalization8 (BatchNormalization) must have one constant for all values of several positions that "
             "are flattened; a Flatten behind it would make it fit"),
    ("ArgMax", "argmax8 (ArgMax) must rank the channels of the last layer; an axis of 1 would make it fit"),
    ("MaxPool", "maxpool8 (MaxPool) must pool in two dimensions; a tensor (1, C, H, W) would make it fit"),
    ("AveragePool", "averagepool8 (AveragePool) must pool in two dimensions; a tensor (1, C, H, W) would make it fit"),
    ("Add", "add8 (Add) must add tensors of one shape; equal shapes would make it fit")])
def test_what_flattened_sums_cannot_have_behind_them(operator: str, message: str) -> None:
    net = OnnxNetwork((1, 2, 3, 4))
    sums = sums_of_several_positions(net)
    x = net.flatten(sums)
    if operator == "norm":
        x = net.norm(x, 30)
    elif operator == "Add":
        x = net.node("Add", [x, sums])
    else:
        x = net.node(operator, [x], **({"axis": 1} if operator == "ArgMax" else {
            "kernel_shape": [1, 1], "strides": [1, 1]}))
    with pytest.raises(NetworkError) as error:
        load_qonnx(net.model(x))
    assert message in " ".join(map(str, error.value.refusals))


def test_a_reshape_to_another_map() -> None:
    net = OnnxNetwork((1, 2, 3, 4))
    x = net.bipolar(net.conv(net.quant("x", 2, 0.25, signed=0), (2, 2, 2, 2), 2))
    with pytest.raises(NetworkError) as error:
        load_qonnx(net.model(net.conv(reshaped(net, x, 1, 4, 3, 1), (3, 4, 1, 1))))
    assert "must flatten all axes but the first, not give the shape (1, 4, 3, 1)" in str(error.value.refusals[0])
