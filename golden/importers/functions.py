"""Functions of a value and its channel: they collect behind sums, or change the units of codes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import NodeProto

from .context import Context
from .operators import CHAINS, attributes
from .refusal import UnsupportedError
from .states import Codes, Constant, Layout, Levels, Open, Operator, Pixels, Ranking, State, Sums

__all__ = ["FUNCTIONS", "function", "operator_of"]

FUNCTIONS = frozenset({
    "Mul", "Add", "Sub", "Div", "BatchNormalization", "Relu", "LeakyRelu", "PRelu", "Clip", "Neg", "Tanh", "Sigmoid",
    "HardSigmoid", "Elu", "Softsign", "Softplus", "Identity", "Dropout", "Cast", "Floor", "Ceil", "Round"})
"""Their monotony is proven at every sum, as they are folded."""

MOST_CODES = 1 << 12
"""Codes of a map at which a function is evaluated."""

ROUNDING = 1e-4
"""Of a function's values, in units of the codes."""

PASSING = frozenset({"Identity", "Dropout", "Cast"})


def function(context: Context, name: str, node: NodeProto, given: Sequence[State | None]) -> State:
    state = next((state for state in given if state is not None and not isinstance(state, Constant)), None)
    if state is None or isinstance(state, Ranking):
        raise UnsupportedError("must stand in front of the ranking", "another order of the nodes")
    if node.op_type in PASSING and (node.op_type != "Cast" or attributes(node).get("to") == 1):
        context.passes(name, state)
        return state
    operator = operator_of(context, node, given, state)
    if isinstance(state, Pixels):
        context.absorbed[name] = "input"
        return replace(state, functions=(*state.functions, operator))
    if isinstance(state, Codes):
        if node.domain == CHAINS:
            moved = _mapped(state, operator)
        else:
            moved = _scaled(state, node, operator) or _shifted(context, state, node, operator)
        if moved is not None:
            context.passes(name, moved)
            return moved
    sums = context.sums(name, state)
    (sums.before if sums.pool is None else sums.after).append(operator)
    sums.nodes.append(name)
    return sums


def operator_of(context: Context, node: NodeProto, given: Sequence[State | None], state: State | None) -> Operator:
    """The function that a node is of one of its inputs, whose state is told."""
    layout = _layout_of(state)
    inputs: list[np.ndarray | None] = []
    moving = 0
    for name, entry in zip(node.input, given, strict=True):
        if isinstance(entry, Constant):
            inputs.append(entry.value)
        else:
            inputs.append(None)
            moving += bool(name)
    if moving != 1:
        raise UnsupportedError("must have one input that is not constant", "constants for its others")
    operator = Operator(context.operators, node, inputs, layout)
    if node.op_type in ("Mul", "Add", "Sub", "Div", "Quant", "IntQuant", "BipolarQuant", "PRelu"):
        for value in inputs:
            if value is not None:
                _check_broadcast(value, layout)
    if isinstance(state, Sums) and state.flat and any(value is not None and _differs(node, value) for value in inputs):
        raise UnsupportedError("must have one constant for all values of several positions that are flattened",
                               "a Flatten behind it")
    return operator


def _layout_of(state: State | None) -> Layout:
    """The axes of a tensor that moves."""
    assert isinstance(state, Pixels | Sums | Codes)
    return Layout(2) if isinstance(state, Codes) and state.flat else state.layout


def _of_positions(state: Codes, operator: Operator) -> bool:
    """Whether constants may differ between positions that were flattened."""
    return state.flat is not None and state.flat[1:] != (1, 1) and any(
        value is not None and value.size > 1 for value in operator.inputs)


def _shifted(context: Context, state: Codes, node: NodeProto, operator: Operator) -> Codes | None:
    """Codes plus a constant that is a multiple of their unit: another offset; None for another function."""
    if node.op_type not in ("Add", "Sub") or (node.op_type == "Sub" and operator.inputs[0] is not None):
        return None
    if _of_positions(state, operator):
        return None
    more = operator.compute(np.zeros((1, len(state.unit)), dtype=np.float32))[0] / state.unit
    whole = round(float(more[0]))
    if np.abs(more - whole).max() > 1e-5 * max(1, abs(whole)):
        return None
    state = context.close(state)
    (source, factor), *others = state.maps
    if others or factor != 1 or source.window != (1, 1):
        return None
    return replace(state, maps=((replace(source, offset=source.offset + whole), 1),))


def _scaled(state: Codes, node: NodeProto, operator: Operator) -> Codes | None:
    """Codes times positive constants, which the next layer absorbs; None for another function."""
    if node.op_type not in ("Mul", "Div") or (node.op_type == "Div" and operator.inputs[0] is not None):
        return None
    if _of_positions(state, operator):
        return None
    factors = operator.compute(np.ones((1, len(state.unit)), dtype=np.float32))[0].astype(np.float64)
    return replace(state, unit=state.unit * factors) if (factors > 0).all() else None


def _differs(node: NodeProto, constant: np.ndarray) -> bool:
    """Whether a constant may differ between channels: thresholds (N, T) have a row for each."""
    return (len(constant) if node.op_type == "MultiThreshold" else constant.size) > 1


def _mapped(state: Codes, operator: Operator) -> Codes | None:
    """Codes of a function that keeps their distances, by other units and another offset; None for another function."""
    if _of_positions(state, operator):
        return None
    if state.open is not None and state.open.source is None:
        sums, levels = state.open.sums, state.open.levels
        numbers = np.arange(levels.count + 1) + levels.least
        unit, shift = _line(numbers, operator, levels.unit)
        if unit is None or round(2 * shift) != 2 * shift:
            return None
        changed = replace(sums, before=list(sums.before), after=list(sums.after), nodes=list(sums.nodes))
        (changed.before if changed.pool is None else changed.after).append(operator)
        found = Levels(unit, levels.least + shift, levels.count, levels.rounding)
        return replace(state, unit=unit / 2, open=Open(changed, found))
    ends = np.zeros(2, dtype=np.int64)
    step = 1
    for source, factor in state.maps:
        low, high = (0, (1 << len(source.names)) - 1) if source.planes else (-source.copies, source.copies)
        taps = source.window[0] * source.window[1]
        ends += np.sort(np.array([low + source.offset, high + source.offset]) * factor * taps)
    (source, factor), *others = state.maps
    alone = not others and factor == 1 and source.window == (1, 1)
    if alone and not source.planes:
        step = 2
    if ends[1] - ends[0] > MOST_CODES:
        return None
    unit, shift = _line(np.arange(ends[0], ends[1] + 1, step).astype(np.float64), operator, state.unit)
    if unit is None or round(shift) != shift or (shift and not alone):
        return None
    maps = ((replace(source, offset=source.offset + round(shift)), factor),) if shift else state.maps
    return replace(state, maps=maps, unit=unit)


def _line(numbers: np.ndarray, operator: Operator, units: np.ndarray) -> tuple[np.ndarray | None, float]:
    """The units and the shift of ``unit * (number + shift)``, a function of the values of numbers in units."""
    found = operator.compute((numbers[:, None] * units).astype(np.float32)).astype(np.float64)
    slope = (found[-1] - found[0]) / (numbers[-1] - numbers[0])
    if not np.isfinite(found).all() or not (slope > 0).all():
        return None, 0.0
    shifts = np.rint(2 * (found[0] / slope - numbers[0])) / 2
    at = np.abs(found).argmax(axis=0)
    if (shifts != shifts[0]).any() or not (numbers[at] + shifts).all():
        return None, 0.0
    unit = found[at, np.arange(len(at))] / (numbers[at] + shifts)       # of the smallest relative error
    if np.abs(found / unit - numbers[:, None] - shifts[0]).max() > ROUNDING:
        return None, 0.0
    return unit, float(shifts[0])


def _check_broadcast(value: np.ndarray, layout: Layout) -> None:
    """Refuse constants that differ between positions."""
    shape = (1,) * (layout.rank - value.ndim) + value.shape
    if len(shape) > layout.rank or any(length != 1 for axis, length in enumerate(shape) if axis != layout.axis):
        raise UnsupportedError(f"must have constants that are alike for all positions, not of the shape {value.shape}",
                               "one constant for each channel")
