"""What Yosys counts of the architecture's choices."""

from hdl.config import ArrayConfig
from verif.areas import FLOWS, shifter_lut4


def test_a_shift_of_the_layer_costs_a_barrel_shifter():
    sizes = shifter_lut4(ArrayConfig(rows=1, cols=1, lanes=8))
    assert sizes == {"ice40": {"constant": 14, "field": 137}, "ecp5": {"constant": 14, "field": 130}}
    assert sizes.keys() == FLOWS.keys()
