"""Networks in the styles of several authors."""

from collections.abc import Callable, Mapping

import numpy as np
from onnx import ModelProto, TensorProto

from signum.verif.bench.onnx_networks import QONNX, OnnxNetwork

__all__ = ["STYLES"]


def residual_of_codes() -> ModelProto:
    """A residual block that adds quantized branches of one scale, as ResNets of Brevitas do."""
    net = OnnxNetwork((1, 3, 8, 8), 1)
    x = net.quant("x", 8, 1 / 255, signed=0)
    x = net.quant(net.norm(net.conv(x, (6, 3, 3, 3), 4, 2.0**-3), 6, 2.0), 2, 0.5, signed=0)
    body = net.quant(net.norm(net.conv(x, (6, 6, 3, 3), 2, 0.25, pads=[1, 1, 1, 1]), 6, 1.0), 3, 0.25)
    skip = net.quant(net.norm(net.conv(x, (6, 6, 1, 1), 1), 6, 2.0), 2, 0.5)
    x = net.node("Add", [body, skip])
    x = net.quant(net.node("Relu", [x]), 2, 0.5, signed=0)
    x = net.bipolar(net.norm(net.conv(x, (5, 6, 3, 3), 1, pads=[1, 1, 1, 1], strides=[2, 2]), 5))
    return net.model(net.dense(net.flatten(x), 45, 7, 8))


def residual_of_sums() -> ModelProto:
    """Two convolutions of one scale, added before one norm."""
    net = OnnxNetwork((1, 4, 7, 9), 2)
    x = net.bipolar(net.node("Sub", ["x", net.constant(0.5)]))
    body = net.conv(net.bipolar(net.norm(net.conv(x, (8, 4, 3, 3), pads=[1, 1, 1, 1]), 8)), (8, 8, 3, 3), 1, 0.5,
                    pads=[1, 1, 1, 1])
    skip = net.conv(x, (8, 4, 1, 1), 1, 0.25)
    x = net.bipolar(net.norm(net.node("Add", [body, skip]), 8, 2.0))
    x = net.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    return net.model(net.conv(x, (5, 8, 2, 2)))


def zero_padding_and_average() -> ModelProto:
    """8-bit ends, zero padding of bipolar values, a pool in front of the norm, a global average and a bias."""
    net = OnnxNetwork((1, 3, 12, 10), 3)
    x = net.quant("x", 8, 1 / 128)
    x = net.node("MaxPool", [net.conv(x, (8, 3, 3, 3), 8, 2.0**-7, pads=[1, 1, 1, 1])], kernel_shape=[2, 2],
                 strides=[2, 2])
    x = net.bipolar(net.norm(x, 8, 1.0))
    x = net.bipolar(net.norm(net.conv(x, (9, 8, 3, 3), pads=[1, 0, 1, 2]), 9, 6.0))
    x = net.node("GlobalAveragePool", [x])
    return net.model(net.dense(net.flatten(x), 9, 10, 8, bias=True))


def separable() -> ModelProto:
    """Depthwise and pointwise convolutions, as in MobileNet, with scales of each channel."""
    net = OnnxNetwork((1, 2, 9, 9), 4)
    x = net.quant("x", 4, 1 / 15, signed=0)
    x = net.quant(net.norm(net.conv(x, (6, 2, 3, 3), 2, strides=[2, 2], pads=[0, 0, 1, 1]), 6, 1.0), 2, 0.5)
    scale = (2.0 ** net.rng.integers(-3, 0, 6)).reshape(6, 1, 1, 1)
    x = net.quant(net.norm(net.conv(x, (6, 1, 3, 3), 3, scale, group=6, pads=[1, 1, 1, 1]), 6, 0.5), 2, 0.5, signed=0)
    x = net.node("MaxPool", [x], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    x = net.bipolar(net.norm(net.conv(x, (8, 6, 1, 1), 1), 8, 1.0))
    x = net.bipolar(net.norm(net.conv(x, (8, 2, 2, 2), 1, group=4), 8, 1.0))
    return net.model(net.dense(net.flatten(x), 72, 4))


def finn_streamlined() -> ModelProto:
    """Integers and MultiThreshold, as FINN's streamlining leaves them, with the channels last before the classifier."""
    net = OnnxNetwork((1, 3, 6, 6), 5)
    x = net.node("Mul", ["x", net.constant(255.0)])
    x = net.node("MultiThreshold", [x, net.constant(np.arange(1, 256)[None] - 0.5)], domain=QONNX, out_dtype="UINT8")
    x = net.conv(x, (4, 3, 3, 3), pads=[1, 1, 1, 1])
    steps = np.sort(np.rint(net.rng.normal(size=(4, 3)) * 600), axis=1)
    x = net.node("MultiThreshold", [x, net.constant(steps)], domain=QONNX, out_dtype="INT2", out_bias=-2.0)
    x = net.conv(x, (5, 4, 3, 3), 2)
    steps = np.sort(np.rint(net.rng.normal(size=(5, 1)) * 3), axis=1)
    x = net.node("MultiThreshold", [x, net.constant(steps)], domain=QONNX, out_dtype="BIPOLAR", out_scale=2.0,
                 out_bias=-1.0)
    x = net.node("Transpose", [x], perm=[0, 2, 3, 1])
    x = net.node("Reshape", [x, net.constant([1, -1], np.int64)])
    x = net.node("MatMul", [x, net.weights((80, 10))])
    x = net.node("Mul", [x, net.constant(0.37)])
    return net.model(net.node("TopK", [x, net.constant([1], np.int64)], 2, axis=-1, largest=1, sorted=1),
                     TensorProto.INT64)


def signs() -> ModelProto:
    """ONNX's own Sign, whose value at 0 is 0, behind sums that may be 0; and XNOR-Net's order of norm and sign."""
    net = OnnxNetwork((1, 2, 6, 6), 6)
    x = net.node("Sign", [net.node("Sub", ["x", net.constant(127 / 255)])])
    x = net.node("Sign", [net.conv(x, (6, 2, 2, 2))])
    x = net.node("Sign", [net.norm(net.conv(x, (6, 6, 3, 3), 2), 6, 2.0)])
    return net.model(net.node("ArgMax", [net.dense(net.flatten(x), 54, 5)], axis=1), TensorProto.INT64)


def ties() -> ModelProto:
    """Rounding to even at halves in every layer, and a dead channel."""
    net = OnnxNetwork((1, 1, 5, 5), 7)
    x = net.quant("x", 3, 0.125, signed=0)
    dead = net.rng.integers(-1, 2, (4, 1, 2, 2)).astype(np.float32)
    dead[2] = 0
    x = net.node("Conv", [net.node("Mul", [x, net.constant(8.0)]), net.quant(net.constant(dead), 2, narrow=1)],
                 kernel_shape=[2, 2])
    x = net.quant(x, 3, 2.0)
    x = net.quant(net.conv(x, (5, 4, 2, 2), 2, 0.25), 3, 1.0, narrow=1)
    return net.model(net.dense(net.flatten(x), 45, 3, 4))


def plain() -> ModelProto:
    """Pixels without a quantizer, scales that are no powers of two, functions between, 4-bit activations."""
    net = OnnxNetwork((1, 3, 8, 8), 8)
    x = net.node("Mul", ["x", net.constant(255.0)])
    x = net.conv(x, (7, 3, 3, 3), 1, 0.01, bias=True, auto_pad="SAME_UPPER", strides=[2, 2])
    x = net.node("Clip", [net.node("LeakyRelu", [x], alpha=0.25), net.constant(-1.0), net.constant(1.5)])
    x = net.quant(x, 4, 0.11)
    x = net.node("AveragePool", [x], kernel_shape=[2, 2], strides=[1, 1])
    x = net.quant(x, 3, 0.21)
    x = net.node("Sigmoid", [net.conv(x, (6, 7, 2, 2), 1, 0.3, dilations=[2, 2])])
    x = net.bipolar(net.node("Sub", [x, net.constant(0.4)]))
    return net.model(net.conv(x, (4, 6, 1, 1), 3))


STYLES: Mapping[str, Callable[[], ModelProto]] = {
    "residual of codes": residual_of_codes, "residual of sums": residual_of_sums,
    "zero padding and average": zero_padding_and_average, "separable": separable, "FINN": finn_streamlined,
    "signs": signs, "ties": ties, "plain": plain}
