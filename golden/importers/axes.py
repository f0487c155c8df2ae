"""Orders of axes: flattening, and channels last; no layer computes them."""

from dataclasses import replace

import numpy as np
from onnx import NodeProto

from signum.golden.compiler.graph import MapShape

from .context import Context
from .operators import attributes
from .refusal import UnsupportedError
from .states import Codes, Constant, Layout, Pixels, State, Sums

__all__ = ["flatten", "flattened", "pad", "reshape", "squeeze", "transpose"]


def flatten(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    state = given[0]
    assert state is not None
    if attributes(node).get("axis", 1) not in (1, 1 - len(context.shape_of(state))):
        raise UnsupportedError("must flatten all axes but the first", "an axis of 1")
    flat = flattened(context, state)
    context.passes(name, flat)
    return flat


def reshape(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    state, shape = given[0], given[1]
    assert state is not None
    if not isinstance(shape, Constant):
        raise UnsupportedError("must have a constant shape", "a shape in the file")
    before = context.shape_of(state)
    wanted = [int(value) for value in shape.value.reshape(-1)]
    total = int(np.prod(before))
    wanted = [before[i] if value == 0 and i < len(before) else value for i, value in enumerate(wanted)]
    if wanted.count(-1) == 1:
        rest = int(np.prod([value for value in wanted if value != -1]))
        wanted[wanted.index(-1)] = total // rest if rest else 0
    if tuple(wanted) == before:
        context.passes(name, state)
        return state
    if wanted == [1, total]:
        flat = flattened(context, state)
        context.passes(name, flat)
        return flat
    if isinstance(state, Pixels) and len(before) == 2 and len(wanted) == 4 and not state.functions:
        context.shape = MapShape(wanted[2], wanted[3], wanted[1])
        context.pixels = np.repeat(context.pixels[:, :1], wanted[1], axis=1)
        context.absorbed[name] = "input"
        return replace(state, layout=Layout())
    raise UnsupportedError(f"must flatten all axes but the first, not give the shape {tuple(wanted)}",
                           "a flattening of the whole tensor")


def squeeze(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    state = given[0]
    assert state is not None
    if context.shape_of(state)[2:] != (1, 1):
        raise UnsupportedError("must remove height and width of one position", "a Flatten")
    flat = flattened(context, state)
    context.passes(name, flat)
    return flat


def transpose(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    state = given[0]
    order = tuple(attributes(node).get("perm", ()))
    if isinstance(state, Pixels | Sums | Codes) and not (isinstance(state, Sums | Codes) and state.flat):
        turned = {(0, 2, 3, 1): (False, True), (0, 3, 1, 2): (True, False)}.get(order)
        if order == tuple(range(state.layout.rank)):
            context.passes(name, state)
            return state
        if turned and state.layout == Layout(4, turned[0]):
            context.passes(name, state)
            return replace(state, layout=Layout(4, turned[1]))
    raise UnsupportedError(f"must turn (1, C, H, W) into (1, H, W, C) or back, not the axes {order}",
                           "a perm of 0, 2, 3, 1 or of 0, 3, 1, 2")


def pad(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    raise UnsupportedError("must be the padding of a convolution itself", "pads of the Conv behind it")


def flattened(context: Context, state: State) -> State:
    if isinstance(state, Pixels):
        return replace(state, layout=Layout(2))
    if isinstance(state, Codes):
        state = context.close(state)
        channels, height, width = state.shape
        last = state.layout.last
        return replace(state, flat=(channels, height, width), layout=Layout(2), flat_last=last)
    if isinstance(state, Sums):
        several = int(np.prod(context.shape_of(state))) != state.channels
        return replace(state, layout=state.layout if several else Layout(2), flat=several, before=list(state.before),
                       after=list(state.after), nodes=list(state.nodes))
    raise UnsupportedError("must flatten a tensor of the network", "such a tensor")
