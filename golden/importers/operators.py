"""ONNX and QONNX operators on arrays: onnxruntime's own arithmetic, and that of qonnx for its operators."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper
from qonnx.core.execute_custom_node import execute_custom_node
from qonnx.custom_op.registry import is_custom_op

__all__ = ["CHAINS", "Operators", "attributes", "is_custom"]

CHAINS = "signum.chains"
"""The domain of nodes of torch's operators; see `golden.importers.chains`. No file may have them."""


def is_custom(node: NodeProto) -> bool:
    """Whether the operator is one of qonnx."""
    return bool(is_custom_op(node.domain, node.op_type))


def attributes(node: NodeProto) -> dict[str, Any]:
    """The attributes of a node, strings as str."""
    found = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        found[attribute.name] = value.decode() if isinstance(value, bytes) else value
    return found


class Operators:
    """Runs single nodes; a session of onnxruntime is made once for each node.

    Parameters
    ----------
    opsets : mapping of str to int
        Version of the operators of each domain.
    """

    def __init__(self, opsets: Mapping[str, int]) -> None:
        self.opsets = dict(opsets)
        self._sessions: dict[int, tuple[NodeProto, onnxruntime.InferenceSession]] = {}
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 4
        self._options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

    def run(self, node: NodeProto, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """The outputs of a node for its inputs, in order; None where an optional input is missing.

        Raises
        ------
        ValueError
            If the node breaks the rules of its operator.
        """
        try:
            return self._run(node, inputs)
        except Exception as error:      # onnxruntime's errors have no class in common but this one
            raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None

    def _run(self, node: NodeProto, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        if is_custom(node):
            context = dict(zip(node.input, inputs, strict=True))
            execute_custom_node(node, context, None, onnx_opset_version=self.opsets.get(node.domain, 1))
            return [np.asarray(context[name]) for name in node.output]
        session = self._session(node, inputs)
        return session.run(None, {f"i{at}": value for at, value in enumerate(inputs) if value is not None})

    def _session(self, node: NodeProto, inputs: Sequence[np.ndarray | None]) -> onnxruntime.InferenceSession:
        """The session of a node, for inputs of any shapes."""
        if id(node) in self._sessions:
            return self._sessions[id(node)][1]
        alone = NodeProto()
        alone.CopyFrom(node)
        del alone.input[:], alone.output[:]
        alone.input.extend("" if value is None else f"i{at}" for at, value in enumerate(inputs))
        alone.output.extend(f"o{at}" for at in range(len(node.output)))
        given = [helper.make_tensor_value_info(
            f"i{at}", helper.np_dtype_to_tensor_dtype(value.dtype), [None] * value.ndim)
            for at, value in enumerate(inputs) if value is not None]
        made = [helper.make_empty_tensor_value_info(f"o{at}") for at in range(len(node.output))]
        graph = helper.make_graph([alone], "node", given, made)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(node.domain, self.opsets[node.domain])])
        model.ir_version = 10
        session = onnxruntime.InferenceSession(model.SerializeToString(), self._options,
                                               providers=["CPUExecutionProvider"])
        self._sessions[id(node)] = node, session
        return session


def tensor(value: TensorProto) -> np.ndarray:
    """The array of an initializer."""
    return np.asarray(numpy_helper.to_array(value))


def opsets_of(model: onnx.ModelProto) -> dict[str, int]:
    """The version of each domain of operators."""
    return {("" if entry.domain == "ai.onnx" else entry.domain): entry.version for entry in model.opset_import}
