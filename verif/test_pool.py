"""Pooling: the OR over the positions of a window, with pauses between any two bits."""

import random

import numpy as np
import pytest

from golden.units import pool
from hdl.pool import Pool

from .trace import AMARANTH, play


def rtl(bits: list[np.ndarray], rng: random.Random, simulator: str = AMARANTH) -> list[list[int]]:
    """The outputs for each window's bits by position, column and row; noise while they do not count."""
    _, cols, rows = bits[0].shape
    pauses = rng.choice([0.0, 0.5])
    steps: list[dict[str, int]] = []
    for window in bits:
        for position, columns in enumerate(window):
            for column in columns:
                while rng.random() < pauses:
                    steps.append({"i": rng.getrandbits(rows), "first": rng.randrange(2),
                                  "rst": rng.randrange(2)})
                steps.append({"enable": 1, "first": int(position == 0),
                              "i": sum(int(bit) << r for r, bit in enumerate(column))})
    trace = play(Pool(rows=rows, cols=cols), steps, simulator)
    found = [outputs["o"] for outputs, step in zip(trace, steps, strict=True) if "enable" in step]
    return [[value >> r & 1 for r in range(rows)] if value is not None else [] for value in found]


def ref(bits: list[np.ndarray]) -> list[list[int]]:
    pooled = [pool(window).astype(int).tolist() for window in bits]
    return [column for window in pooled for position in window for column in position]


def draw_windows(rng: random.Random, rows: int, cols: int, count: int) -> list[np.ndarray]:
    random_bits = np.random.default_rng(rng.getrandbits(32))
    return [random_bits.random((rng.choice([1, 2, 4, 9]), cols, rows)) < 0.25 for _ in range(count)]


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("cols", [1, 2, 3, 8])
def test_sizes(rows: int, cols: int, seed: int) -> None:
    rng = random.Random(f"{seed} {rows} {cols}")
    for _ in range(2):
        windows = draw_windows(rng, rows, cols, 20)
        assert rtl(windows, rng) == ref(windows)


def test_simulators(simulator: str, seed: int) -> None:
    rng = random.Random(seed)
    windows = draw_windows(rng, 3, 5, 30)
    assert rtl(windows, rng, simulator) == ref(windows)
