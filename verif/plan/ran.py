"""What a run of pytest ran: the outcome of each test, in build/tests, for the test plan."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from signum.hdl.lib.emit import write_whole
from signum.verif.bench.sweep import REGRESSION

__all__ = ["FAILED", "FOLDER", "PART", "PASSED", "SKIPPED", "WHOLE", "RanError", "Recorder", "Run", "is_whole",
           "load_run"]

FOLDER = Path("build/tests")
WHOLE, PART = "report.json", "part.json"
"""Files of the last run of everything and of the last other one. A part never changes the report of a whole run."""

PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"
RANKS = (PASSED, SKIPPED, FAILED)

LEAVE_OUT = ("keyword", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "maxfail")
"""Options of pytest with which tests may be left out."""


class RanError(ValueError):
    """A report of a run that cannot be read; in one line."""


@dataclass
class Run:
    """The tests that ran.

    Parameters
    ----------
    outcomes : mapping
        Passed, skipped or failed, by node id.
    reasons : mapping
        Why a test was skipped, by node id.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, node: str, outcome: str, reason: str = "") -> None:
        """Add the outcome of setup, call or teardown: the worst of them counts."""
        before = self.outcomes.get(node, PASSED)
        self.outcomes[node] = max(before, outcome, key=RANKS.index)
        if reason:
            self.reasons[node] = reason

    def content(self, whole: bool) -> dict[str, Any]:
        """The report, the same for the same outcomes in any order."""
        return {"whole": whole, "tests": dict(sorted(self.outcomes.items())),
                "skipped": {node: reason for node, reason in sorted(self.reasons.items())
                            if self.outcomes[node] == SKIPPED}}


def is_whole(config: pytest.Config, environment: Mapping[str, str]) -> bool:
    """Whether a run has every test: all of verif, no option that leaves more out than `REGRESSION`, and all simulators,
    one of which ``SIM`` of the environment would choose."""
    places = {(config.invocation_params.dir / argument).resolve() for argument in config.args}
    return (places == {(config.rootpath / "verif").resolve()} and "SIM" not in environment
            and getattr(config.option, "markexpr", "") in ("", REGRESSION)
            and not any(getattr(config.option, name, None) for name in LEAVE_OUT))


class Recorder:
    """The plugin of pytest that writes the report of a run at its end.

    With pytest-xdist the controller alone has one: every report of a worker comes through it.

    Parameters
    ----------
    folder : Path
        Where the report goes.
    whole : bool
        Whether the run has every test, if it comes to its end.
    """

    def __init__(self, folder: Path, whole: bool) -> None:
        self.folder = folder
        self.whole = whole
        self.run = Run()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reason = ""
        if report.skipped:
            reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if report.when == "call" or not report.passed:      # a setup alone has not passed
            self.run.add(report.nodeid, report.outcome, reason.removeprefix("Skipped: "))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        whole = self.whole and ended and not session.shouldstop and not session.shouldfail
        if self.run.outcomes:
            self.folder.mkdir(parents=True, exist_ok=True)
            content = json.dumps(self.run.content(whole), indent=1) + "\n"
            write_whole(self.folder / (WHOLE if whole else PART), content)


def load_run(path: Path) -> Run:
    """The run of a report.

    Raises
    ------
    RanError
        If there is no report of a whole run.
    """
    try:
        content = json.loads(path.read_text())
        outcomes, reasons = content["tests"], content["skipped"]
        if not content["whole"] or not set(outcomes.values()) <= set(RANKS) or not set(reasons) <= set(outcomes):
            raise ValueError
    except FileNotFoundError:
        raise RanError(f"{path} must be there: make test") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RanError(f"{path} must be the report of a whole run of pytest: make test") from None
    return Run(outcomes, reasons)
