"""Runs that begin by themselves: when a batch is in, when the results allow it, and after a flush."""

from typing import Any

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.control.run_controller import RunController
from signum.verif.bench.trace import play

CONFIG = ArrayConfig(rows=4, cols=1, lanes=4)
ON = {"enable": 1, "quiet": 1}
WAITING = {**ON, "full": 1, "count": 4}


def events(steps: list[dict[str, Any]]) -> list[tuple[int, str, int]]:
    """The cycles in which a run begins or its results are read, with the number of images."""
    trace = play(RunController(config=CONFIG), steps)
    return [(cycle, name, outputs["images"]) for cycle, outputs in enumerate(trace) for name in ("start", "read")
            if outputs[name]]


def test_a_full_batch_begins_at_once_and_its_results_are_read() -> None:
    run = [{**ON, "busy": 1}] * 5
    assert events([ON, WAITING, *run, ON, ON]) == [(1, "start", 0), (7, "read", 4)]


def test_nothing_begins_while_it_is_off() -> None:
    assert events([{**WAITING, "enable": 0}] * 3) == []


def test_the_next_run_waits_for_the_results() -> None:
    first = [WAITING, *[{**ON, "busy": 1}] * 3, WAITING]            # the last cycle reads the results
    reading = [{**WAITING, "reading": 1}] * 4
    leaving = {**WAITING, "reading": 1, "leaving": 1}
    assert events([*first, *reading, leaving, {**ON, "busy": 1}]) == [
        (0, "start", 0), (4, "read", 4), (9, "start", 4)]
    assert events([*first, *reading, WAITING]) == [(0, "start", 0), (4, "read", 4), (9, "start", 4)]


def test_results_wait_for_the_reader() -> None:
    """A second run ends while the results of the first still leave: they are read once the reader is free."""
    busy = {**ON, "busy": 1, "reading": 1}
    steps = [WAITING, {**ON, "busy": 1}, ON, {**WAITING, "reading": 1, "leaving": 1}, busy, busy,
             {**ON, "reading": 1}, {**ON, "reading": 1}, ON]
    assert events(steps) == [(0, "start", 0), (2, "read", 4), (3, "start", 4), (8, "read", 4)]


def test_a_flush_runs_what_is_there_after_the_image_that_comes() -> None:
    steps = [{**ON, "count": 2, "quiet": 0, "flush": 1}, {"enable": 1, "count": 2}, {**ON, "count": 3},
             {**ON, "busy": 1}, ON, {**ON, "count": 1}, {**ON, "count": 1}]
    assert events(steps) == [(2, "start", 0), (4, "read", 3)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_flush_runs_any_number_of_images(count: int) -> None:
    waiting = {**ON, "count": count}
    assert events([{**waiting, "flush": 1}, waiting, {**ON, "busy": 1}, ON]) == [(1, "start", 0), (3, "read", count)]


def test_nothing_begins_while_the_host_runs_a_program() -> None:
    assert events([{**WAITING, "busy": 1}] * 3 + [WAITING]) == [(3, "start", 0)]


def test_a_run_is_forgotten_when_it_is_off() -> None:
    """Its results are not read, and the next run does not wait for them."""
    off = {"quiet": 1, "busy": 1}
    assert events([WAITING, {**ON, "busy": 1}, off, {**ON, "busy": 1}, ON, WAITING]) == [
        (0, "start", 0), (5, "start", 4)]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_flush_waits_for_the_run_before(count: int) -> None:
    waiting = {**ON, "count": count}
    steps = [WAITING, {**waiting, "busy": 1, "flush": 1}, {**waiting, "busy": 1}, waiting, waiting, {**ON, "busy": 1}]
    assert events(steps) == [(0, "start", 0), (3, "read", 4), (4, "start", 4)]


def test_a_flush_of_nothing_ends() -> None:
    assert events([{**ON, "flush": 1}, ON, {**ON, "count": 2}, {**ON, "count": 2}]) == []
