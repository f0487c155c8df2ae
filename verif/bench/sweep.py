"""The cases of a parametrized test that `make test` runs; `make test-all` runs the rest, too.

`@pytest.mark.sweep(n)` keeps n cases, and marks the others `long`.
"""

from collections.abc import Collection, Sequence

import pytest

__all__ = ["REGRESSION", "evenly", "thin"]

REGRESSION = "not long"
"""The marks of the tests that `make test` runs: each planned test, of some with fewer cases."""


def evenly(count: int, among: int) -> list[int]:
    """``count`` places among 0..``among`` - 1 at equal distances, with both ends; all of them if there are no more."""
    if count >= among:
        return list(range(among))
    return [i * (among - 1) // max(1, count - 1) for i in range(count)]


def thin(items: Sequence[pytest.Item], planned: Collection[str] = ()) -> None:
    """Mark `long` the cases of each `sweep` beyond its number, and `slow` each case that is `long`.

    Quick cases are kept before slow ones; among equals the choice is even over the order of the parameters. ``planned``
    are node ids that are kept besides.
    """
    sweeps: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sweep"):
            sweeps.setdefault(item.nodeid.split("[")[0], []).append(item)
    for cases in sweeps.values():
        marker = cases[0].get_closest_marker("sweep")
        assert marker
        left, = marker.args
        for slow in (False, True):
            group = [case for case in cases if bool(case.get_closest_marker("slow")) is slow]
            chosen = evenly(left, len(group))
            left -= len(chosen)
            for place, case in enumerate(group):
                if place not in chosen and case.nodeid not in planned:
                    case.add_marker("long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker("slow")
