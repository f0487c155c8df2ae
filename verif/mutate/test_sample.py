"""A sample of the mutants of `make mutate`: fifty of each of some units, all of which the tests find."""

from pathlib import Path

import pytest

from .hardware import judge_unit
from .outcome import Outcome, counts
from .sources import forked
from .units import UNITS

SEED = 1
COUNT = 50


@pytest.mark.slow
@pytest.mark.parametrize("name", ["address_generator", "pixel_dispatcher", "run_controller"])
def test_all_are_killed(name: str, tmp_path: Path) -> None:
    state = forked(lambda: judge_unit(UNITS[name], COUNT, SEED, tmp_path))
    mutants = [mutant for netlist in state["netlists"] for mutant in netlist["mutants"]]
    assert [mutant for mutant in mutants if mutant["outcome"] == Outcome.SURVIVED] == []
    assert len(mutants) == COUNT
    assert counts(mutant["outcome"] for mutant in mutants)["score"] == 1
