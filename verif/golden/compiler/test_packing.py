"""The packing of inputs: the fewest steps that fit, and the same sums as unpacked."""

import numpy as np
import pytest

from signum.golden.compiler.graph import MapShape, Segment
from signum.golden.compiler.packing import pack_segment, packings


def draw(rng: np.random.Generator) -> tuple[Segment, MapShape]:
    channels, kernel = int(rng.integers(1, 6)), rng.integers(1, 4, 2)
    shape = MapShape(int(rng.integers(6, 9)), int(rng.integers(6, 9)), channels)
    return Segment(source="input", weights=rng.random((4, channels, *kernel)) < 0.5,
                   stride=tuple(rng.integers(1, 3, 2).tolist()), dilation=tuple(rng.integers(1, 3, 2).tolist()),
                   padding=tuple(rng.integers(0, 3, 4).tolist()), pad=rng.random(channels) < 0.5,
                   double=bool(rng.integers(2)), gated=bool(rng.integers(2))), shape


@pytest.mark.parametrize("both", [False, True])
def test_packed_segment_gives_the_same_popcounts(both, seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        segment, shape = draw(rng)
        bits = rng.random((2, shape.height, shape.width, shape.channels)) < 0.5
        packing, packed = pack_segment(segment, both)
        assert packed.taps == segment.taps
        assert (packed.double, packed.gated) == (segment.double, segment.gated)
        assert np.array_equal(packed.popcounts(packing.apply(bits)), segment.popcounts(bits))


@pytest.mark.parametrize(("channels", "lanes", "ways"), [
    (16, 32, [(5, 320, True), (6, 160, False), (9, 100, None)]),
    (3, 64, [(1, 64, True), (3, 80, False), (9, 100, None)]),
    (32, 32, [(9, 100, None), (9, 240, False), (9, 576, True)]),
])
def test_shortest_dot_product_first_then_the_smallest_map(channels, lanes, ways):
    segment = Segment(source="input", weights=np.zeros((1, channels, 3, 3), dtype=bool), padding=(1, 1, 1, 1),
                      pad=np.zeros(channels, dtype=bool))
    assert packings(segment, MapShape(8, 8, channels), lanes) == ways
