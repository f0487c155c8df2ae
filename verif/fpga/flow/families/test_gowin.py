"""Gowin: a PLL no further off than gowin_pll's, in the ranges of both devices."""

import re

import pytest

from signum.fpga.flow.boards import BOARDS
from signum.fpga.flow.families.gowin import GOWIN, GowinPLL
from signum.verif.fpga.flow.families.pll_programs import SWEEP, chosen, number, plain, written

DEVICES = sorted({board.device for board in BOARDS.values() if board.family is GOWIN})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("reference", "wanted"), [*SWEEP, (27, 5), (27, 81), (100, 590)])
def test_settings_against_those_of_gowin_pll(device: str, reference: int, wanted: int) -> None:
    """The formulas give its frequencies for its dividers; our choice is in its ranges, and no further off."""
    text = chosen("gowin_pll", reference, wanted, "-d", device)
    divider, feedback, post = (int(number(rf"\.{name}_SEL\((\d+)\)", text)) for name in ("IDIV", "FBDIV", "ODIV"))
    found = {name: (float(value), float(least), float(most)) for name, value, least, most in re.findall(
        r"(PFD|CLKOUT|VCO) = ([\d.]+) MHz \(range: ([\d.]+)-([\d.]+) MHz\)", text)}
    theirs = GowinPLL(reference=reference * 1_000_000, divider=divider + 1, feedback=feedback + 1, post=post)
    ours = GowinPLL.nearest(reference * 1_000_000, wanted * 1e6)
    for name, frequency in (("PFD", "detector"), ("CLKOUT", "frequency"), ("VCO", "vco")):
        value, least, most = found[name]
        assert getattr(theirs, frequency) / 1e6 == pytest.approx(value)
        assert least <= getattr(ours, frequency) / 1e6 <= most, name
    if theirs.allowed:              # an oscillator below 500 MHz is in the range of one device alone
        assert abs(ours.frequency - wanted * 1e6) <= abs(theirs.frequency - wanted * 1e6) + 1e-3
    assert plain(theirs.parameters()) == written(text)
