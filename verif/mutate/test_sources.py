"""Mutants of one source: its tests kill them, and what was judged is not judged again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import sources
from .outcome import Outcome
from .sources import WALL, Group, forked, judge_sources

GROUP = Group("packing", ("golden/compiler/packing.py",), ("verif/golden/compiler/test_packing.py",), 6)


def judged(folder: Path) -> tuple[dict[str, Any], int]:
    """In a process of its own: the state, and how many processes were started for it."""
    def judge() -> tuple[dict[str, Any], int]:
        count, fork = 0, sources.forked

        def counted(function: Callable[[], Any], seconds: float = WALL) -> Any:
            nonlocal count
            count += 1
            return fork(function, seconds)

        sources.forked = counted
        return judge_sources(GROUP, 6, 1, folder), count

    return forked(judge)


def test_mutants_are_killed_once(tmp_path: Path) -> None:
    state, started = judged(tmp_path)
    assert [mutant["outcome"] for mutant in state["mutants"]].count(Outcome.KILLED) >= 4
    assert len({mutant["change"] for mutant in state["mutants"]}) == 6
    assert all(mutant["test"].startswith("verif/golden/compiler/test_packing.py::")
               for mutant in state["mutants"] if mutant["outcome"] == Outcome.KILLED)
    assert started >= 6
    assert judged(tmp_path) == (state, 0)


def test_a_process_that_dies_or_hangs() -> None:
    def dies() -> None:
        raise SystemExit

    assert forked(dies) is None
    assert forked(lambda: __import__("time").sleep(100), 0.2) is None
    assert forked(lambda: list(range(100_000))) == list(range(100_000))
