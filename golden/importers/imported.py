"""A network of others on the array: its integer graph, and its own numbers of the array's integers."""

from dataclasses import dataclass

import numpy as np

from signum.golden.compiler.graph import Graph
from signum.golden.layers.encoder import Encoder

from .states import Function, Layout, computed

__all__ = ["Imported"]


@dataclass(frozen=True, eq=False)
class Imported:
    """A network of others as integers.

    Members
    -------
    name : str
    graph : Graph
        Its layers on the array.
    encoder : Encoder
        Of pixels 0..255 as the maps of the graph.
    input_shape : (C, H, W)
    absorbed : dict of str to (str, str)
        For each node its operator, and the layer (or ``input``, ``weights``, ``result``) that has absorbed it.
    ranks : int
        Places of a final TopK or ArgMax; 0 for none.
    functions : tuple of Function
        From the integers of the last layer to the network's outputs.
    near : dict of str to int
        See `golden.importers.context.Context`: where all numbers are 0, every bit of the network is that of its own
        float32 arithmetic.
    bits : dict of str to int
        Bits of a channel of each map.
    exact : bool
        The outputs are, too; otherwise they differ by the rounding of the network's last sums.
    layout : Layout
        The axes of the outputs.
    flat : bool
        The positions of the outputs are flattened, in the order of ``layout``.
    """

    name: str
    graph: Graph
    encoder: Encoder
    input_shape: tuple[int, int, int]
    absorbed: dict[str, tuple[str, str]]
    ranks: int
    functions: tuple[Function, ...]
    near: dict[str, int]
    exact: bool
    bits: dict[str, int]
    layout: Layout
    flat: bool

    def outputs(self, results: np.ndarray) -> np.ndarray:
        """The network's outputs of the integers of its last layer, in its own float32 arithmetic.

        Parameters
        ----------
        results : int64 or bool (B, H, W, N)
            Values of a raw layer (`golden.compiler.graph.Layer.values`), or its bits as the network has them.

        Returns
        -------
        float32 (B, N, H, W), or (B, H, W, N) where the network has the channels last, or flattened (B, F, 1, 1); int64
        (B, ranks) of a network that ends with TopK or ArgMax
        """
        batch, height, width, channels = results.shape
        values = results.reshape(-1, channels)
        if values.dtype == bool:
            values = np.where(values, 1, -1).reshape(len(values), -1, self.bits[self.graph.layers[-1].name]).sum(axis=2)
        found = computed(self.functions, values.astype(np.float32))
        if self.ranks:
            return np.argsort(-found, axis=1, kind="stable")[:, :self.ranks].reshape(batch, -1)
        found = found.reshape(batch, height, width, -1)
        if not self.layout.last:
            found = found.transpose(0, 3, 1, 2)
        return found.reshape(batch, -1, 1, 1) if self.flat else found

    @property
    def ordered(self) -> bool:
        """Whether the order of the integers of the last layer is that of the network's outputs, ties included."""
        layer = self.graph.layers[-1]
        if not layer.raw or layer.offset is None:
            return False
        ends = layer.values(np.array([[layer.bottom] * layer.channels, [layer.top] * layer.channels]))
        z = np.arange(ends.min(), ends.max() + 1, layer.step)
        values = computed(self.functions, np.broadcast_to(z[:, None], (len(z), layer.channels)).astype(np.float32))
        return bool((values[1:] > values[:-1]).all() and (values == values[:, :1]).all())

    def run(self, images: np.ndarray) -> np.ndarray:
        """`outputs` of images, integers (B, C, H, W) of 0..255, by the integer graph."""
        layer = self.graph.layers[-1]
        found = self.graph.run(self.encoder.bits(images))[layer.name]
        if layer.raw:
            found = layer.values(found)
        elif layer.inverted is not None:
            found = found ^ layer.inverted
        return self.outputs(found)
