"""Yosys's cell counts of the architecture's choices; the counts are reproducible, and asserted exactly."""

import pytest

from signum.hdl.config import ArrayConfig
from signum.verif.bench.cell_counts import FLOWS, requantize_lut4, shifter_lut4


def test_a_shift_of_the_layer_costs_a_barrel_shifter() -> None:
    sizes = shifter_lut4(ArrayConfig(rows=1, cols=1, lanes=8))
    assert sizes == {"ice40": {"constant": 14, "field": 137}, "ecp5": {"constant": 14, "field": 130}}
    assert sizes.keys() == FLOWS.keys()


@pytest.mark.slow
def test_a_multiplier_block_takes_most_of_a_requantization() -> None:
    sizes = requantize_lut4(ArrayConfig(rows=1, cols=1, lanes=8))
    assert sizes == {"ice40": {"with": 38, "without": 508}, "ecp5": {"with": 51, "without": 516}}
