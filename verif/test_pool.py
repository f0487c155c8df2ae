"""Pooling: the largest element, of bits the OR, over the positions of a window, with pauses between any two."""

import random
from typing import Any

import numpy as np
import pytest

from golden.units import pool
from hdl.pool import Pool

from .trace import AMARANTH, play


def rtl(windows: list[np.ndarray], bits: int, rng: random.Random, simulator: str = AMARANTH) -> list[list[int]]:
    """The outputs for each window's elements by position, column and row; noise while they do not count."""
    _, cols, rows = windows[0].shape
    pauses = rng.choice([0.0, 0.5])
    steps: list[dict[str, Any]] = []
    for window in windows:
        for position, columns in enumerate(window.tolist()):
            for column in columns:
                while rng.random() < pauses:
                    steps.append({"i": [rng.getrandbits(bits) for _ in range(rows)], "first": rng.randrange(2),
                                  "rst": rng.randrange(2)})
                steps.append({"enable": 1, "first": int(position == 0), "i": column})
    trace = play(Pool(rows=rows, cols=cols, bits=bits), steps, simulator)
    return [outputs["o"] for outputs, step in zip(trace, steps, strict=True) if "enable" in step]


def ref(windows: list[np.ndarray]) -> list[list[int]]:
    pooled = [pool(window).tolist() for window in windows]
    return [column for window in pooled for position in window for column in position]


def draw_windows(rng: random.Random, rows: int, cols: int, bits: int, count: int) -> list[np.ndarray]:
    """A quarter of the bits are set; large numbers are as rare."""
    draw = np.random.default_rng(rng.getrandbits(32))
    sizes = [(rng.choice([1, 2, 4, 9]), cols, rows) for _ in range(count)]
    return [draw.integers(0, 1 << bits, size) * (draw.random(size) < 0.5) for size in sizes]


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("cols", [1, 2, 3, 8])
@pytest.mark.parametrize("bits", [1, 8])
def test_sizes(rows: int, cols: int, bits: int, seed: int) -> None:
    rng = random.Random(f"{seed} {rows} {cols} {bits}")
    for _ in range(2):
        windows = draw_windows(rng, rows, cols, bits, 20)
        assert rtl(windows, bits, rng) == ref(windows)


@pytest.mark.parametrize("bits", [1, 8])
def test_simulators(simulator: str, bits: int, seed: int) -> None:
    rng = random.Random(seed)
    windows = draw_windows(rng, 3, 5, bits, 30)
    assert rtl(windows, bits, rng, simulator) == ref(windows)
