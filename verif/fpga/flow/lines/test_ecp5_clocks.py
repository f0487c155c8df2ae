"""Clocks of lines on an ECP5: settings within the PLL's ranges, and the cell that they make."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from signum.fpga.flow.families.ecp5 import ECP5PLL
from signum.fpga.flow.families.pll import PLLError
from signum.fpga.flow.lines.ecp5_clocks import ECP5LineClocks, LinePLL

CRYSTALS = 12e6, 25e6, 27e6, 48e6, 50e6, 100e6


@pytest.mark.sweep(6)
@pytest.mark.parametrize("reference", CRYSTALS)
@pytest.mark.parametrize("wanted", [(48e6, 12e6), (60e6,), (125e6, 25e6, 50e6)])
def test_every_frequency_is_in_its_range(reference: float, wanted: tuple[float, ...]) -> None:
    """Those of USB at full speed are exact."""
    pll = LinePLL.nearest(int(reference), wanted)
    assert pll.loop.allowed
    assert all(1 <= post <= ECP5PLL.MOST for post in pll.posts)
    assert pll.frequencies == tuple(pll.loop.vco / post for post in pll.posts)
    assert pll.loop.vco == pytest.approx(reference / pll.loop.divider * pll.loop.feedback * pll.loop.post)
    assert pll.frequencies == pytest.approx(wanted, rel=1e-9 if 48e6 in wanted else 2e-3)


def test_the_worst_output_is_as_near_as_can_be() -> None:
    """No oscillator is a multiple of both."""
    wanted = 100e6, 99e6
    pll = LinePLL.nearest(25_000_000, wanted)
    worst = max(abs(made / asked - 1) for made, asked in zip(pll.frequencies, wanted, strict=True))
    assert 0 < worst < 0.01
    for product in range(16, 33):               # of 25 MHz: the oscillators of the fastest phase detector
        others = [25e6 * product / round(25e6 * product / asked) for asked in wanted]
        assert worst <= max(abs(made / asked - 1) for made, asked in zip(others, wanted, strict=True)) + 1e-12


@pytest.mark.parametrize(("reference", "wanted", "message"), [
    (5_000_000, (48e6,), "reference must be 8 MHz to 400 MHz, not 5 MHz"),
    (25_000_000, (48e6, 500e6), "frequency must be 3.125 MHz to 400 MHz, not 500 MHz"),
    (13_000_000, (3.125e6, 400e6), "frequencies must be parts of one oscillator of 400 to 800 MHz, not 3.125, 400 MHz"),
])
def test_clocks_that_cannot_be_had(reference: int, wanted: tuple[float, ...], message: str) -> None:
    with pytest.raises(PLLError, match=f"^{re.escape(message)}$"):
        LinePLL.nearest(reference, wanted)


class Ports(wiring.Component):
    """The inputs of a line's unit."""

    def __init__(self, *names: str) -> None:
        super().__init__({f"{name}_{end}": In(1) for name in names for end in ("clk", "rst")})


def cell_of(clocks: dict[str, float]) -> tuple[ECP5LineClocks, dict[str, str]]:
    """The clocks, and the parameters of their PLL's cell."""
    crystal, m = Signal(), Module()
    m.domains.sync = ClockDomain()
    m.submodules.clocks = made = ECP5LineClocks(crystal, 25_000_000, clocks, Ports(*clocks))
    text = rtlil.convert(m, ports=[crystal])
    (cell,) = re.findall(r"cell \\EHXPLLL .*?\n(.*?)\n\s*end\n", text, re.DOTALL)
    return made, {name: value.strip('"') for name, value in re.findall(r"parameter \\(\w+) (.*)", cell)}


def test_the_cell_has_an_output_for_each_domain() -> None:
    clocks, found = cell_of({"usb": 12e6, "usb_io": 48e6})
    loop = clocks.pll.loop
    assert (int(found["CLKI_DIV"]), int(found["CLKFB_DIV"]), int(found["CLKOP_DIV"])) == (
        loop.divider, loop.feedback, loop.post)
    assert [int(found[f"{name}_DIV"]) for name in ("CLKOS", "CLKOS2")] == list(clocks.pll.posts)
    assert clocks.pll.posts[0] == 4 * clocks.pll.posts[1]
    assert {name: found[f"{name}_ENABLE"] for name in ("CLKOP", "CLKOS", "CLKOS2")} == dict.fromkeys(
        ("CLKOP", "CLKOS", "CLKOS2"), "ENABLED")
    assert "CLKOS3_ENABLE" not in found
    assert len({found[f"{name}_CPHASE"] for name in ("CLKOP", "CLKOS", "CLKOS2")}) == 1      # in phase
