"""The encoding: packing of lanes, border classes, popcounts and dot products agree with plain loops."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signum.golden.reference import encoding

BITS = st.lists(st.booleans(), min_size=1, max_size=70)


def test_zero_has_sign_plus_one() -> None:
    values = np.array([-2.5, -0.0, 0.0, 1e-30, 3.0])
    np.testing.assert_array_equal(encoding.sign_bit(values), [False, True, True, True, True])


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=99))
def test_dot_product_of_signs(pairs: list[tuple[bool, bool]]) -> None:
    popcount = sum(a == w for a, w in pairs)
    dot = sum((1 if a else -1) * (1 if w else -1) for a, w in pairs)
    assert encoding.dot_from_popcount(np.array(popcount), len(pairs)) == dot


def test_thresholds_from_always_to_never() -> None:
    clamped = encoding.clamp_threshold(np.array([-5, 0, 3, 9, 10, 99]), 9)
    np.testing.assert_array_equal(clamped, [0, 0, 3, 9, 10, 10])


@given(bits=BITS, lanes=st.integers(1, 40), tail=st.integers(0, 1))
def test_channel_c_is_lane_c_modulo_l_of_word_c_over_l(bits: list[bool], lanes: int, tail: int) -> None:
    words = encoding.pack_lanes(np.array(bits), lanes, tail)
    assert words.shape == (encoding.words_per(len(bits), lanes), lanes)
    numbers = encoding.words_to_ints(words)
    for channel in range(words.size):
        expected = bits[channel] if channel < len(bits) else bool(tail)
        assert numbers[channel // lanes] >> channel % lanes & 1 == expected


def test_tails_add_nothing() -> None:
    activations = encoding.pack_lanes(np.ones((2, 5), bool), 4, encoding.ACTIVATION_TAIL)
    weights = encoding.pack_lanes(np.ones((2, 5), bool), 4, encoding.WEIGHT_TAIL)
    np.testing.assert_array_equal((activations == weights).sum(axis=(1, 2)), [5, 5])


@given(values=st.lists(st.integers(0, 2**33 - 1), min_size=1, max_size=9))
def test_numbers_to_words_and_back(values: list[int]) -> None:
    assert encoding.words_to_ints(encoding.ints_to_words(values, 33)) == values


def seen(position: int, size: int, kernel: int, stride: int, low: int, dilation: int) -> tuple[bool, ...]:
    """Whether each tap of an output position is padded, by definition."""
    return tuple(not 0 <= position * stride - low + k * dilation < size for k in range(kernel))


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_positions_of_one_border_class_see_the_same_padding(kernel: int, stride: int, dilation: int) -> None:
    checked = 0
    for size in range(1, 12):
        for low in range(4):
            for high in range(4):
                out = (size + low + high - (kernel - 1) * dilation - 1) // stride + 1
                if out < 1:
                    continue
                counts = encoding.border_counts(size, kernel, stride, low, out, dilation)
                classes = [int(encoding.border_class(u, out, *counts)) for u in range(out)]
                assert classes[0] == 0
                assert all(after - before in (0, 1) for before, after in pairwise(classes))
                views: dict[int, set[tuple[bool, ...]]] = {}
                for position, kind in enumerate(classes):
                    views.setdefault(kind, set()).add(seen(position, size, kernel, stride, low, dilation))
                assert all(len(view) == 1 for view in views.values())
                checked += 1
    assert checked > 50


def test_elements_of_8_bits() -> None:
    """By hand: three numbers in words of two lanes, the second word filled up."""
    words = encoding.pack_lanes(np.array([1, 130, -1]), 2, 1, element_bits=8)
    assert words.shape == (2, 16)
    assert encoding.words_to_ints(words) == [0x8201, 0xffff]
    elements = encoding.unpack_lanes(words, 3, 8)
    assert elements.dtype == np.uint8
    assert elements.tolist() == [1, 130, 255]


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20), st.integers(1, 9), st.sampled_from([1, 8]))
def test_packed_lanes_come_back(values: list[int], lanes: int, bits: int) -> None:
    elements = np.array(values).astype(encoding.ELEMENT_TYPES[bits])
    words = encoding.pack_lanes(elements, lanes, 1, bits)
    assert encoding.unpack_lanes(words, len(values), bits).tolist() == elements.tolist()
