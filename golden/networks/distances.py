"""Hamming distances of two sets of binary descriptors on the array: one set is the weights, the other one the map."""

import numpy as np

from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment

__all__ = ["SOURCE", "distance_graph"]

SOURCE = "descriptors"
"""The input map."""


def distance_graph(candidates: np.ndarray, points: int) -> Graph:
    """A layer whose raw sums are the distances of ``points`` descriptors to all candidates.

    A candidate is the weights of a channel, inverted: the popcount of their XNOR with a descriptor is the number of
    bits in which the two differ.

    Parameters
    ----------
    candidates : bool (M, D)
    points : int
        Descriptors in an image of the map ``"descriptors"``, bool (B, 1, points, D).

    Returns
    -------
    Graph
        Its values, and sums, are the distances, int64 (B, 1, points, M).

    Raises
    ------
    ValueError
        If there is no candidate or no point.
    """
    if candidates.ndim != 2 or not candidates.size or points < 1:
        raise ValueError("candidates must be (M, D), and points, M and D positive, not "
                         f"{candidates.shape} and {points} points")
    number, bits = candidates.shape
    segment = Segment(source=SOURCE, weights=~candidates[:, :, None, None], pad=np.zeros(bits, dtype=bool))
    layer = Layer(name="distances", segments=(segment,), offset=np.zeros(number, dtype=np.int64), step=1)
    return Graph(inputs={SOURCE: MapShape(1, points, bits)}, layers=(layer,))
