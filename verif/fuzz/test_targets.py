"""A few hundred inputs of each target; `make fuzz` feeds many more."""

import os
import random
import time
from pathlib import Path

import pytest

from signum.verif.bench.simulate import default_seed
from signum.verif.fuzz.target import ACCEPTED, REFUSED, BrokenError, Feed, Target, refused_by, row, run_inputs
from signum.verif.fuzz.targets import NAMES, target_named

INPUTS = {"config": 400, "programs": 300, "flash": 500, "responses": 1000, "board": 200, "arrays": 400, "trials": 40,
          "commands": 200, "finn": 60, "qonnx": 30}


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_accepted_or_refused_by_a_line(name: str) -> None:
    target = target_named(name)
    assert target.name == name
    tally = run_inputs(target, default_seed(), 0, INPUTS[name])
    assert tally.failures == []
    assert tally.counts[ACCEPTED] > 0
    assert tally.counts[REFUSED] > 0
    assert tally.counts.total() == INPUTS[name]


def made(*outcomes: object) -> Target:
    """A target whose inputs have these outcomes in turn."""
    def prepare(folder: Path) -> Feed:
        left = iter(outcomes)

        def feed(rng: random.Random) -> str:
            outcome = next(left)
            if isinstance(outcome, BaseException):
                raise outcome
            if callable(outcome):
                outcome()
            return ACCEPTED

        return feed

    return Target("made", prepare)


def test_what_breaks_the_rule_is_counted() -> None:
    place = os.getcwd()
    target = made(0, ValueError("two\nlines"), lambda: time.sleep(20), BrokenError("half a file"), SystemExit(3), 0)
    tally = run_inputs(target, 1, 10, 6, seconds=0.2)
    assert {name: value for name, value in row(target, 1, tally).items() if name != "seconds"} == {
        "target": "made", "inputs": 6, "tracebacks": 2, "hangs": 1, "broken": 1, "accepted": 2, "refused": 0, "seed": 1}
    assert [number for number, _ in tally.failures] == [11, 12, 13, 14]
    assert tally.failures[0][1].startswith("ValueError: two lines (at ")
    assert os.getcwd() == place


def test_an_input_depends_on_its_number_alone() -> None:
    found: list[float] = []

    def prepare(folder: Path) -> Feed:
        def feed(rng: random.Random) -> str:
            found.append(rng.random())
            return ACCEPTED

        return feed

    target = Target("numbers", prepare)
    run_inputs(target, 1, 0, 4)
    run_inputs(target, 1, 2, 2)
    run_inputs(target, 2, 2, 1)
    assert found[2:4] == found[4:6]
    assert found[6] not in found[:6]
    assert len(set(found[:4])) == 4


def test_the_memory_is_bounded() -> None:
    def fill() -> None:
        bytearray(3 << 30)

    tally = run_inputs(made(fill), 1, 0, 1)
    assert tally.failures[0][1].startswith("MemoryError")


@pytest.mark.parametrize(("error", "message"), [
    (ValueError(""), "^a refusal must be one line, not ''$"),
    (ValueError("a\nb"), r"^a refusal must be one line, not 'a\\nb'$"),
    (ValueError("x" * 5000), "^a refusal must have at most 4000 characters, not 5000: x+$"),
    (ValueError("Unable to allocate 8 EiB"), "^an input must not fill the memory: "),
])
def test_what_is_no_refusal(error: ValueError, message: str) -> None:
    with pytest.raises(BrokenError, match=message):
        refused_by(error)
    assert refused_by(ValueError("rows must be a positive integer, not 0")) == REFUSED
