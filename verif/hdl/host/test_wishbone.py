"""The accelerator on Wishbone, driven by a third-party master: whole programs, with pauses."""

import numpy as np
import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.host.wishbone import WishboneAccelerator
from signum.verif.bench.programs import check_values, draw_short_case, program_job
from signum.verif.bench.simulate import simulate

TRANSFERS = 800
CONFIGS = {
    "bits": ArrayConfig(rows=2, cols=3, lanes=5, tile=2, sum_bits=20, weight_depth=1024, activation_depth=1024,
                        threshold_depth=1024),
    "two slices": ArrayConfig(rows=3, cols=2, lanes=40, sum_bits=20, weight_depth=1024, activation_depth=1024,
                              threshold_depth=1024),
}


@pytest.mark.parametrize(("name", "stall"), [pytest.param("bits", 0.0, marks=pytest.mark.slow), ("two slices", 0.4)])
def test_programs(name: str, stall: float, seed: int) -> None:
    config = CONFIGS[name]
    rng = np.random.default_rng(seed)
    cases = [draw_short_case(rng, config, TRANSFERS) for _ in range(2)]
    result = simulate(WishboneAccelerator(config=config), "signum.verif.bench.bench_wishbone", test="run_programs",
                      parameters={
        "config": config.to_dict(), "stall": stall, "programs": [program_job(c.program, [c.maps]) for c in cases]})
    check_values(cases, result.values["cycles"], result.values["values"])


def test_bytes_that_are_not_selected_and_reads_while_a_program_runs(seed: int) -> None:
    config = CONFIGS["bits"]
    case = draw_short_case(np.random.default_rng(seed), config, TRANSFERS)
    job = program_job(case.program, [case.maps])
    result = simulate(WishboneAccelerator(config=config), "signum.verif.bench.bench_wishbone", test="selects",
                      parameters={
        "config": config.to_dict(), "stall": 0.0, "programs": [job]})
    assert result.values["runs"] == [0, 1]
    check_values([case], [job["cycles"]], [result.values["values"]])
