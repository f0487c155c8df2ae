"""Small ONNX networks, node by node, for the tests of the importers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

__all__ = ["QONNX", "OnnxNetwork"]

QONNX = "qonnx.custom_op.general"


class OnnxNetwork:
    """Builds a network; each method adds a node and returns the name of its output.

    Parameters
    ----------
    shape : sequence of int
        Of the input "x", with its batch of one.
    seed : int
        Of all weights.
    """

    def __init__(self, shape: Sequence[int], seed: int = 0) -> None:
        self.shape = tuple(shape)
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[TensorProto] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> str:
        """A node of ONNX, or of qonnx where ``domain`` says so; its last output."""
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=f"{operator.lower()}{len(self.nodes)}",
                                           **attributes))
        return names[-1]

    def bipolar(self, x: str, scale: Any = 1.0) -> str:
        return self.node("BipolarQuant", [x, self.constant(scale)], domain=QONNX)

    def quant(self, x: str, bits: int, scale: Any = 1.0, *, zero: float = 0.0, signed: int = 1, narrow: int = 0,
              rounding: str = "ROUND") -> str:
        return self.node("Quant", [x, self.constant(scale), self.constant(zero), self.constant(bits)], domain=QONNX,
                         signed=signed, narrow=narrow, rounding_mode=rounding)

    def weights(self, shape: Sequence[int], bits: int = 1, scale: Any = 1.0) -> str:
        """Random weights and their quantizer."""
        drawn = self.rng.normal(size=shape)
        if bits == 1:
            return self.bipolar(self.constant(drawn), scale)
        return self.quant(self.constant(drawn * 2 ** (bits - 2) * np.asarray(scale)), bits, scale, narrow=1)

    def conv(self, x: str, shape: Sequence[int], bits: int = 1, scale: Any = 1.0, bias: bool = False,
             **attributes: Any) -> str:
        inputs = [x, self.weights(shape, bits, scale)]
        if bias:
            inputs.append(self.constant(self.rng.normal(size=shape[0])))
        return self.node("Conv", inputs, kernel_shape=list(shape[2:]), **attributes)

    def dense(self, x: str, inputs: int, outputs: int, bits: int = 1, bias: bool = False) -> str:
        names = [x, self.weights((outputs, inputs), bits)]
        if bias:
            names.append(self.constant(self.rng.normal(size=outputs)))
        return self.node("Gemm", names, transB=1)

    def norm(self, x: str, channels: int, spread: float = 4.0) -> str:
        """A batch norm with slopes of both signs, some of them 0."""
        slope = self.rng.choice([-1.5, -0.5, 0.0, 0.5, 1.0, 2.0], channels)
        return self.node("BatchNormalization", [x, *(self.constant(value) for value in (
            slope, self.rng.normal(size=channels) / 2, np.rint(self.rng.normal(size=channels) * spread),
            self.rng.uniform(0.5, 1.5, channels) * spread**2))], epsilon=1e-5)

    def flatten(self, x: str) -> str:
        return self.node("Flatten", [x], axis=1)

    def model(self, output: str, kind: int = TensorProto.FLOAT) -> ModelProto:
        graph = helper.make_graph(
            self.nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(output, kind, None)], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(QONNX, 1)])
