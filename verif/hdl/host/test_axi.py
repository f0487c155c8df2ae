"""The accelerator on AXI, driven by third-party models: whole programs, with pauses in every channel."""

import numpy as np
import pytest

from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.host.axi import AxiAccelerator, AxisAccelerator
from signum.verif.bench.programs import check_values, draw_short_case, program_job
from signum.verif.bench.simulate import simulate
from signum.verif.bench.stream_cases import draw_stream, with_streams
from signum.verif.bench.stream_runs import expected_answers

BENCH = "signum.verif.bench.bench_axi"
TRANSFERS = 400
CONFIGS = {
    "bits": ArrayConfig(rows=2, cols=3, lanes=5, tile=2, sum_bits=20, weight_depth=1024, activation_depth=1024,
                        threshold_depth=1024),
    "three slices": ArrayConfig(rows=3, cols=2, lanes=70, tile=2, drain_width=2, sum_bits=20, weight_depth=1024,
                                activation_depth=1024, threshold_depth=1024),
}


@pytest.mark.parametrize(("name", "stall"), [pytest.param("bits", 0.0, marks=pytest.mark.slow), ("three slices", 0.4)])
def test_programs(name: str, stall: float, seed: int) -> None:
    config = CONFIGS[name]
    rng = np.random.default_rng(seed)
    cases = [draw_short_case(rng, config, TRANSFERS) for _ in range(2)]
    result = simulate(AxiAccelerator(config=config), BENCH, test="run_programs", parameters={
        "config": config.to_dict(), "stall": stall, "programs": [program_job(c.program, [c.maps]) for c in cases]})
    check_values(cases, result.values["cycles"], result.values["values"])
    assert 0 < result.values["runs"] < len(list(cases[0].program.load_writes())) / 2


def test_streams_that_wait_hold_nothing_up(seed: int) -> None:
    config = CONFIGS["bits"]
    rng = np.random.default_rng(seed)
    job: dict = {"cycles": 0}
    while job["cycles"] < 200:
        case = draw_short_case(rng, config, TRANSFERS)
        job = program_job(case.program, [case.maps])
    result = simulate(AxiAccelerator(config=config), BENCH, test="waits", parameters={
        "config": config.to_dict(), "stall": 0.0, "programs": [job]})
    check_values([case], [result.values["cycles"]], [result.values["values"]])


def test_strobes() -> None:
    config = CONFIGS["bits"]
    simulate(AxiAccelerator(config=config), BENCH, test="strobes", parameters={
        "config": config.to_dict(), "stall": 0.0})


def test_a_word_of_weights_in_two_cycles() -> None:
    config = CONFIGS["bits"]
    result = simulate(AxiAccelerator(config=config), BENCH, test="measure", parameters={
        "config": config.to_dict(), "stall": 0.0, "count": 200})
    assert result.values["cycles"] == pytest.approx(2 * 200, abs=8)


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_pixels_in_and_answers_out(stall: float, seed: int) -> None:
    """Images and answers as frames, among them images that are cut, and one that is too long."""
    rng = np.random.default_rng(seed)
    config = with_streams(CONFIGS["bits"])
    case = draw_stream(rng, config, batches=3)
    images = [image.transpose(1, 2, 0).reshape(-1).tolist() for image in case.images]
    sent = [images[0][:-1] or [1, 1], [*images[0], 1], *images]
    result = simulate(AxisAccelerator(config=config), BENCH, test="stream_images", parameters={
        "config": config.to_dict(), "stall": stall, "writes": list(case.program.load_writes()), "images": sent,
        "count": len(images), "flush": False})
    assert result.values["answers"] == expected_answers(case)
    assert result.values["dropped"] == 2


def test_an_array_without_an_input_unit_has_no_pixels() -> None:
    with pytest.raises(ConfigError, match="input_depth must be positive for wrapper axis, not 0"):
        AxisAccelerator(config=CONFIGS["bits"])
