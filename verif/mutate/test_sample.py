"""A sample of fifty mutants, of hardware and of sources, all of which the tests find."""

from pathlib import Path
from typing import Any

import pytest

from .hardware import judge_unit
from .outcome import Outcome, counts
from .sources import Group, forked, judge_sources
from .units import UNITS

SEED = 1
FRAMING = Group("framing", ("fpga/host/framing.py",), ("verif/fpga/host/test_framing.py",), 10)


def check(mutants: list[dict[str, Any]], count: int) -> None:
    assert [mutant for mutant in mutants if mutant["outcome"] == Outcome.SURVIVED] == []
    assert len(mutants) == count
    assert counts(mutant["outcome"] for mutant in mutants)["score"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("pe", 15), ("pool", 10), ("packer", 10), ("address_generator", 5)])
def test_hardware(name: str, count: int, tmp_path: Path) -> None:
    state = forked(lambda: judge_unit(UNITS[name], count, SEED, tmp_path))
    check([mutant for netlist in state["netlists"] for mutant in netlist["mutants"]], count)


@pytest.mark.slow
def test_sources(tmp_path: Path) -> None:
    check(forked(lambda: judge_sources(FRAMING, 10, SEED, tmp_path))["mutants"], 10)
