"""Pooling: the largest element, of bits the OR, over the positions of a window, with pauses."""

import random
from typing import Any

import numpy as np
import pytest

from signum.golden.reference.units import pool
from signum.hdl.output.pool import Pool
from signum.verif.bench.trace import AMARANTH, play


def rtl(windows: list[np.ndarray], bits: int, rng: random.Random, simulator: str = AMARANTH, width: int = 1,
        levels: tuple[int, int] | None = None) -> list[list[int]]:
    """The outputs for each window's elements by position, column and row; noise without ``enable``.

    ``levels`` has the levels in the columns of a window, and the most levels of the unit.
    """
    _, cols, rows = windows[0].shape
    used, most = levels or (1, 1)
    cols //= used
    constant = {"level": used - 1} if most > 1 else {}
    beats = rows * width
    pauses = rng.choice([0.0, 0.5])
    steps: list[dict[str, Any]] = []
    for window in windows:
        for position, columns in enumerate(window):
            for column in in_beats(columns, width):
                while rng.random() < pauses:
                    steps.append({"i": [rng.getrandbits(bits) for _ in range(beats)], "first": rng.randrange(2),
                                  "rst": rng.randrange(2)})
                steps.append({"enable": 1, "first": int(position == 0), "i": column})
    steps = [{**step, **constant} for step in steps]
    trace = play(Pool(rows=rows, cols=cols, bits=bits, width=width, levels=most), steps, simulator)
    return [outputs["o"] for outputs, step in zip(trace, steps, strict=True) if "enable" in step]


def in_beats(columns: np.ndarray, width: int) -> list[list[int]]:
    """Elements (columns, rows) by cycle, row by row."""
    return columns.reshape(len(columns) // width, width, -1).swapaxes(1, 2).reshape(len(columns) // width, -1).tolist()


def ref(windows: list[np.ndarray], width: int = 1) -> list[list[int]]:
    return [beat for window in windows for position in pool(window) for beat in in_beats(position, width)]


def draw_windows(rng: random.Random, rows: int, cols: int, bits: int, count: int) -> list[np.ndarray]:
    """A quarter of the bits are set; large numbers are equally rare."""
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


@pytest.mark.parametrize(("cols", "width"), [(2, 2), (6, 2), (8, 4), (9, 3)])
@pytest.mark.parametrize("bits", [1, 8])
def test_several_columns_at_once(cols: int, width: int, bits: int, seed: int) -> None:
    rng = random.Random(f"{seed} {cols} {width} {bits}")
    windows = draw_windows(rng, 3, cols, bits, 20)
    assert rtl(windows, bits, rng, width=width) == ref(windows, width)


@pytest.mark.parametrize(("rows", "cols", "width"), [(1, 1, 1), (5, 8, 1), (3, 2, 2), (3, 6, 2)])
def test_numbers_that_differ_in_few_bits(rows: int, cols: int, width: int, seed: int) -> None:
    """The elements of a window are one number, some with another bit: every bit decides comparisons."""
    rng = random.Random(f"{seed} {rows} {cols} {width}")
    draw = np.random.default_rng(rng.getrandbits(32))
    size = 4, cols, rows
    windows = [draw.integers(0, 256, (1, cols, rows)) ^ (1 << draw.integers(0, 8, size)) * (draw.random(size) < 0.6)
               for _ in range(80)]
    assert rtl(windows, 8, rng, width=width) == ref(windows, width)


@pytest.mark.parametrize("levels", [(1, 3), (2, 3), (3, 3), (2, 2)])
def test_levels(levels: tuple[int, int], seed: int) -> None:
    """The levels of a position follow each other; each has its own largest element."""
    rng = random.Random(f"{seed} {levels}")
    windows = draw_windows(rng, 2, 6 * levels[0], 1, 20)
    assert rtl(windows, 1, rng, width=2, levels=levels) == ref(windows, 2)


@pytest.mark.parametrize("bits", [1, 8])
def test_simulators(simulator: str, bits: int, seed: int) -> None:
    rng = random.Random(seed)
    windows = draw_windows(rng, 3, 5, bits, 30)
    assert rtl(windows, bits, rng, simulator) == ref(windows)
