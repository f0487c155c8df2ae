"""Translation of ONNX nodes to layers of the integer graph.

A tensor is one of the states of `golden.importers.states`. Convolutions read codes and make sums; functions of single
values collect behind the sums; a quantizer ends a layer, whose thresholds result from these functions, in float32 and
by the file's own operators, at every reachable sum (`golden.compiler.lowering`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import NodeProto

from signum.golden.compiler import lowering
from signum.golden.compiler.graph import GraphError, Layer, MapShape
from signum.golden.compiler.lowering import FoldError, Part, Source

from .operators import Operators, attributes
from .refusal import Refusal, UnsupportedError
from .states import (
    Codes,
    Constant,
    Factor,
    Function,
    Layout,
    Levels,
    Open,
    Operator,
    Pixels,
    Ranking,
    State,
    Sums,
    Term,
    Unknown,
)
from .weights import integers, planes_of

__all__ = ["MOST_LEVELS", "Translator"]

MOST_LEVELS = 15
"""Levels of a quantizer, less one: bits of a channel."""

MOST_THERMOMETER = 3
"""Bits of an input value in thermometer code; bit planes are fewer beyond."""

CHUNK = 1 << 14
MOST_SUM = 1 << 22
"""Sums up to here are evaluated one by one."""

FUNCTIONS = {"Mul", "Add", "Sub", "Div", "BatchNormalization", "Relu", "LeakyRelu", "PRelu", "Clip", "Neg", "Tanh",
             "Sigmoid", "HardSigmoid", "Elu", "Softsign", "Softplus", "Identity", "Dropout", "Cast", "Floor", "Ceil",
             "Round", "Trunc"}
"""Functions of a value and its channel; their monotony is proven at every sum."""

PASSING = {"Identity", "Dropout", "Cast"}
QUANTIZERS = {"Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Sign"}
FOLDED = FUNCTIONS | QUANTIZERS | {"Constant", "Transpose", "Reshape", "Flatten", "Unsqueeze", "Squeeze", "Concat",
                                   "Gather", "Slice", "Sqrt", "Pow", "Reciprocal", "Abs", "Exp", "Log"}
"""Operators that are evaluated on constants."""


class Translator:
    """Visits nodes in their order; see `golden.importers.qonnx.load_qonnx`.

    Members
    -------
    states : dict of str to State
        Of the tensors so far.
    layers : list of Layer
    refusals : list of Refusal
    absorbed : dict of str to str
        Where each node went: the name of a layer, ``input``, ``weights`` or ``result``.
    """

    def __init__(self, operators: Operators, uses: dict[str, int]) -> None:
        self.operators = operators
        self.uses = uses
        self.states: dict[str, State] = {}
        self.layers: list[Layer] = []
        self.refusals: list[Refusal] = []
        self.absorbed: dict[str, str] = {}
        self.nodes: dict[str, str] = {}         # operator by node name
        self.input: tuple[Pixels, Levels, Source] | None = None
        self.shape = MapShape(1, 1, 1)          # of the network's input
        self.pixels = np.zeros((0, 1), dtype=np.float32)        # the value of each pixel, for each channel
        self.tables: tuple[tuple[int, ...], ...] = ()           # the code of each pixel
        self.handlers: dict[str, Callable[[str, NodeProto, list[State | None]], State]] = {
            "Conv": self.conv, "Gemm": self.gemm, "MatMul": self.matmul, "MaxPool": self.max_pool,
            "AveragePool": self.average_pool, "GlobalAveragePool": self.global_average_pool,
            "Flatten": self.flatten, "Reshape": self.reshape, "Transpose": self.transpose, "Squeeze": self.squeeze,
            "TopK": self.top_k, "ArgMax": self.arg_max, "Pad": self.pad, "ReduceMean": self.reduce_mean}

    # nodes

    def visit(self, name: str, node: NodeProto) -> None:
        """Translate a node; a refusal makes its outputs unknown."""
        self.nodes[name] = node.op_type
        given = [self.states.get(tensor, Unknown()) if tensor else None for tensor in node.input]
        outputs: list[State] = [Unknown()]
        if not any(isinstance(state, Unknown) for state in given):
            try:
                outputs = self._outputs(name, node, given)
            except UnsupportedError as refusal:
                self.refusals.append(Refusal(name, node.op_type, refusal.reason, refusal.fits))
            except (FoldError, GraphError) as error:
                self.refusals.append(Refusal(name, node.op_type, f"must fold exactly: {error}", "another network"))
            except (ValueError, IndexError, TypeError, KeyError, ArithmeticError, RuntimeError) as error:
                text = " ".join(str(error).split())[:200]
                self.refusals.append(Refusal(name, node.op_type, f"must have inputs and attributes of its operator: "
                                             f"{text or type(error).__name__}", "a valid node"))
        for i, tensor in enumerate(node.output):
            if tensor:
                self.states[tensor] = outputs[i] if i < len(outputs) else Unknown()

    def _outputs(self, name: str, node: NodeProto, given: list[State | None]) -> list[State]:
        constant = all(state is None or isinstance(state, Constant) for state in given)
        if constant and (node.op_type in FOLDED or node.op_type == "Constant"):
            self.absorbed[name] = "weights"
            return self._constant(node, [state.value if isinstance(state, Constant) else None for state in given])
        if node.op_type == "Shape" and len(given) == 1:
            assert given[0] is not None
            self.absorbed[name] = "weights"
            return [Constant(np.array(self.shape_of(given[0]), dtype=np.int64))]
        if node.op_type == "Add" and not any(isinstance(state, Constant) for state in given):
            return [self.add(name, given)]
        if node.op_type in QUANTIZERS:
            return [self.quantize(name, node, given)]
        if node.op_type in FUNCTIONS:
            return [self.function(name, node, given)]
        if node.op_type not in self.handlers:
            raise UnsupportedError("must be an operator that the array can compute",
                              f"one of {', '.join(sorted(FUNCTIONS | QUANTIZERS | set(self.handlers)))}")
        result = self.handlers[node.op_type](name, node, given)
        # of TopK the places are the second output
        return [Unknown(), result] if node.op_type == "TopK" else [result]

    def _constant(self, node: NodeProto, inputs: list[np.ndarray | None]) -> list[State]:
        results = self.operators.run(node, inputs)
        unit = inputs[1] if node.op_type in ("Quant", "IntQuant", "BipolarQuant") else None
        return [Constant(np.asarray(result), None if unit is None else np.asarray(unit)) for result in results]

    def shape_of(self, state: State) -> tuple[int, ...]:
        """The shape of a tensor, with a batch of one."""
        if isinstance(state, Constant):
            return state.value.shape
        if isinstance(state, Pixels):
            channels, height, width = self.shape.channels, self.shape.height, self.shape.width
        elif isinstance(state, Codes):
            channels, height, width = state.shape
        elif isinstance(state, Sums):
            pool = state.pool or (1, 1)
            channels, height, width = state.channels, state.size[0] // pool[0], state.size[1] // pool[1]
        else:
            return ()
        if isinstance(state, Codes) and state.flat:
            return 1, int(np.prod(state.flat))
        assert isinstance(state, Pixels | Codes | Sums)
        if state.layout.rank == 2:
            return 1, channels * height * width
        return (1, height, width, channels) if state.layout.last else (1, channels, height, width)

    def close(self, state: Codes) -> Codes:
        """Codes whose layer is in the graph."""
        if state.open is None:
            return state
        if state.open.source is None:
            sums, levels = state.open.sums, state.open.levels
            lowered = self._lowered(sums)
            lowered.sign = levels
            layer = lowered.layer()
            self.layers.append(layer)
            for node in sums.nodes:
                self.absorbed[node] = sums.name
            height, width = lowered.parts[0].output_size
            shape = MapShape(height // layer.pool[0], width // layer.pool[1], layer.channels)
            inverted = np.zeros(layer.channels, dtype=bool) if layer.inverted is None else layer.inverted
            state.open.source = Source((layer.name,), shape, inverted, copies=levels.count,
                                       offset=round(levels.count + 2 * levels.least))
        return replace(state, maps=((state.open.source, 1),), open=None)

    def _lowered(self, sums: Sums) -> lowering.Sums:
        """The sums of a layer with their functions, without a quantizer."""
        parts = []
        for term in sums.terms:
            planes = planes_of(term.weights, _doubling(sums))
            source = term.source
            bits = planes.bits.repeat(source.copies, axis=2)
            parts.append(Part(source, bits ^ source.inverted[:, None, None], term.stride, term.dilation, term.padding,
                              _zero_code(source) if any(term.padding) else -1, planes.exponents))
        return lowering.Sums(sums.name, parts, before=[_factor(sums), *sums.before], after=list(sums.after),
                             pool=sums.pool)

    def result(self, state: State) -> tuple[Layer, list[Function]]:
        """Close the last layer: it, and the functions of its values that give the network's output."""
        if isinstance(state, Ranking):
            state = state.of
        if isinstance(state, Codes):
            if state.open is None or state.open.source is not None or state.flat:
                raise UnsupportedError("must be the result of one layer", "a quantizer as its last node")
            self.close(state)
            return self.layers[-1], [Factor(state.unit)]
        if not isinstance(state, Sums):
            raise UnsupportedError("must be computed by a layer", "a convolution or linear layer in the network")
        if state.pool is not None:
            raise UnsupportedError("must not be pooled", "a quantizer behind the pooling")
        lowered = replace(self._lowered(state), before=[], after=[])
        functions: list[Function] = [_factor(state), *state.functions]
        layer = lowered.layer()
        self.layers.append(layer)
        for node in state.nodes:
            self.absorbed[node] = state.name if self.nodes[node] in ("Conv", "Gemm", "MatMul") else "result"
        return layer, functions

    # codes

    def codes(self, state: State | None) -> Codes:
        """Codes that a convolution may read."""
        if isinstance(state, Pixels):
            return self.pixel_codes(state, None)
        if isinstance(state, Codes):
            return self.close(state)
        raise UnsupportedError("must read a quantized tensor", "a Quant or BipolarQuant in front of it")

    def sums(self, name: str, state: State | None) -> Sums:
        """The state as sums: codes are summed one by one."""
        if isinstance(state, Sums):
            return replace(state, before=list(state.before), after=list(state.after), nodes=list(state.nodes))
        codes = self.codes(state)
        if codes.flat and codes.flat[1:] != (1, 1):
            raise UnsupportedError("must stand in front of the flattening", "another order of the nodes")
        channels, height, width = codes.shape
        ratio, base = _integer_units(codes.unit)
        identity = np.zeros((channels, channels, 1, 1), dtype=np.int64)
        identity[np.arange(channels), np.arange(channels)] = 1
        terms = [Term(source, (identity * factor).repeat(source.window[0], axis=2).repeat(source.window[1], axis=3),
                      source.window) for source, factor in codes.maps]
        layout = codes.layout if not codes.flat else Layout(2)
        return Sums(name, terms, base * ratio, (height, width), layout)

    def pixel_codes(self, state: Pixels, quantizer: Operator | None) -> Codes:
        """The codes of the network's input, by a quantizer, or of the pixels themselves."""
        if self.input is not None:
            raise UnsupportedError("must be the only reader of the network's input", "one quantizer of the input")
        values = self.pixels
        for function in state.functions:
            values = function.compute(values)
        levels = _quantized(quantizer, values) if quantizer else _spaced(values)
        index = np.rint(values / levels.unit - levels.least).astype(np.int64) if not quantizer else np.rint(
            quantizer.compute(values) / levels.unit - levels.least).astype(np.int64)
        if levels.count > 255:
            raise UnsupportedError(f"must have at most 256 levels, not {levels.count + 1}", "a quantizer of 8 bits")
        if (np.diff(index, axis=0) < 0).any() and (np.diff(index, axis=0) > 0).any():
            raise UnsupportedError("must quantize the input monotonically", "a monotone function in front of it")
        tables = np.unique(index.T, axis=0) if (index == index[:, :1]).all() else index.T
        self.tables = tuple(tuple(int(value) for value in table) for table in tables)
        planes = levels.count > MOST_THERMOMETER
        copies = 1 if planes else levels.count
        offset = levels.least if planes else levels.count + 2 * levels.least
        names = tuple(f"input.{k}" for k in reversed(range(levels.count.bit_length()))) if planes else ("input",)
        channels = self.shape.channels * copies
        if round(offset) != offset:
            raise UnsupportedError("must have a level at a multiple of its scale, or half of one", "a zero point of 0")
        unit = levels.unit if planes else levels.unit / 2
        shape = MapShape(self.shape.height, self.shape.width, channels)
        source = Source(names, shape, np.zeros(channels, dtype=bool), planes=planes, copies=copies,
                        offset=round(offset))
        self.input = state, levels, source
        flat = (self.shape.channels, self.shape.height, self.shape.width) if state.layout.rank == 2 else None
        return Codes(((source, 1),), np.broadcast_to(unit, self.shape.channels), state.layout, flat=flat)

    def quantize(self, name: str, node: NodeProto, given: Sequence[State | None]) -> State:
        state = given[0]
        layout = self._layout(state)
        operator = self._operator(node, given, layout)
        if isinstance(state, Pixels):
            self.absorbed[name] = "input"
            return self.pixel_codes(state, operator)
        sums = self.sums(name, state)
        sums.nodes.append(name)
        values = self._reachable(sums, operator)
        levels = _quantized(operator, values)
        if levels.count > MOST_LEVELS:
            raise UnsupportedError(f"must have at most {MOST_LEVELS + 1} levels, not {levels.count + 1}",
                              f"a bit width of {MOST_LEVELS.bit_length()} or less")
        if round(levels.count + 2 * levels.least) != levels.count + 2 * levels.least:
            raise UnsupportedError("must have a level at a multiple of its scale, or half of one", "a zero point of 0")
        (sums.before if sums.pool is None else sums.after).append(operator)
        codes = Codes((), levels.unit / 2, sums.layout, Open(sums, levels))
        return codes if self.uses.get(node.output[0], 0) == 1 else self.close(codes)

    def _reachable(self, sums: Sums, operator: Operator) -> np.ndarray:
        """The values of the quantizer's input at all sums that the weights can make, and perhaps more: (Z, N)."""
        lowered = self._lowered(sums)
        if lowered.bound > MOST_SUM:
            raise UnsupportedError(f"must follow sums of at most {MOST_SUM}, not {lowered.bound}", "fewer bits of weights")
        z = lowered.reach
        if len(z) > 4 * CHUNK:              # the ends, and enough between them, for a monotone function
            z = np.unique(np.concatenate([z[:CHUNK], z[:: len(z) // CHUNK], z[-CHUNK:]]))
        values = np.broadcast_to(z[:, None], (len(z), sums.channels)).astype(np.float32)
        for function in (_factor(sums), *sums.functions):
            values = function.compute(values)
        return values

    # functions of a value and its channel

    def _layout(self, state: State | None) -> Layout:
        assert isinstance(state, Pixels | Sums | Codes)
        return Layout(2) if isinstance(state, Codes) and state.flat else state.layout

    def _operator(self, node: NodeProto, given: Sequence[State | None], layout: Layout) -> Operator:
        inputs: list[np.ndarray | None] = []
        moving = 0
        for name, state in zip(node.input, given, strict=True):
            if isinstance(state, Constant):
                inputs.append(state.value)
            else:
                inputs.append(None)
                moving += bool(name)
        if moving != 1:
            raise UnsupportedError("must have one input that is not constant", "constants for its others")
        operator = Operator(self.operators, node, inputs, layout)
        if node.op_type in ("Mul", "Add", "Sub", "Div", "Quant", "IntQuant", "BipolarQuant", "PRelu"):
            for value in inputs:
                if value is not None:
                    _check_broadcast(value, layout)
        return operator

    def function(self, name: str, node: NodeProto, given: Sequence[State | None]) -> State:
        state = next((state for state in given if state is not None and not isinstance(state, Constant)), None)
        if state is None or isinstance(state, Ranking):
            raise UnsupportedError("must stand in front of the ranking", "another order of the nodes")
        if node.op_type in PASSING and (node.op_type != "Cast" or attributes(node).get("to") == 1):
            self._passes(name, state)
            return state
        operator = self._operator(node, given, self._layout(state))
        if isinstance(state, Pixels):
            self.absorbed[name] = "input"
            return replace(state, functions=(*state.functions, operator))
        if isinstance(state, Codes):
            moved = _scaled(state, node, operator) or self._shifted(state, node, operator)
            if moved is not None:
                self._passes(name, state)
                return moved
        sums = self.sums(name, state)
        (sums.before if sums.pool is None else sums.after).append(operator)
        sums.nodes.append(name)
        return sums

    def _passes(self, name: str, state: State) -> None:
        """A node without a computation of its own."""
        if isinstance(state, Sums):
            state.nodes.append(name)
        elif isinstance(state, Codes) and state.open is not None and state.open.source is None:
            state.open.sums.nodes.append(name)
        elif isinstance(state, Codes):
            self.absorbed[name] = "the layers that read it"
        elif isinstance(state, Pixels):
            self.absorbed[name] = "input"

    def _shifted(self, state: Codes, node: NodeProto, operator: Operator) -> Codes | None:
        """Codes plus a constant that is a multiple of their unit: another offset; None for another function."""
        if node.op_type not in ("Add", "Sub") or (node.op_type == "Sub" and operator.inputs[0] is not None):
            return None
        if state.flat and state.flat[1:] != (1, 1) and any(
                value is not None and value.size > 1 for value in operator.inputs):
            return None
        more = operator.compute(np.zeros((1, len(state.unit)), dtype=np.float32))[0] / state.unit
        whole = round(float(more[0]))
        if np.abs(more - whole).max() > 1e-5 * max(1, abs(whole)):
            return None
        state = self.close(state)
        (source, factor), *others = state.maps
        if others or factor != 1 or source.window != (1, 1):
            return None
        return replace(state, maps=((replace(source, offset=source.offset + whole), 1),))

    # linear operators

    def _linear(self, name: str, codes: Codes, weights: Constant, shaped: np.ndarray, bias: np.ndarray | None,
                **geometry: Any) -> Sums:
        """Sums of codes by weights (N, C, KH, KW)."""
        real = shaped.astype(np.float64)
        if not np.isfinite(real).all():
            raise UnsupportedError("must have finite weights", "other weights")
        if real.shape[0] == 0 or real.size == 0:
            raise UnsupportedError("must have weights", "an output channel")
        try:
            found, unit = _known_unit(real, weights, codes) or integers(real * codes.unit[:, None, None])
        except ValueError as error:
            raise UnsupportedError(f"must have weights of integers: {error}", "a Quant or BipolarQuant of its weights"
                              ) from None
        terms = []
        for source, factor in codes.maps:
            window = source.window
            repeated = found.repeat(window[0], axis=2).repeat(window[1], axis=3)
            stride = geometry.get("stride", (1, 1))
            term = Term(source, repeated * factor, (stride[0] * window[0], stride[1] * window[1]),
                        geometry.get("dilation", (1, 1)), geometry.get("padding", (0, 0, 0, 0)))
            if window != (1, 1) and (any(term.padding) or term.dilation != (1, 1)):
                raise UnsupportedError("must have no padding and no dilation behind an average pooling",
                                  "padding in front of the pooling")
            terms.append(term)
        size = _output_size(terms[0])
        return Sums(name, terms, unit, size, bias=bias, nodes=[name])

    def _weights(self, state: State | None) -> Constant:
        if not isinstance(state, Constant):
            raise UnsupportedError("must have constant weights", "weights in the file")
        return state

    def conv(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        given = [*given, None]
        codes, weights, bias = self.codes(given[0]), self._weights(given[1]), given[2]
        values, options = weights.value, attributes(node)
        if codes.layout != Layout() or values.ndim != 4:
            raise UnsupportedError("must be a convolution in two dimensions of a tensor (1, C, H, W)", "such a tensor")
        groups = int(options.get("group", 1))
        channels = codes.shape[0]
        if groups < 1 or values.shape[1] * groups != channels or values.shape[0] % groups:
            raise UnsupportedError(f"must have weights for {channels} channels in {groups} groups, not of the shape "
                              f"{values.shape}", "weights of this shape")
        size = codes.shape[1:]
        geometry = _geometry(options, values.shape[2:], size)
        self._check_padding(codes, geometry["padding"])
        sums = self._linear(name, codes, weights, _dense(values, groups), _vector(bias, len(values)), **geometry)
        return sums

    def _check_padding(self, codes: Codes, padding: tuple[int, ...]) -> None:
        if any(padding):
            for source, _ in codes.maps:
                if source.planes and isinstance(_zero_code(source), int) and _zero_code(source) < 0:
                    raise UnsupportedError("must be padded with a value that the codes of its input have",
                                      "a level of 0 in the quantizer of the input")

    def gemm(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        given = [*given, None]
        options = attributes(node)
        weights = self._weights(given[1])
        if options.get("transA", 0):
            raise UnsupportedError("must have transA of 0", "a tensor (1, F)")
        matrix = weights.value if options.get("transB", 0) else weights.value.T
        matrix = matrix * np.float32(options.get("alpha", 1.0))
        bias = _vector(given[2], len(matrix))
        if bias is not None:
            bias = bias * np.float32(options.get("beta", 1.0))
        return self._dense_layer(name, given[0], replace(weights, value=matrix), bias)

    def matmul(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        weights = self._weights(given[1])
        if weights.value.ndim != 2:
            raise UnsupportedError(f"must multiply by a matrix, not by a tensor of {weights.value.ndim} axes", "a matrix")
        return self._dense_layer(name, given[0], replace(weights, value=weights.value.T), None)

    def _dense_layer(self, name: str, state: State | None, weights: Constant, bias: np.ndarray | None) -> Sums:
        codes = self.codes(state)
        channels, height, width = codes.flat or codes.shape
        matrix = weights.value
        if codes.layout.rank != 2 or matrix.ndim != 2:
            raise UnsupportedError("must read a flattened tensor (1, F)", "a Flatten in front of it")
        if matrix.shape[1] != channels * height * width:
            raise UnsupportedError(f"must have weights for {channels * height * width} values, not {matrix.shape[1]}",
                              "weights of this shape")
        if codes.flat_last:
            shaped = matrix.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
        else:
            shaped = matrix.reshape(-1, channels, height, width)
        sums = self._linear(name, replace(codes, flat=None), weights, shaped, bias)
        return replace(sums, layout=Layout(2), nodes=sums.nodes)

    def add(self, name: str, given: Sequence[State | None]) -> State:
        """The sum of two tensors: two maps of one scale, or two sums of one scale."""
        one, other = given
        if isinstance(one, Codes) and isinstance(other, Codes):
            one, other = self.close(one), self.close(other)
            if one.shape != other.shape or one.flat != other.flat or one.layout != other.layout:
                raise UnsupportedError(f"must add tensors of one shape, not {one.shape} and {other.shape}", "equal shapes")
            ratio, base = _integer_units(np.stack([one.unit, other.unit]))
            if (ratio != ratio[:, :1]).any():
                raise UnsupportedError("must add tensors whose scales are in one ratio in all channels", "one scale")
            self.absorbed[name] = "the layers that read it"
            factors = ratio[:, 0].tolist()
            maps = tuple((source, factor * int(times)) for codes, times in zip((one, other), factors, strict=True)
                         for source, factor in codes.maps)
            return Codes(maps, base * np.ones(len(one.unit)), one.layout, flat=one.flat, flat_last=one.flat_last)
        if isinstance(one, Sums) and isinstance(other, Sums) and one.bare and other.bare:
            if one.size != other.size or one.channels != other.channels or one.layout != other.layout:
                raise UnsupportedError("must add tensors of one shape", "equal shapes")
            ratio = np.zeros((2, one.channels), dtype=np.int64)
            unit = np.zeros(one.channels)
            for channel in range(one.channels):
                parts, unit[channel] = _integer_units(np.array([one.unit[channel], other.unit[channel]]))
                ratio[:, channel] = parts
            terms = [replace(term, weights=term.weights * ratio[i][:, None, None, None])
                     for i, sums in enumerate((one, other)) for term in sums.terms]
            return Sums(name, terms, unit, one.size, one.layout, nodes=[*one.nodes, *other.nodes, name])
        raise UnsupportedError("must add two quantized tensors, or two convolutions without functions between",
                          "a Quant in both branches")

    # pooling

    def max_pool(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        state, options = given[0], attributes(node)
        kernel = tuple(options.get("kernel_shape", ()))
        strides = tuple(options.get("strides", [1] * len(kernel)))
        if len(kernel) != 2:
            raise UnsupportedError("must pool in two dimensions", "a tensor (1, C, H, W)")
        if options.get("ceil_mode", 0) or any(options.get("pads", ())) or any(
                value != 1 for value in options.get("dilations", ())):
            raise UnsupportedError("must have windows inside the map: pads of 0, dilations of 1, ceil_mode of 0",
                              "such windows")
        if strides != kernel:
            raise UnsupportedError(f"must have windows that do not overlap, strides of {kernel}, not {strides}",
                              "strides as large as its kernel")
        if isinstance(state, Codes) and state.open is not None and state.open.source is None \
                and self.uses.get(node.input[0], 0) == 1 and state.open.sums.pool is None:
            sums = state.open.sums
            self._check_window(kernel, sums.size)
            sums.pool = kernel
            sums.nodes.append(name)
            return state if self.uses.get(node.output[0], 0) == 1 else self.close(state)
        if isinstance(state, Sums) and state.pool is None:
            self._check_window(kernel, state.size)
            return replace(state, pool=kernel, before=list(state.before), nodes=[*state.nodes, name])
        sums = self.sums(name, self.close(state) if isinstance(state, Codes) else state)
        if sums.pool is not None:
            raise UnsupportedError("must be the only pooling of a layer", "one pooling")
        self._check_window(kernel, sums.size)
        sums.pool = kernel
        sums.nodes.append(name)
        return sums

    @staticmethod
    def _check_window(kernel: tuple[int, ...], size: tuple[int, int]) -> None:
        if not (0 < kernel[0] <= size[0] and 0 < kernel[1] <= size[1]):
            raise UnsupportedError(f"must have a window of at most {size[0]} x {size[1]}, not {kernel[0]} x {kernel[1]}",
                              "a smaller window")

    def average_pool(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        options = attributes(node)
        kernel = tuple(options.get("kernel_shape", ()))
        strides = tuple(options.get("strides", [1] * len(kernel)))
        if options.get("ceil_mode", 0) or any(options.get("pads", ())) or len(kernel) != 2:
            raise UnsupportedError("must have windows inside the map: pads of 0, ceil_mode of 0", "such windows")
        return self._averaged(name, given[0], kernel, strides)

    def global_average_pool(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        shape = self.shape_of(given[0]) if given[0] is not None else ()
        if len(shape) != 4:
            raise UnsupportedError("must pool a tensor (1, C, H, W)", "such a tensor")
        return self._averaged(name, given[0], shape[2:], shape[2:])

    def reduce_mean(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        options = attributes(node)
        axes = options.get("axes")
        if axes is None and len(given) > 1 and isinstance(given[1], Constant):
            axes = given[1].value.tolist()
        shape = self.shape_of(given[0]) if given[0] is not None else ()
        if len(shape) != 4 or sorted(axis % 4 for axis in axes or ()) != [2, 3]:
            raise UnsupportedError("must average over height and width", "axes of 2 and 3")
        state = self._averaged(name, given[0], shape[2:], shape[2:])
        return state if options.get("keepdims", 1) else self._flattened(state)

    def _averaged(self, name: str, state: State | None, kernel: tuple[int, ...], strides: tuple[int, ...]) -> State:
        if isinstance(state, Sums) and state.bare and state.layout == Layout():
            self._check_window(kernel, state.size)
            terms = [_averaged_term(term, kernel, strides) for term in state.terms]
            return Sums(state.name, terms, state.unit / (kernel[0] * kernel[1]), _output_size(terms[0]),
                        nodes=[*state.nodes, name])
        if isinstance(state, Sums):
            raise UnsupportedError("must average quantized values, or sums without functions behind them",
                              "a Quant in front of it")
        codes = self.codes(state)
        if codes.layout != Layout():
            raise UnsupportedError("must pool a tensor (1, C, H, W)", "such a tensor")
        self._check_window(kernel, codes.shape[1:])
        unit = codes.unit / (kernel[0] * kernel[1])
        if kernel == strides:
            self.absorbed[name] = "the layers that read it"
            maps = tuple((replace(source, window=(source.window[0] * kernel[0], source.window[1] * kernel[1])), factor)
                         for source, factor in codes.maps)
            return replace(codes, maps=maps, unit=unit)
        sums = self.sums(name, codes)
        terms = [_averaged_term(term, kernel, strides) for term in sums.terms]
        return Sums(name, terms, sums.unit / (kernel[0] * kernel[1]), _output_size(terms[0]), nodes=[name])

    # orders of axes

    def _flattened(self, state: State) -> State:
        if isinstance(state, Pixels):
            return replace(state, layout=Layout(2))
        if isinstance(state, Codes):
            state = self.close(state)
            channels, height, width = state.shape
            last = state.layout.last
            return replace(state, flat=(channels, height, width), layout=Layout(2), flat_last=last)
        if isinstance(state, Sums):
            shape = self.shape_of(state)
            if int(np.prod(shape)) != state.channels:
                raise UnsupportedError("must flatten quantized values, or one position", "a Quant in front of it")
            return replace(state, layout=Layout(2), before=list(state.before), after=list(state.after),
                           nodes=list(state.nodes))
        raise UnsupportedError("must flatten a tensor of the network", "such a tensor")

    def flatten(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        state = given[0]
        assert state is not None
        if attributes(node).get("axis", 1) not in (1, 1 - len(self.shape_of(state))):
            raise UnsupportedError("must flatten all axes but the first", "an axis of 1")
        flattened = self._flattened(state)
        self._passes(name, flattened)
        return flattened

    def reshape(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        state, shape = given[0], given[1]
        assert state is not None
        if not isinstance(shape, Constant):
            raise UnsupportedError("must have a constant shape", "a shape in the file")
        before = self.shape_of(state)
        wanted = [int(value) for value in shape.value.reshape(-1)]
        total = int(np.prod(before))
        wanted = [before[i] if value == 0 and i < len(before) else value for i, value in enumerate(wanted)]
        if wanted.count(-1) == 1:
            rest = int(np.prod([value for value in wanted if value != -1]))
            wanted[wanted.index(-1)] = total // rest if rest else 0
        if tuple(wanted) == before:
            self._passes(name, state)
            return state
        if wanted == [1, total]:
            flattened = self._flattened(state)
            self._passes(name, flattened)
            return flattened
        if isinstance(state, Pixels) and len(before) == 2 and len(wanted) == 4 and not state.functions:
            self.shape = MapShape(wanted[2], wanted[3], wanted[1])
            self.pixels = np.repeat(self.pixels[:, :1], wanted[1], axis=1)
            self.absorbed[name] = "input"
            return replace(state, layout=Layout())
        raise UnsupportedError(f"must flatten all axes but the first, not give the shape {tuple(wanted)}",
                          "a flattening of the whole tensor")

    def squeeze(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        state = given[0]
        assert state is not None
        if self.shape_of(state)[2:] != (1, 1):
            raise UnsupportedError("must remove height and width of one position", "a Flatten")
        flattened = self._flattened(state)
        self._passes(name, flattened)
        return flattened

    def transpose(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        state = given[0]
        order = tuple(attributes(node).get("perm", ()))
        if isinstance(state, Pixels | Sums | Codes) and not (isinstance(state, Codes) and state.flat):
            turned = {(0, 2, 3, 1): (False, True), (0, 3, 1, 2): (True, False)}.get(order)
            if order == tuple(range(state.layout.rank)):
                self._passes(name, state)
                return state
            if turned and state.layout == Layout(4, turned[0]):
                self._passes(name, state)
                return replace(state, layout=Layout(4, turned[1]))
        raise UnsupportedError(f"must turn (1, C, H, W) into (1, H, W, C) or back, not the axes {order}",
                          "a perm of 0, 2, 3, 1 or of 0, 3, 1, 2")

    def pad(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        raise UnsupportedError("must be the padding of a convolution itself", "pads of the Conv behind it")

    # ends

    def top_k(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        count, options = given[1], attributes(node)
        if not isinstance(count, Constant) or options.get("largest", 1) != 1:
            raise UnsupportedError("must rank the largest values, a constant number of them", "largest of 1")
        return self._ranked(name, given[0], int(count.value.reshape(-1)[0]), options.get("axis", -1))

    def arg_max(self, name: str, node: NodeProto, given: list[State | None]) -> State:
        options = attributes(node)
        if options.get("select_last_index", 0):
            raise UnsupportedError("must give the first of equal values", "select_last_index of 0")
        return self._ranked(name, given[0], 1, options.get("axis", 0))

    def _ranked(self, name: str, state: State | None, count: int, axis: int) -> State:
        if not isinstance(state, Sums) or axis % len(self.shape_of(state)) != 1:
            raise UnsupportedError("must rank the channels of the last layer", "an axis of 1")
        if not 1 <= count <= state.channels:
            raise UnsupportedError(f"must rank 1 to {state.channels} channels, not {count}", "fewer ranks")
        state.nodes.append(name)
        return Ranking(state, count)


def _doubling(sums: Sums) -> int:
    """1 where all weights are odd, else 2: their planes give so many times the sums."""
    return 1 if all((term.weights % 2 != 0).all() for term in sums.terms) else 2


def _factor(sums: Sums) -> Factor:
    """The network's values of the integers of the array."""
    return Factor(sums.unit / _doubling(sums), sums.bias)


def _scaled(state: Codes, node: NodeProto, operator: Operator) -> Codes | None:
    """Codes times positive constants, which the next layer absorbs; None for another function."""
    if node.op_type not in ("Mul", "Div") or (node.op_type == "Div" and operator.inputs[0] is not None):
        return None
    if state.flat and state.flat[1:] != (1, 1) and any(
            value is not None and value.size > 1 for value in operator.inputs):
        return None
    factors = operator.compute(np.ones((1, len(state.unit)), dtype=np.float32))[0].astype(np.float64)
    return replace(state, unit=state.unit * factors) if (factors > 0).all() else None


def _check_broadcast(value: np.ndarray, layout: Layout) -> None:
    """Refuse constants that differ between positions."""
    shape = (1,) * (layout.rank - value.ndim) + value.shape
    if len(shape) > layout.rank or any(length != 1 for axis, length in enumerate(shape) if axis != layout.axis):
        raise UnsupportedError(f"must have constants that are alike for all positions, not of the shape {value.shape}",
                          "one constant for each channel")


def _integer_units(units: np.ndarray) -> tuple[np.ndarray, float]:
    """Units as integers times one number: int64 of their shape, and the number."""
    try:
        found, base = integers(units.reshape(1, -1))
    except ValueError:
        raise UnsupportedError("must have scales that are multiples of one number", "one scale") from None
    return found.reshape(units.shape), float(base[0])


def _known_unit(real: np.ndarray, weights: Constant, codes: Codes) -> tuple[np.ndarray, np.ndarray] | None:
    """The integers of weights by the scale of their quantizer, if both are alike in each channel."""
    if weights.unit is None or weights.value.ndim < 2 or (codes.unit != codes.unit[0]).any():
        return None
    unit = weights.unit.astype(np.float64).reshape(-1)
    if len(unit) not in (1, len(real)):
        return None
    unit = np.broadcast_to(unit, len(real))
    numbers = real / unit.reshape(-1, *[1] * (real.ndim - 1))
    found = np.rint(numbers)
    if np.abs(numbers - found).max() > 1e-4 or np.abs(found).max() > 255 or not found.any():
        return None
    return found.astype(np.int64), unit * codes.unit[0]


def _zero_code(source: Source) -> int | np.ndarray:
    """The padding of a map by the value 0: the bits of its code, 0 where no code is 0, or -1 on planes without it."""
    offset = int(np.asarray(source.offset).reshape(-1)[0])
    if source.planes:
        return -offset if 0 <= -offset < 1 << len(source.names) else -1
    level, rest = divmod(source.copies - offset, 2)
    if rest or not 0 <= level <= source.copies:
        return 0
    return np.tile(np.arange(source.copies) < level, source.channels)


def _quantized(operator: Operator, values: np.ndarray) -> Levels:
    """The levels of a quantizer at values (Z, N)."""
    kind, inputs = operator.node.op_type, operator.inputs
    channels = values.shape[1]
    options = attributes(operator.node)
    bias = 0.0
    if kind == "Sign":
        unit = np.ones(channels)
    elif kind == "MultiThreshold":
        unit, bias = np.full(channels, float(options.get("out_scale", 1.0))), float(options.get("out_bias", 0.0))
    else:
        scale = inputs[1]
        if scale is None:
            raise UnsupportedError("must have a constant scale", "a scale in the file")
        unit = np.broadcast_to(scale.astype(np.float64).reshape(-1), channels).copy()
    if not np.isfinite(unit).all() or (unit <= 0).any():
        raise UnsupportedError("must have a positive scale", "another scale")
    found = operator.compute(values).astype(np.float64)
    if not np.isfinite(found).all():
        raise UnsupportedError("must give finite values", "finite constants")
    numbers = np.rint((found - bias) / unit)
    least, most = int(numbers.min()), int(numbers.max())
    step = 1
    if kind in ("BipolarQuant", "Sign") and (np.abs(numbers) == 1).all():
        least, most, step = -1, 1, 2
    count = max(1, (most - least) // step)
    return Levels(unit * step, (least + bias / unit[0]) / step, count)


def _spaced(values: np.ndarray) -> Levels:
    """Pixels as levels of equal distance, in all channels."""
    low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
    count = len(values) - 1
    unit = (high - low) / count
    if not np.isfinite(unit).all() or (unit <= 0).any() or (unit != unit[0]).any():
        raise UnsupportedError("must read a quantized input", "a Quant behind the network's input")
    least = low / unit
    if (np.abs(least - np.rint(least)) > 1e-3).any() or (np.rint(least) != np.rint(least[0])).any():
        raise UnsupportedError("must read a quantized input", "a Quant behind the network's input")
    if np.abs(values / unit - np.rint(least) - np.arange(count + 1)[:, None]).max() > 1e-2:
        raise UnsupportedError("must read a quantized input", "a Quant behind the network's input")
    return Levels(unit, float(np.rint(least[0])), count)


def _vector(state: State | None, channels: int) -> np.ndarray | None:
    """A bias, one for each channel."""
    if state is None:
        return None
    if not isinstance(state, Constant) or state.value.size not in (1, channels):
        raise UnsupportedError("must have a constant bias for each output channel", "such a bias")
    return np.broadcast_to(state.value.reshape(-1), channels).astype(np.float32)


def _dense(weights: np.ndarray, groups: int) -> np.ndarray:
    """Weights (N, C / groups, KH, KW) of groups as (N, C, KH, KW), with zeros."""
    if groups == 1:
        return weights
    outputs, inputs = weights.shape[0] // groups, weights.shape[1]
    dense = np.zeros((weights.shape[0], inputs * groups, *weights.shape[2:]), dtype=weights.dtype)
    for group in range(groups):
        dense[group * outputs:(group + 1) * outputs, group * inputs:(group + 1) * inputs] = \
            weights[group * outputs:(group + 1) * outputs]
    return dense


def _geometry(options: dict[str, Any], kernel: tuple[int, ...], size: tuple[int, int]) -> dict[str, Any]:
    """Strides, dilations and padding of a convolution."""
    stride = tuple(int(value) for value in options.get("strides", (1, 1)))
    dilation = tuple(int(value) for value in options.get("dilations", (1, 1)))
    if len(stride) != 2 or len(dilation) != 2 or min(*stride, *dilation) < 1:
        raise UnsupportedError("must have two strides and two dilations of 1 or more", "such attributes")
    auto = options.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for length, step, taps, apart in zip(size, stride, kernel, dilation, strict=True):
            total = max(0, (-(-length // step) - 1) * step + (taps - 1) * apart + 1 - length)
            pads.append((total // 2, total - total // 2) if auto == "SAME_UPPER" else (total - total // 2, total // 2))
        padding = pads[0][0], pads[1][0], pads[0][1], pads[1][1]
    elif auto in ("NOTSET", "VALID"):
        given = [0] * 4 if auto == "VALID" else [int(value) for value in options.get("pads", (0, 0, 0, 0))]
        if len(given) != 4 or min(given) < 0:
            raise UnsupportedError("must have four pads of 0 or more", "such pads")
        padding = given[0], given[1], given[2], given[3]
    else:
        raise UnsupportedError(f"must have an auto_pad of ONNX, not {auto}", "pads in numbers")
    return {"stride": stride, "dilation": dilation, "padding": padding}


def _output_size(term: Term) -> tuple[int, int]:
    found = []
    for axis in (0, 1):
        length = (term.source.shape.height, term.source.shape.width)[axis]
        reach = (term.weights.shape[2 + axis] - 1) * term.dilation[axis] + 1
        inside = length + term.padding[axis] + term.padding[axis + 2] - reach
        if inside < 0:
            raise UnsupportedError(f"must have a kernel that fits into its map, not {reach} positions of {length}",
                              "a smaller kernel or more padding")
        found.append(inside // term.stride[axis] + 1)
    return found[0], found[1]


def _averaged_term(term: Term, kernel: tuple[int, ...], strides: tuple[int, ...]) -> Term:
    """The sums of windows of a convolution, as one convolution."""
    if term.dilation != (1, 1):
        raise UnsupportedError("must not average a dilated convolution", "a Quant in front of it")
    n, c, height, width = term.weights.shape
    reach = height + term.stride[0] * (kernel[0] - 1), width + term.stride[1] * (kernel[1] - 1)
    weights = np.zeros((n, c, *reach), dtype=np.int64)
    for y in range(kernel[0]):
        for x in range(kernel[1]):
            at = y * term.stride[0], x * term.stride[1]
            weights[:, :, at[0]:at[0] + height, at[1]:at[1] + width] += term.weights
    return replace(term, weights=weights, stride=(term.stride[0] * strides[0], term.stride[1] * strides[1]))
