"""The largest values at the end of a network."""

from onnx import NodeProto

from .context import Context
from .operators import attributes
from .refusal import UnsupportedError
from .states import Constant, Ranking, State, Sums

__all__ = ["arg_max", "top_k"]


def top_k(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    count, options = given[1], attributes(node)
    if not isinstance(count, Constant) or options.get("largest", 1) != 1:
        raise UnsupportedError("must rank the largest values, a constant number of them", "largest of 1")
    return _ranked(context, name, given[0], int(count.value.reshape(-1)[0]), options.get("axis", -1))


def arg_max(context: Context, name: str, node: NodeProto, given: list[State | None]) -> State:
    options = attributes(node)
    if options.get("select_last_index", 0):
        raise UnsupportedError("must give the first of equal values", "select_last_index of 0")
    return _ranked(context, name, given[0], 1, options.get("axis", 0))


def _ranked(context: Context, name: str, state: State | None, count: int, axis: int) -> State:
    if not isinstance(state, Sums) or state.flat or axis % len(context.shape_of(state)) != 1:
        raise UnsupportedError("must rank the channels of the last layer", "an axis of 1")
    if not 1 <= count <= state.channels:
        raise UnsupportedError(f"must rank 1 to {state.channels} channels, not {count}", "fewer ranks")
    state.nodes.append(name)
    return Ranking(state, count)
