"""Graphs of torch's ATen operators, as `torch.export` traces them, as ONNX models with chains of torch's own operators.

What depends on parameters alone is computed by torch. Convolutions, poolings and orders of axes become nodes of ONNX;
element-wise operators between two of them are one node, a chain (`golden.importers.chains`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from .chains import Chain
from .operators import CHAINS
from .refusal import Refusal, UnsupportedError
from .translate import INVALID

__all__ = ["ELEMENTWISE", "OPERATORS", "QUANTIZING", "Translation", "operator_name", "translate"]

QUANTIZING = frozenset({
    "sign", "sgn", "round", "floor", "ceil", "trunc", "fix", "heaviside", "gt", "ge", "lt", "le", "eq", "ne",
    "bucketize", "floor_divide", "fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine"})
"""Element-wise operators whose results are few."""

SAME = frozenset({"clone", "detach", "alias", "to"})
"""Operators that pass a tensor where they keep its type."""

CALLED: Mapping[str, str] = {
    "_native_batch_norm_legit_no_training": "batch_norm", "_to_copy": "to", "_unsafe_view": "view",
    "_softmax": "softmax", "_log_softmax": "log_softmax", "lift_fresh_copy": "clone"}
"""Operators of another name once a program is decomposed."""

ELEMENTWISE = QUANTIZING | SAME | frozenset({
    "add", "sub", "rsub", "mul", "div", "neg", "relu", "relu6", "hardtanh", "leaky_relu", "prelu", "elu", "celu",
    "selu", "gelu", "silu", "mish", "sigmoid", "tanh", "hardsigmoid", "hardswish", "softplus", "clamp", "clamp_min",
    "clamp_max", "minimum", "maximum", "abs", "pow", "square", "sqrt", "rsqrt", "exp", "log", "reciprocal", "where",
    "masked_fill", "logical_not", "logical_and", "logical_or", "bitwise_not", "bitwise_and", "bitwise_or", "lerp",
    "addcmul", "batch_norm"})
"""Operators of single values and their channel; others than one tensor must be constants."""

CHANNELWISE = frozenset({"batch_norm", "prelu", "bucketize", "fake_quantize_per_channel_affine"})
"""Their constants have one axis, of the channels, or, of bucketize, of the boundaries."""

RESHAPES = frozenset({"view", "reshape", "flatten", "squeeze", "unsqueeze"})
"""Orders of axes without another order of their values."""

SHAPED = frozenset({"ones_like", "zeros_like", "full_like", "new_ones", "new_zeros", "new_full"})
"""Constants of the shape of a tensor."""

ADVICE: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("softmax", "log_softmax"), (
        "must not weigh the scores against each other", "the scores in front of it as the network's output")),
    **dict.fromkeys(("conv1d", "conv3d"), ("must be a convolution in two dimensions", "conv2d")),
    **dict.fromkeys(("cat", "stack"), ("must not join tensors", "an addition of branches")),
    **dict.fromkeys(("layer_norm", "group_norm", "_native_batch_norm_legit"), (
        "must not depend on the statistics of an image", "a batch_norm with running statistics")),
    "constant_pad_nd": ("must be the padding of a convolution itself", "the padding of the conv2d behind it"),
}
"""The reason of some refusals, and what would make them fit."""

SNAP = 1e-4
"""Weights whose absolute values differ by so little are one number times +1 and -1, of ``sign(w) - w + w``."""


@dataclass
class Translation:
    """An exported program as a model.

    Members
    -------
    model : ModelProto
    chains : dict of str to Chain
        By the name of their result.
    rounded : dict of str to float
        Convolutions whose weights are +1 and -1 times one number but for rounding: the largest distance, relative.
    operators : dict of str to str
        The operator of each node by its name.
    parts : dict of str to tuple of str
        The nodes of each chain by the name of its node.
    refusals : list of Refusal
        Nodes without a form in the model.
    order : tuple of str
        The names of all nodes.
    """

    model: ModelProto
    chains: dict[str, Chain] = field(default_factory=dict)
    rounded: dict[str, float] = field(default_factory=dict)
    operators: dict[str, str] = field(default_factory=dict)
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    order: tuple[str, ...] = ()


def translate(program: ExportedProgram, name: str) -> Translation:
    """The graph of a program, decomposed, of one input and one output, as a model.

    Parameters
    ----------
    program : ExportedProgram
        Behind ``run_decompositions({})``, on the CPU.
    name : str
        Of the model's graph.
    """
    return _Translator(program).translation(name)


def operator_name(node: fx.Node) -> str:
    """The operator of a node without its overload, such as ``conv2d``; ``getitem`` of a tuple."""
    if node.op != "call_function":
        return ""
    if isinstance(node.target, OpOverload):
        name = str(node.target._schema.name.split("::")[-1])
        return CALLED.get(name, name)
    return str(getattr(node.target, "__name__", node.target))


def _overload(node: fx.Node) -> str:
    """Which of its overloads the operator of a node is."""
    assert isinstance(node.target, OpOverload)
    return str(node.target._overloadname)


def _pair(value: Any) -> list[int]:
    numbers = [int(number) for number in value] if isinstance(value, list | tuple) else [int(value)]
    return numbers * 2 if len(numbers) == 1 else numbers


def _random(node: fx.Node) -> bool:
    return isinstance(node.target, OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(int(length) for length in node.meta["val"].shape)


def _permutation(node: fx.Node) -> list[int]:
    order: Any = node.args[1]
    return [axis % len(order) for axis in order]


def _named(node: fx.Node) -> str:
    """The name of a node behind that of its module."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]) if stack else ""
    return f"{path}.{node.name}" if path else node.name


class _Translator:
    def __init__(self, program: ExportedProgram) -> None:
        self.graph = program.graph
        self.found = Translation(ModelProto(), order=tuple(_named(node) for node in self.graph.nodes))
        self.values: dict[fx.Node, Any] = {}            # constants
        self.same: dict[fx.Node, fx.Node] = {}
        self.roots: dict[fx.Node, fx.Node] = {}         # of element-wise nodes
        self.readers: dict[fx.Node, list[fx.Node]] = {}
        self.shared: set[fx.Node] = set()               # element-wise nodes at which chains end, and others begin
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self.names: dict[fx.Node, str] = {}             # of results of chains and of tuples in the model
        self.input = self._inputs(program)
        (name,) = program.graph_signature.user_outputs
        self.result = next(node for node in self.graph.nodes if node.name == name)

    def _inputs(self, program: ExportedProgram) -> fx.Node:
        """Note the values of parameters, and find the input."""
        given = {**program.state_dict, **program.constants}
        placeholders = {node.name: node for node in self.graph.nodes if node.op == "placeholder"}
        found = None
        for spec in program.graph_signature.input_specs:
            node = placeholders[spec.arg.name]
            if spec.kind == InputKind.USER_INPUT:
                found = node
            elif spec.target in given:
                self.values[node] = given[spec.target]
        assert found is not None
        return found

    def translation(self, name: str) -> Translation:
        result = self.result
        for node in self.graph.nodes:
            if node.op == "call_function":
                self._guarded(node, self._fold)
        live = self._live(result)
        self._find_chains(live)
        for node in live:
            if node.op == "call_function" and node not in self.same and node not in self.roots:
                self._guarded(node, self._emit)
        self._guarded(result, self._tensor)
        given = helper.make_tensor_value_info(self.input.name, TensorProto.FLOAT, [1, *_shape(self.input)[1:]])
        output = helper.make_empty_tensor_value_info(self.names.get(self._original(result), result.name))
        graph = helper.make_graph(self.nodes, name, [given], [output], list(self.constants.values()))
        self.found.model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13),
                                                                   helper.make_opsetid(CHAINS, 1)])
        return self.found

    def _guarded(self, node: fx.Node, action: Callable[[fx.Node], Any]) -> None:
        try:
            action(node)
        except UnsupportedError as refusal:
            self.found.refusals.append(Refusal(_named(node), operator_name(node), refusal.reason, refusal.fits))
        except INVALID as error:
            text = " ".join(str(error).split())[:200] or type(error).__name__
            self.found.refusals.append(Refusal(_named(node), operator_name(node), "must have inputs that can be read: "
                                               + text, "another form of its call"))

    def _fold(self, node: fx.Node) -> None:
        """Compute a node that depends on constants, or on the shape of a tensor, alone."""
        arguments = node.args
        if operator_name(node) in SHAPED:
            first = arguments[0]
            assert isinstance(first, fx.Node)
            arguments = torch.empty(_shape(first), dtype=first.meta["val"].dtype), *arguments[1:]
        nodes = [argument for argument in (*arguments, *node.kwargs.values()) if isinstance(argument, fx.Node)]
        if operator_name(node) not in SHAPED:
            nodes = node.all_input_nodes
        if not all(other in self.values for other in nodes) or not callable(node.target):
            return
        if _random(node):
            return
        with torch.no_grad():
            self.values[node] = node.target(*fx.map_arg(arguments, self.values.__getitem__),
                                            **fx.map_arg(node.kwargs, self.values.__getitem__))

    def _live(self, result: fx.Node) -> list[fx.Node]:
        """The nodes that the result depends on, without constants, in order."""
        found: set[fx.Node] = set()
        waiting = [result]
        while waiting:
            node = waiting.pop()
            if node not in found and node not in self.values:
                found.add(node)
                waiting.extend(node.all_input_nodes)
        return [node for node in self.graph.nodes if node in found]

    # Chains

    def _find_chains(self, live: list[fx.Node]) -> None:
        """Find the root of each element-wise node; those of several roots are no part of a chain."""
        for node in live:
            if operator_name(node) in SAME and self._elementwise(node):
                (read,) = node.all_input_nodes[:1]
                if node.meta["val"].dtype == read.meta["val"].dtype:
                    self.same[node] = self._original(read)
        for node in live:
            if node not in self.same:
                for other in self._moving(node):
                    self.readers.setdefault(other, []).append(node)
        few: set[fx.Node] = set()
        for node in live:
            if node in self.same or node.op != "call_function" or not self._elementwise(node):
                continue
            moving = self._moving(node)
            roots = {self._root(other) for other in moving}
            if len(roots) != 1:
                continue
            self.roots[node] = roots.pop()
            if self._quantizes(node) or all(other in few for other in moving):
                few.add(node)
                if self._is_shared(node, live):
                    self.shared.add(node)

    def _is_shared(self, node: fx.Node, live: list[fx.Node]) -> bool:
        """Whether a quantizer's result has several readers, or one with a constant for each channel.

        And all that read it read nothing else of the same chain.
        """
        behind = {node}
        for other in live[live.index(node) + 1:]:
            moving = self._moving(other)
            if other in self.same or not behind & set(moving) or not self._elementwise(other):
                continue
            beside = {root for tensor in moving if tensor not in behind for root in self._far_roots(tensor, behind)}
            if self.roots[node] in beside:
                return False
            if not beside:
                behind.add(other)
        readers = self.readers.get(node, [])
        return len(readers) > 1 or any(
            isinstance(self.values.get(constant), Tensor) and self.values[constant].numel() > 1
            and len(self.values[constant].unique()) > 1
            for reader in readers if self._elementwise(reader) for constant in reader.all_input_nodes)

    def _far_roots(self, node: fx.Node, stop: set[fx.Node]) -> set[fx.Node]:
        """The tensors that an element-wise node is a function of."""
        if node in stop or not self._elementwise(node) or node.op != "call_function" or node in self.shared:
            return {node}
        return {root for other in self._moving(node) for root in self._far_roots(other, stop)}

    def _original(self, node: fx.Node) -> fx.Node:
        return self.same.get(node, node)

    def _moving(self, node: fx.Node) -> list[fx.Node]:
        """What a node reads besides constants."""
        return list(dict.fromkeys(self._original(other) for other in node.all_input_nodes if other not in self.values))

    def _root(self, node: fx.Node) -> fx.Node:
        return node if node in self.shared else self.roots.get(node, node)

    def _elementwise(self, node: fx.Node) -> bool:
        name = operator_name(node)
        arguments: tuple[Any, ...] = node.args
        if name == "getitem":
            return operator_name(arguments[0]) == "batch_norm" and bool(arguments[1] == 0)
        return name in ELEMENTWISE and all(isinstance(argument, fx.Node | int | float | bool | str | torch.dtype | None)
                                           for argument in (*arguments, node.kwargs.get("rounding_mode")))

    @staticmethod
    def _quantizes(node: fx.Node) -> bool:
        value = node.meta["val"]
        if operator_name(node) in QUANTIZING or node.kwargs.get("rounding_mode") is not None:
            return True
        return isinstance(value, Tensor) and not bool(value.dtype.is_floating_point)

    def _members(self, node: fx.Node) -> list[fx.Node]:
        """The chain that ends with a node, in order."""
        root = self.roots[node]
        found: set[fx.Node] = set()
        waiting = [node]
        while waiting:
            member = waiting.pop()
            if member not in found and member is not root:
                found.add(member)
                waiting.extend(self._moving(member))
        return [member for member in self.graph.nodes if member in found]

    def _kind(self, members: list[fx.Node]) -> str:
        few: set[fx.Node] = set()
        for member in members:
            if self._quantizes(member) or all(other in few for other in self._moving(member)):
                few.add(member)
        return "levels" if members[-1] in few else "either" if few else "function"

    def _chain(self, node: fx.Node) -> str:
        """The result of the chain that ends with a node."""
        if node in self.names:
            return self.names[node]
        root, members = self.roots[node], self._members(node)
        self.names[node] = node.name
        read = self._tensor(root)
        constants: dict[fx.Node, str] = {}
        for member in members:
            for other in member.all_input_nodes:
                if other in self.values:
                    constants[other] = self._channel_constant(member, other, root)
        chain = Chain(root, tuple(members), tuple(constants), self.same)
        self.found.chains[node.name] = chain
        self._node("Chain", node, [read, *constants.values()], domain=CHAINS, kind=self._kind(members),
                   operators=[operator_name(member) for member in members])
        self.found.parts[_named(node)] = tuple(_named(member) for member in members
                                               if operator_name(member) != "getitem")
        self.found.operators |= {_named(member): operator_name(member) for member in members}
        return node.name

    def _channel_constant(self, member: fx.Node, node: fx.Node, root: fx.Node) -> str:
        """A constant of a chain, which must be one number or one for each channel."""
        value = self.values[node]
        if not isinstance(value, Tensor):
            raise UnsupportedError("must read tensors", "constant tensors")
        shape, axis = _shape(root), len(_shape(root)) - 1 if self._has_last_channels(root) else 1
        if operator_name(member) in CHANNELWISE:
            if axis != 1:
                raise UnsupportedError("must have the channels on the axis 1", "a tensor (1, C, H, W)")
            return self._constant(node, value)
        for at in range(value.ndim):        # of ones_like(x), say
            first = value.narrow(at, 0, 1)
            if value.shape[at] > 1 and bool((value == first).all()):
                value = first
        wide = (1,) * (len(shape) - value.ndim) + tuple(value.shape)
        if len(wide) > len(shape) or any(length != 1 for at, length in enumerate(wide) if at != axis):
            raise UnsupportedError("must have constants that are alike for all positions, not of the shape "
                                   f"{tuple(value.shape)}", "one constant for each channel")
        return self._constant(node, value)

    def _has_last_channels(self, node: fx.Node) -> bool:
        if node in self.roots:
            return self._has_last_channels(self.roots[node])
        return operator_name(node) == "permute" and _permutation(node) == [0, 2, 3, 1]

    # Nodes of the model

    def _tensor(self, node: Any) -> str:
        """The name of a tensor in the model; its chain is a node then."""
        node = self._original(node)
        if node in self.values:
            raise UnsupportedError("must depend on the network's input", "the input in front of it")
        if node in self.roots:
            return self._chain(node)
        return self.names.get(node, str(node.name))

    def _constant(self, node: fx.Node, value: Tensor) -> str:
        name, count = node.name, 0
        found = numpy_helper.from_array(value.detach().contiguous().numpy(), name)
        while name in self.constants and self.constants[name].SerializeToString() != found.SerializeToString():
            count += 1
            name = f"{node.name}.{count}"
            found = numpy_helper.from_array(value.detach().contiguous().numpy(), name)
        self.constants[name] = found
        return name

    def _numbers(self, name: str, values: list[int]) -> str:
        self.constants[name] = numpy_helper.from_array(np.array(values, dtype=np.int64), name)
        return name

    def _node(self, operator: str, node: fx.Node, inputs: list[str], outputs: int = 1, **attributes: Any) -> None:
        names = [node.name] if outputs == 1 else [f"{node.name}.{i}" for i in range(outputs)]
        self.found.operators[_named(node)] = operator_name(node)
        self.nodes.append(helper.make_node(operator, inputs, names, name=_named(node), **attributes))

    def _emit(self, node: fx.Node) -> None:
        """Add the node of a convolution, a pooling, an order of axes, a sum of branches or a ranking."""
        name = operator_name(node)
        if name == "getitem":
            if node.args[1] == 0:
                raise UnsupportedError("must give the places of the largest values", "the second result of the ranking")
            (read,) = node.all_input_nodes
            source = self._original(read)
            self.names[node] = f"{source.name}.{node.args[1]}"
        elif name in RESHAPES:
            shape = self._numbers(f"{node.name}.shape", list(_shape(node)))
            self._node("Reshape", node, [self._tensor(node.args[0]), shape])
        elif name in EMITTED:
            for argument in node.all_input_nodes:
                if argument.meta["val"].dtype not in (torch.float32, torch.bool) and argument not in self.values:
                    raise UnsupportedError(f"must read float32, not {argument.meta['val'].dtype}".replace("torch.", ""),
                                           "a model of float32")
            EMITTED[name](self, node, *node.args, **node.kwargs)
        elif name in ELEMENTWISE and len(self._moving(node)) > 1:
            raise UnsupportedError("must have one input that is not constant", "an addition of branches, or constants")
        elif _random(node):
            raise UnsupportedError("must give the same numbers each time", "constants")
        elif name in ADVICE:
            raise UnsupportedError(*ADVICE[name])
        else:
            raise UnsupportedError("must be an operator that the array can compute", f"one of {', '.join(OPERATORS)}")

    def _weights(self, node: fx.Node, weights: Any, bias: Any) -> list[str]:
        """The constants of a convolution or a linear layer."""
        if self.values.get(weights) is None or (bias is not None and bias not in self.values):
            raise UnsupportedError("must have constant weights", "weights that depend on parameters alone")
        value = self.values[weights].detach()
        if value.dtype != torch.float32:
            raise UnsupportedError(f"must have weights of float32, not {value.dtype}".replace("torch.", ""),
                                   "a model of float32")
        sizes = value.abs().flatten(1)
        high, low = sizes.amax(1), sizes.amin(1)
        close = (high - low <= SNAP * high) & (high != low)
        if close.any():
            number = (high + low).div(2).reshape(-1, *[1] * (value.ndim - 1))
            value = torch.where(close.reshape(number.shape), torch.sign(value) * number, value)
            self.found.rounded[_named(node)] = float(((high - low) / high)[close].max())
        found = [self._constant(weights, value)]
        return found if bias is None else [*found, self._constant(bias, self.values[bias])]

    def _conv2d(self, node: fx.Node, x: Any, weights: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
                dilation: Any = 1, groups: int = 1) -> None:
        constants = self._weights(node, weights, bias)
        kernel, dilation = list(self.values[weights].shape[2:]), _pair(dilation)
        if padding == "same":
            wide = [step * (taps - 1) for step, taps in zip(dilation, kernel, strict=True)]
            pads = [*(value // 2 for value in wide), *(value - value // 2 for value in wide)]
        else:
            pads = (_pair(padding) if padding != "valid" else [0, 0]) * 2
        self._node("Conv", node, [self._tensor(x), *constants], kernel_shape=kernel, strides=_pair(stride), pads=pads,
                   dilations=dilation, group=groups)

    def _linear(self, node: fx.Node, x: Any, weights: Any, bias: Any = None) -> None:
        self._node("Gemm", node, [self._tensor(x), *self._weights(node, weights, bias)], transB=1)

    def _matmul(self, node: fx.Node, x: Any, weights: Any) -> None:
        if self.values.get(weights) is None or self.values[weights].ndim != 2:
            raise UnsupportedError("must multiply a tensor by constant weights, a matrix", "such weights")
        self._node("MatMul", node, [self._tensor(x), self._constant(weights, self.values[weights])])

    def _addmm(self, node: fx.Node, bias: Any, x: Any, weights: Any, **factors: Any) -> None:
        if any(factor != 1 for factor in factors.values()) or weights not in self.values or bias not in self.values:
            raise UnsupportedError("must have constant weights, alpha of 1 and beta of 1", "such weights")
        self._node("Gemm", node, [self._tensor(x), self._constant(weights, self.values[weights]),
                                  self._constant(bias, self.values[bias])])

    def _max_pool2d(self, node: fx.Node, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
                    ceil: bool = False) -> None:
        self._node("MaxPool", node, [self._tensor(x)], dilations=_pair(dilation),
                   **self._window(node, x, kernel, stride, padding, ceil))

    def _avg_pool2d(self, node: fx.Node, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False,
                    inside: bool = True, divisor: Any = None) -> None:
        if divisor is not None:
            raise UnsupportedError("must divide by the size of its window", "no divisor_override")
        self._node("AveragePool", node, [self._tensor(x)], **self._window(node, x, kernel, stride, padding, ceil))

    @staticmethod
    def _window(node: fx.Node, x: Any, kernel: Any, stride: Any, padding: Any, ceil: bool) -> dict[str, Any]:
        kernel, pads = _pair(kernel), _pair(padding)
        stride = _pair(stride) if stride not in ((), [], None) else kernel
        floor = [(length + 2 * pad - taps) // step + 1
                 for length, pad, taps, step in zip(_shape(x)[2:], pads, kernel, stride, strict=True)]
        return {"kernel_shape": kernel, "strides": stride, "pads": pads * 2,
                "ceil_mode": int(ceil and floor != list(_shape(node)[2:]))}

    def _adaptive_avg_pool2d(self, node: fx.Node, x: Any, size: Any) -> None:
        before, after = _shape(x)[-2:], _shape(node)[-2:]
        if any(length % count for length, count in zip(before, after, strict=True)):
            raise UnsupportedError(f"must have windows of one size, not {after} of {before} positions",
                                   "sizes that divide those of its input")
        kernel = [length // count for length, count in zip(before, after, strict=True)]
        self._node("AveragePool", node, [self._tensor(x)], kernel_shape=kernel, strides=kernel)

    def _mean(self, node: fx.Node, x: Any, axes: Any = None, keepdim: bool = False) -> None:
        if _overload(node) != "dim" or not axes:
            raise UnsupportedError("must average over height and width", "dim of 2 and 3")
        self._node("ReduceMean", node, [self._tensor(x)], axes=[int(axis) for axis in axes], keepdims=int(keepdim))

    def _permute(self, node: fx.Node, x: Any, order: Any) -> None:
        self._node("Transpose", node, [self._tensor(x)], perm=_permutation(node))

    def _add(self, node: fx.Node, one: Any, other: Any, alpha: Any = 1) -> None:
        if alpha != 1 or not isinstance(other, fx.Node):
            raise UnsupportedError("must add two tensors, with alpha of 1", "alpha of 1")
        if _shape(one) != _shape(other):
            raise UnsupportedError(f"must add tensors of one shape, not {_shape(one)} and {_shape(other)}",
                                   "equal shapes")
        self._node("Add", node, [self._tensor(one), self._tensor(other)])

    def _argmax(self, node: fx.Node, x: Any, axis: Any = None, keepdim: bool = False) -> None:
        if axis is None:
            raise UnsupportedError("must rank the channels", "dim of 1")
        self._node("ArgMax", node, [self._tensor(x)], axis=int(axis), keepdims=int(keepdim))

    def _max(self, node: fx.Node, x: Any, axis: Any = None, keepdim: bool = False) -> None:
        if _overload(node) != "dim":
            raise UnsupportedError("must rank the channels", "dim of 1")
        self._argmax(node, x, axis, keepdim)
        self.nodes[-1].output[0] = f"{node.name}.1"

    def _topk(self, node: fx.Node, x: Any, count: int, axis: int = -1, largest: bool = True,
              ordered: bool = True) -> None:
        if not ordered:
            raise UnsupportedError("must give the places in order", "sorted of True")
        self._node("TopK", node, [self._tensor(x), self._numbers(f"{node.name}.k", [count])], 2, axis=axis,
                   largest=int(largest))


EMITTED: Mapping[str, Callable[..., None]] = {
    "conv2d": _Translator._conv2d, "linear": _Translator._linear, "matmul": _Translator._matmul,
    "mm": _Translator._matmul, "addmm": _Translator._addmm, "max_pool2d": _Translator._max_pool2d,
    "avg_pool2d": _Translator._avg_pool2d, "adaptive_avg_pool2d": _Translator._adaptive_avg_pool2d,
    "mean": _Translator._mean, "permute": _Translator._permute, "add": _Translator._add,
    "argmax": _Translator._argmax, "max": _Translator._max, "topk": _Translator._topk}

OPERATORS = tuple(sorted({*EMITTED, *RESHAPES, *ELEMENTWISE, "dropout"} - {"alias", "clone"}))
"""Operators that a network may have."""
