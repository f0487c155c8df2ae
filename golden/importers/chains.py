"""Chains of element-wise operators of torch, as functions of one tensor in torch's own arithmetic.

A node of the domain `CHAINS` stands for all operators between a tensor and a reader of their result. Its first input is
the tensor, the others are constants; ``kind`` tells whether the result is that of a quantizer: ``levels``,
``function``, or ``either``, where only the values tell, as of ``sign(x) - x + x``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from onnx import NodeProto
from torch import Tensor, fx

from .context import Context
from .functions import function
from .operators import CHAINS, Operators, attributes
from .quantizers import quantize
from .refusal import UnsupportedError
from .states import State

__all__ = ["Chain", "ChainOperators", "chain"]


@dataclass(frozen=True, eq=False)
class Chain:
    """Element-wise operators from one tensor to another.

    Members
    -------
    root : fx.Node
        The tensor that they read.
    members : tuple of fx.Node
        The operators, in order; the last one gives the result.
    constants : tuple of fx.Node
        What else they read.
    same : mapping of fx.Node to fx.Node
        Nodes that only pass a tensor, and the node whose tensor it is.
    """

    root: fx.Node
    members: tuple[fx.Node, ...]
    constants: tuple[fx.Node, ...]
    same: Mapping[fx.Node, fx.Node]

    def compute(self, x: Tensor, constants: Sequence[Tensor]) -> Tensor:
        """The result for a tensor in place of the root, of any length of the axes along which constants are alike."""
        found: dict[fx.Node, Any] = {self.root: x.to(self.root.meta["val"].dtype)}
        found.update(zip(self.constants, constants, strict=True))

        def value(node: fx.Node) -> Any:
            return found[self.same.get(node, node)]

        for node in self.members:
            assert callable(node.target)
            found[node] = node.target(*fx.map_arg(node.args, value), **fx.map_arg(node.kwargs, value))
        result = found[self.members[-1]]
        assert isinstance(result, Tensor)
        return result.to(torch.float32)


class ChainOperators(Operators):
    """Runs chains, and the nodes of ONNX.

    Parameters
    ----------
    opsets : mapping of str to int
        Version of the operators of each domain.
    chains : mapping of str to Chain
        By the name of their result.
    """

    def __init__(self, opsets: Mapping[str, int], chains: Mapping[str, Chain]) -> None:
        super().__init__(opsets)
        self.chains = dict(chains)

    def run(self, node: NodeProto, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        if node.domain != CHAINS:
            return super().run(node, inputs)
        values, *constants = (torch.from_numpy(np.array(value)) for value in inputs)
        maps = values.ndim == 4 and values.shape[2:] == (1, 1)
        if maps:        # as the positions of one image, whose channels torch computes one after the other
            values = values.permute(2, 1, 0, 3).contiguous()
        with torch.no_grad():
            found = self.chains[node.output[0]].compute(values, constants).expand(values.shape)
        return [(found.permute(2, 1, 0, 3) if maps else found).contiguous().numpy()]


def chain(context: Context, name: str, node: NodeProto, given: Sequence[State | None]) -> State:
    """A quantizer, or a function of single values."""
    kind = attributes(node)["kind"]
    if kind == "either":
        try:
            return quantize(context, name, node, given)
        except UnsupportedError:
            return function(context, name, node, given)
    return (quantize if kind == "levels" else function)(context, name, node, given)
