"""Stimuli: too few leave lines missed, enough cover them, and a test that fails is told."""

from pathlib import Path

import pytest

from signum.fpga.host.model import Model
from signum.hdl.host.uart import UARTTransmitter
from signum.hdl.lib.emit import to_verilog

from .points import fold, read_counts
from .recording import recording
from .report import report
from .statements import statements
from .stimuli import STIMULI, Stimulus, drive, kinds_of

NAME = "hdl/host/uart.py"


def test_more_stimulus_covers_more(tmp_path: Path) -> None:
    """The transmitter alone: idle, then with a byte; the receiver beside it is never built."""
    with recording(tmp_path) as found:
        with Model(to_verilog(UARTTransmitter(divisor=4), "unit")[0], "unit") as model:
            model.reset()
            model.run(100)
        idle = found.coverage()
        with Model(to_verilog(UARTTransmitter(divisor=4), "unit")[0], "unit") as model:
            model["i__payload"], model["i__valid"] = 0x5A, 1
            model.run(100)
        busy = found.coverage()
        found.save()
    assert len(idle.lines) == len(busy.lines) > 0
    assert not any(idle.lines.values())
    assert all(busy.lines.values())
    assert sum(idle.toggles.values()) < sum(busy.toggles.values())
    every = {NAME: statements()[NAME]}
    receiver = len(every[NAME]) - len(busy.lines)
    assert receiver > 0
    assert [(row["unit"], row["lines"] - row["covered"]) for row in report(busy, every)["rows"]] == [
        ("host/uart", receiver)]
    assert report(busy, {})["share"] == 1
    (data,) = tmp_path.glob("*.dat")
    assert fold(data.with_suffix(".v").read_text(), read_counts(data.read_text())) == busy


def test_a_stimulus_without_tests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"^the stimulus nothing must have tests that run$"):
        drive(Stimulus("nothing"), tmp_path)


def test_all_stimuli_are_there() -> None:
    for stimulus in STIMULI.values():
        assert stimulus.tests or stimulus.soak
        for test in stimulus.tests:
            assert Path(__file__).parents[2].joinpath(test.partition("::")[0]).exists(), test
        for unit in stimulus.units:
            assert kinds_of(unit), unit
