"""Translation of ONNX nodes to layers of the integer graph.

A tensor is one of the states of `golden.importers.states`. Convolutions read codes and make sums; functions of single
values collect behind the sums; a quantizer ends a layer, whose thresholds result from these functions, in float32 and
by the file's own operators, at every reachable sum (`golden.compiler.lowering`).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import numpy as np
from onnx import NodeProto

from signum.golden.compiler.graph import GraphError, Layer
from signum.golden.compiler.lowering import FoldError

from . import axes, chains, linear, pooling, ranking
from .context import Context
from .functions import FUNCTIONS, function
from .operators import CHAINS
from .quantizers import QUANTIZERS, quantize
from .refusal import Refusal, UnsupportedError
from .rounding import exact
from .states import Codes, Constant, Factor, Function, Ranking, State, Sums, Unknown
from .terms import factor_of

__all__ = ["DOMAINS", "INVALID", "OPERATORS", "Translator"]

Handler = Callable[[Context, str, NodeProto, list[State | None]], State]

HANDLERS: Mapping[str, Handler] = {
    "Conv": linear.conv, "Gemm": linear.gemm, "MatMul": linear.matmul, "MaxPool": pooling.max_pool,
    "AveragePool": pooling.average_pool, "GlobalAveragePool": pooling.global_average_pool,
    "ReduceMean": pooling.reduce_mean, "Flatten": axes.flatten, "Reshape": axes.reshape, "Transpose": axes.transpose,
    "Squeeze": axes.squeeze, "Pad": axes.pad, "TopK": ranking.top_k, "ArgMax": ranking.arg_max,
    **dict.fromkeys(FUNCTIONS, function), **dict.fromkeys(QUANTIZERS, quantize)}

OPERATORS = tuple(sorted(HANDLERS))
"""Operators that a network may have."""

FOLDED = FUNCTIONS | QUANTIZERS | {"Constant", "Transpose", "Reshape", "Flatten", "Unsqueeze", "Squeeze", "Concat",
                                   "Gather", "Slice", "Sqrt", "Pow", "Reciprocal", "Abs", "Exp", "Log"}
"""Operators that are evaluated on constants."""

DOMAINS = frozenset({"", "ai.onnx", "qonnx.custom_op.general", "onnx.brevitas"})
"""Domains of operators that are read."""

INVALID = (ValueError, IndexError, TypeError, KeyError, ArithmeticError, RuntimeError, AttributeError, AssertionError,
           NotImplementedError, MemoryError)
"""What numpy, onnx, onnxruntime and qonnx raise for nodes that break the rules of their operators."""


class Translator:
    """Visits nodes in their order; see `golden.importers.qonnx.load_qonnx`.

    Parameters
    ----------
    context : Context
    domains : collection of str
        Of the operators that nodes may have.

    Members
    -------
    context : Context
    states : dict of str to State
        Of the tensors so far.
    refusals : list of Refusal
    """

    def __init__(self, context: Context, domains: Collection[str] = DOMAINS) -> None:
        self.context = context
        self.domains = domains
        self.states: dict[str, State] = {}
        self.refusals: list[Refusal] = []
        self.kinds: dict[str, str] = {}         # operator of each node

    def visit(self, name: str, node: NodeProto) -> None:
        """Translate a node; a refusal makes its outputs unknown."""
        self.kinds[name] = node.op_type
        given = [self.states.get(tensor, Unknown()) if tensor else None for tensor in node.input]
        outputs: list[State] = [Unknown()]
        try:
            if node.domain not in self.domains:
                raise UnsupportedError(f"must be an operator of ONNX or qonnx, not of {node.domain}",
                                       "such an operator")
            if node.domain != CHAINS and node.op_type not in HANDLERS and node.op_type not in FOLDED \
                    and node.op_type != "Shape":
                raise UnsupportedError("must be an operator that the array can compute",
                                       f"one of {', '.join(OPERATORS)}")
            if not any(isinstance(state, Unknown) for state in given):
                outputs = self._outputs(name, node, given)
        except UnsupportedError as refusal:
            self.refusals.append(Refusal(name, node.op_type, refusal.reason, refusal.fits))
        except (FoldError, GraphError) as error:
            self.refusals.append(Refusal(name, node.op_type, f"must fold exactly: {error}", "another network"))
        except INVALID as error:
            text = " ".join(str(error).split())[:200] or type(error).__name__
            self.refusals.append(Refusal(name, node.op_type, f"must have inputs and attributes of its operator: {text}",
                                         "a valid node"))
        for i, tensor in enumerate(node.output):
            if tensor:
                self.states[tensor] = outputs[i] if i < len(outputs) else Unknown()

    def _outputs(self, name: str, node: NodeProto, given: list[State | None]) -> list[State]:
        kind = node.op_type
        if node.domain == CHAINS:
            return [chains.chain(self.context, name, node, given)]
        if kind in FOLDED and all(state is None or isinstance(state, Constant) for state in given):
            self.context.absorbed[name] = "weights"
            return self._constant(node, [state.value if isinstance(state, Constant) else None for state in given])
        if kind == "Shape":
            (state,) = given
            assert state is not None
            self.context.absorbed[name] = "weights"
            return [Constant(np.array(self.context.shape_of(state), dtype=np.int64))]
        if kind not in HANDLERS:
            raise UnsupportedError("must read constants", f"one of {', '.join(OPERATORS)}")
        if kind == "Add" and not any(isinstance(state, Constant) for state in given):
            return [linear.add(self.context, name, given)]
        result = HANDLERS[kind](self.context, name, node, given)
        return [Unknown(), result] if kind == "TopK" else [result]      # its second output has the places

    def _constant(self, node: NodeProto, inputs: list[np.ndarray | None]) -> list[State]:
        results = self.context.operators.run(node, inputs)
        unit = inputs[1] if node.op_type in ("Quant", "IntQuant", "BipolarQuant") else None
        return [Constant(np.asarray(result), None if unit is None else np.asarray(unit)) for result in results]

    def result(self, state: State) -> tuple[Layer, list[Function], bool]:
        """Close the last layer: it, the functions of its values that give the network's output, and their exactness."""
        if isinstance(state, Ranking):
            state = state.of
        if isinstance(state, Codes):
            if state.open is None or state.open.source is not None or state.flat:
                raise UnsupportedError("must be the result of one layer", "a quantizer as its last node")
            ((source, _),) = self.context.close(state).maps
            return self.context.layers[-1], [Factor(state.unit, offset=source.offset)], True
        if not isinstance(state, Sums):
            raise UnsupportedError("must be computed by a layer", "a convolution or linear layer in the network")
        if state.pool is not None:
            raise UnsupportedError("must not be pooled", "a quantizer behind the pooling")
        lowered = replace(self.context.lowered(state), before=[], after=[])
        functions: list[Function] = [factor_of(state), *state.functions]
        layer = lowered.layer()
        self.context.layers.append(layer)
        for node in state.nodes:
            self.context.absorbed[node] = state.name if self.kinds[node] in ("Conv", "Gemm", "MatMul") else "result"
        return layer, functions, exact(state, self.context.rounded)

