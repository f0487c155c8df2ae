"""The code of ``docs/soc.md`` runs unchanged."""

import re
from typing import Any

import numpy as np
import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.bench.programs import check_values, draw_short_case, program_job
from signum.verif.bench.simulate import simulate

PAGE = REPOSITORY / "docs" / "soc.md"
CONFIG = ArrayConfig(rows=2, cols=3, lanes=40, tile=2, sum_bits=20, weight_depth=1024, activation_depth=1024,
                     threshold_depth=1024)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The definitions of the page."""
    defined: dict[str, Any] = {"__name__": "soc"}
    for code in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        exec(compile(code, str(PAGE), "exec"), defined)
    return defined


def test_an_array_in_a_design(names: dict[str, Any], seed: int) -> None:
    case = draw_short_case(np.random.default_rng(seed), CONFIG, 1000)
    job = program_job(case.program, [case.maps])
    result = simulate(names["Appliance"](case.program), "signum.verif.bench.bench_accelerator", test="run_programs",
                      parameters={
        "config": CONFIG.to_dict(), "programs": [{**job, "writes": []}], "stall": 0.2, "seed": seed})
    check_values([case], result.values["cycles"], result.values["values"])


def test_runs_of_a_program(names: dict[str, Any], seed: int) -> None:
    program = draw_short_case(np.random.default_rng(seed), CONFIG, 1000).program
    found = []
    for address, count, words in names["bursts"](program):
        assert len(words) == count
        for word in words:
            found.append((address // 4, word))
            address = 4 * program.address_map.following(address // 4)
    assert found == sorted(program.load_writes())
