"""What is fuzzed, and the rule for every input: accepted, or refused by one line, in bounded time and memory."""

import itertools
import os
import random
import resource
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = [
    "ACCEPTED",
    "LONGEST",
    "REFUSED",
    "SECONDS",
    "BrokenError",
    "Feed",
    "HangError",
    "Tally",
    "Target",
    "bounded_memory",
    "refused_by",
    "run_inputs",
]

SECONDS = 10.0
"""Of an input; the slowest valid ones take a twentieth."""

MEMORY = 1 << 30
"""Bytes that a process may take besides what it had before its first input."""

LONGEST = 4000
"""Characters of a refusal."""

KEPT = 20
"""Failures that are told of a target."""

FULL = "Unable to allocate", "bad_alloc", "MemoryError"
"""Words of a memory error in the text of another one."""

ACCEPTED, REFUSED = "accepted", "refused"

Feed = Callable[[random.Random], str]
"""Makes an input and feeds it; returns `ACCEPTED` or `REFUSED`."""


class BrokenError(AssertionError):
    """An input that broke the rule without a traceback: half a file, several lines, memory, another result."""


class HangError(BaseException):
    """An input that took longer than `SECONDS`; no handler of the code under test catches it."""


@dataclass(frozen=True)
class Target:
    """A reader of Signum.

    Parameters
    ----------
    name : str
    prepare : callable
        Makes the valid inputs to start from, in a folder; returns the `Feed`.
    inputs : int
        In a run of 100,000 inputs of the cheap ones.
    reason : str
        Why these are fewer.
    """

    name: str
    prepare: Callable[[Path], Feed]
    inputs: int = 100_000
    reason: str = ""


@dataclass
class Tally:
    """The outcomes of a target.

    Members
    -------
    counts : Counter of str
        ``accepted``, ``refused``, ``tracebacks``, ``hangs``, ``broken``.
    failures : list of (int, str)
        Numbers of inputs, and what happened in one line each.
    seconds : float
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0

    def failed(self, kind: str, number: int, text: str) -> None:
        """Count a failure."""
        self.counts[kind] += 1
        if len(self.failures) < KEPT:
            self.failures.append((number, " ".join(text.split())[:1000]))

    def add(self, other: "Tally") -> None:
        """Add the outcomes of further inputs."""
        self.counts += other.counts
        self.failures = (self.failures + other.failures)[:KEPT]
        self.seconds += other.seconds


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def refused_by(error: BaseException, text: str | None = None) -> str:
    """`REFUSED`, if an error of Signum is one line of bounded length, and not the end of the memory."""
    text = str(error) if text is None else text
    if not text.strip() or "\n" in text or "\r" in text:
        raise BrokenError(f"a refusal must be one line, not {text!r}")
    if len(text) > LONGEST:
        raise BrokenError(f"a refusal must have at most {LONGEST} characters, not {len(text)}: {text[:200]}")
    if any(isinstance(each, MemoryError) for each in _chain(error)) or any(words in text for words in FULL):
        raise BrokenError(f"an input must not fill the memory: {text}")
    return REFUSED


@contextmanager
def bounded_memory() -> Iterator[None]:
    """A limit of `MEMORY` above what the process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    before = resource.getrlimit(resource.RLIMIT_AS)
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _told(error: BaseException) -> str:
    """An error with the last places in Signum that it went through."""
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__}: {str(error)[:400]} (at {' '.join(places[-4:])})"


def run_inputs(target: Target, seed: int, first: int, count: int, *, seconds: float = SECONDS,
               progress: Callable[[int], None] = lambda number: None) -> Tally:
    """Feed inputs ``first`` to ``first + count`` of a seed, in this process.

    Each input follows from the seed, the target and its number alone.
    """
    def late(signum: int, frame: FrameType | None) -> None:
        raise HangError

    tally = Tally()
    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, late)
    place = os.getcwd()
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            feed = target.prepare(Path(folder))
            with bounded_memory():
                for number in itertools.islice(itertools.count(first), count):
                    progress(number)
                    signal.setitimer(signal.ITIMER_REAL, seconds)
                    try:
                        tally.counts[feed(random.Random(f"{seed} {target.name} {number}"))] += 1
                    except HangError:
                        tally.failed("hangs", number, f"took more than {seconds:g} s")
                    except BrokenError as error:
                        tally.failed("broken", number, str(error))
                    except (Exception, SystemExit, KeyboardInterrupt) as error:
                        tally.failed("tracebacks", number, _told(error))
                    finally:
                        signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        os.chdir(place)
        signal.signal(signal.SIGALRM, before)
    tally.seconds = time.monotonic() - began
    return tally


def row(target: Target, seed: int, tally: Tally) -> dict[str, Any]:
    """The row of a report."""
    counts = tally.counts
    return {"target": target.name, "inputs": counts.total(), "tracebacks": counts["tracebacks"],
            "hangs": counts["hangs"], "broken": counts["broken"], "accepted": counts[ACCEPTED],
            "refused": counts[REFUSED], "seconds": round(tally.seconds, 1), "seed": seed}
