"""The tests of some files in one process, each run as often as asked for."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from signum.hdl.lib.folders import REPOSITORY

__all__ = ["Verdict", "collect", "run"]

PROFILE = "mutation"
ARGUMENTS = ("-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", "--assert=plain",
             "--tb=line")


class LateError(BaseException):
    """A test that took longer than it may; no handler of the code under test catches it."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a test.

    Members
    -------
    passed : bool
    late : bool
        It failed since it took longer than it may.
    seconds : float
        Of the processor.
    """

    passed: bool
    late: bool
    seconds: float


def collect(paths: Sequence[str], body: Callable[[list[pytest.Item]], None], log: Path) -> None:
    """Collect the quick tests of files, and call ``body`` with them; what the tests write goes to a log.

    Hypothesis draws the same examples each time, and shrinks no failure.

    Raises
    ------
    RuntimeError
        If the files cannot be collected.
    """
    settings.register_profile(PROFILE, database=None, derandomize=True, phases=(Phase.explicit, Phase.generate),
                              deadline=None)
    settings.load_profile(PROFILE)
    raised: list[Exception] = []

    class Plugin:
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            if session.testsfailed:
                return True
            try:
                body(session.items)
            except Exception as error:
                raised.append(error)
            return True

    log.parent.mkdir(parents=True, exist_ok=True)
    before = os.getcwd()
    with open(log, "w") as out, contextlib.redirect_stdout(out):
        try:
            status = pytest.main([*ARGUMENTS, "--rootdir", str(REPOSITORY),
                                  *(str(REPOSITORY / path) for path in paths)], plugins=[Plugin()])
        finally:
            os.chdir(before)
    if raised:
        raise raised[0]
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"the tests must be collected, not end with {status!r}: {' '.join(paths)} (see {log})")


def run(item: pytest.Item, seconds: float) -> Verdict:
    """Run a test again; it fails if it takes more than so many seconds of the processor."""
    late: list[bool] = []

    def ended(signum: int, frame: FrameType | None) -> None:
        late.append(True)
        raise LateError

    before = signal.signal(signal.SIGPROF, ended)
    began = time.process_time()
    if hasattr(item, "_initrequest"):
        item._initrequest()
    signal.setitimer(signal.ITIMER_PROF, seconds, 1)
    try:
        reports = runtestprotocol(item, log=False, nextitem=None)
    except LateError:
        reports = []
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    passed = not late and not any(report.failed for report in reports)
    return Verdict(passed, bool(late), time.process_time() - began)
