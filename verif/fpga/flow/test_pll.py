"""Settings of the PLLs against those that icepll, ecppll and gowin_pll give."""

import re

import pytest

from signum.fpga.flow.pll import ECP5PLL, ICE40PLL, PLL, GowinPLL, PLLError


@pytest.mark.parametrize(("wanted", "divr", "divf", "divq", "made"), [
    (16, 0, 85, 6, 16.125),
    (20, 0, 52, 5, 19.875),
    (24, 0, 63, 5, 24),
    (25, 0, 66, 5, 25.125),
    (30, 0, 79, 5, 30),
    (36, 0, 47, 4, 36),
    (48, 0, 63, 4, 48),
    (60, 0, 79, 4, 60),
    (120, 0, 79, 3, 120),
])
def test_from_12_mhz(wanted, divr, divf, divq, made):
    pll = ICE40PLL.nearest(12_000_000, wanted * 1e6)
    assert (pll.divr, pll.divf, pll.divq, pll.filter_range) == (divr, divf, divq, 1)
    assert pll.frequency == made * 1e6


@pytest.mark.parametrize(("reference", "wanted", "filter_range"), [
    (16_000_000, 24e6, 1), (25_000_000, 50e6, 2), (50_000_000, 100e6, 4), (100_000_000, 100e6, 5),
    (133_000_000, 266e6, 6)])
def test_stays_in_the_ranges_of_the_cell(reference, wanted, filter_range):
    pll = ICE40PLL.nearest(reference, wanted)
    assert abs(pll.frequency - wanted) < 0.02 * wanted
    assert 10e6 <= pll.detector <= 133e6
    assert 533e6 <= pll.vco <= 1066e6
    assert pll.divr < 16
    assert pll.divf < 128
    assert 1 <= pll.divq <= 6
    assert pll.divr or pll.filter_range == filter_range


@pytest.mark.parametrize(("reference", "wanted", "message"), [
    (12_000_000, 12e6, "frequency must be 16 MHz to 275 MHz, not 12 MHz"),
    (12_000_000, 300e6, "frequency must be 16 MHz to 275 MHz, not 300 MHz"),
    (8_000_000, 24e6, "reference must be 10 MHz to 133 MHz, not 8 MHz"),
])
def test_out_of_range(reference, wanted, message):
    with pytest.raises(PLLError, match=f"^{re.escape(message)}$"):
        ICE40PLL.nearest(reference, wanted)


@pytest.mark.parametrize(("reference", "wanted", "divider", "feedback", "post"), [
    (25, 50, 1, 2, 12), (25, 100, 1, 4, 6), (25, 80, 5, 16, 7), (25, 125, 1, 5, 5), (50, 150, 1, 3, 4)])
def test_an_ecp5(reference, wanted, divider, feedback, post):
    pll = ECP5PLL.nearest(reference * 1_000_000, wanted * 1e6)
    assert pll.frequency == wanted * 1e6
    assert (pll.divider, pll.feedback, pll.post) == (divider, feedback, post)


@pytest.mark.parametrize(("wanted", "idiv", "fbdiv", "odiv", "made"), [
    (54, 0, 1, 16, 54), (81, 0, 2, 8, 81), (99, 2, 10, 8, 99), (100, 6, 25, 8, 100.286), (108, 0, 3, 8, 108)])
def test_a_gowin_from_27_mhz(wanted, idiv, fbdiv, odiv, made):
    pll = GowinPLL.nearest(27_000_000, wanted * 1e6)
    assert pll.frequency / 1e6 == pytest.approx(made, abs=0.001)
    cell = pll.parameters()
    assert [cell[f"p_{name}_SEL"] for name in ("IDIV", "FBDIV", "ODIV")] == [idiv, fbdiv, odiv]


@pytest.mark.parametrize("family", [ECP5PLL, GowinPLL])
@pytest.mark.parametrize("reference", [12, 25, 27, 50])
def test_every_megahertz_is_near(family: type[PLL], reference):
    """Outputs are multiples of a phase detector's frequency, of the slowest unless a divisor is too large."""
    step = reference / (reference * 1e6 // family.DETECTOR[0])
    for wanted in range(20, 301, 7):
        pll = family.nearest(reference * 1_000_000, wanted * 1e6)
        assert abs(pll.frequency / 1e6 - wanted) <= step
        assert pll.allowed
        assert pll.settings()["reference_hz"] == reference * 1_000_000
