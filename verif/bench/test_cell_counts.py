"""What Yosys counts of the architecture's choices. It repeats exactly, so it is asserted."""

from signum.hdl.config import ArrayConfig
from signum.verif.bench.cell_counts import FLOWS, element_lut4, requantize_lut4, shifter_lut4


def test_a_shift_of_the_layer_costs_a_barrel_shifter() -> None:
    sizes = shifter_lut4(ArrayConfig(rows=1, cols=1, lanes=8))
    assert sizes == {"ice40": {"constant": 14, "field": 137}, "ecp5": {"constant": 14, "field": 130}}
    assert sizes.keys() == FLOWS.keys()


def test_a_multiplier_block_takes_most_of_a_requantization() -> None:
    sizes = requantize_lut4(ArrayConfig(rows=1, cols=1, lanes=8))
    assert sizes == {"ice40": {"with": 38, "without": 508}, "ecp5": {"with": 51, "without": 516}}


def test_an_element_that_counts_and_one_that_multiplies() -> None:
    """Words of 8 bits, and accumulators for the same 1152 taps: 255 times 128 at each of them, or 1."""
    assert element_lut4([(1, 8), (8, 1)]) == [
        {"element_bits": 1, "lanes": 8, "word_bits": 8, "acc_bits": 11, "ice40": 35, "ecp5": 46},
        {"element_bits": 8, "lanes": 1, "word_bits": 8, "acc_bits": 27, "ice40": 188, "ecp5": 221}]
