"""ECP5: registers that go into block RAMs, open ends of carry chains, and a PLL no further off than ecppll's."""

import copy
from pathlib import Path

import pytest

from signum.fpga.flow.families.ecp5 import ECP5PLL, absorb_registers, open_chains
from signum.verif.fpga.flow.families.pll_programs import SWEEP, chosen, number, plain, written


def block_ram(width: int, outputs: dict[str, int]) -> dict:
    """A block RAM of ECP5 with these bits on its outputs."""
    fixed = {"CLKA": 2, "CLKB": 2, "OCEA": "0", "OCEB": "1"}
    return {"type": "DP16KD", "parameters": {"DATA_WIDTH_A": f"{width:032b}", "DATA_WIDTH_B": f"{width:032b}",
                                             "REGMODE_A": "NOREG", "REGMODE_B": "NOREG"},
            "port_directions": {**{pin: "input" for pin in fixed}, **{pin: "output" for pin in outputs}},
            "connections": {pin: [bit] for pin, bit in {**fixed, **outputs}.items()}}


def register(data: int, out: int, **further: object) -> dict:
    pins = {"CLK": 2, "DI": data, **further}
    return {"type": "TRELLIS_FF", "parameters": {"CLKMUX": "CLK", "CEMUX": "1 "},
            "port_directions": {**{pin: "input" for pin in pins}, "Q": "output"},
            "connections": {pin: [bit] for pin, bit in {**pins, "Q": out}.items()}}


def absorbed(cells: dict, ports: dict | None = None) -> tuple[int, dict]:
    netlist = {"modules": {"top": {"cells": cells, "ports": ports or {}}}}
    return absorb_registers(netlist), netlist["modules"]["top"]["cells"]


def test_a_register_behind_a_block_ram_goes_into_it():
    count, cells = absorbed({"ram": block_ram(18, {"DOB0": 10, "DOB1": 11, "DOB2": 12, "DOA0": 13}),
                             "r0": register(10, 20), "r1": register(11, 21, LSR="0"), "other": register(13, 23, CE=7)})
    assert (count, set(cells)) == (2, {"ram", "other"})
    pins, parameters = cells["ram"]["connections"], cells["ram"]["parameters"]
    # an output that nobody uses is no hindrance
    assert [pins[pin] for pin in ("DOB0", "DOB1", "DOB2", "DOA0")] == [[20], [21], [12], [13]]
    assert (parameters["REGMODE_A"], parameters["REGMODE_B"]) == ("NOREG", "OUTREG")
    assert (pins["OCEA"], pins["OCEB"]) == (["0"], ["1"])


@pytest.mark.parametrize("width", [18, 36])
def test_a_port_has_one_register(width: int) -> None:
    """Of two registers in a row the second stays, also where the pass runs again."""
    netlist = {"modules": {"top": {"cells": {
        "ram": block_ram(width, {"DOB0": 10}), "first": register(10, 20), "second": register(20, 30)}}}}
    assert [absorb_registers(netlist), absorb_registers(netlist)] == [1, 0]
    assert set(netlist["modules"]["top"]["cells"]) == {"ram", "second"}


def test_both_ports_of_a_wide_word_have_their_registers_or_none_has():
    wide = {"DOB0": 10, "DOB17": 11, "DOA0": 12, "DOA17": 13}
    registers = {f"r{bit}": register(bit, bit + 10) for bit in wide.values()}
    count, cells = absorbed({"ram": block_ram(36, wide), **copy.deepcopy(registers)})
    assert (count, set(cells)) == (4, {"ram"})
    pins, parameters = cells["ram"]["connections"], cells["ram"]["parameters"]
    assert [pins[pin] for pin in wide] == [[20], [21], [22], [23]]
    assert (parameters["REGMODE_A"], parameters["REGMODE_B"]) == ("OUTREG", "OUTREG")
    assert (pins["OCEA"], pins["OCEB"]) == (["1"], ["1"])
    count, _ = absorbed({"ram": block_ram(36, wide), **registers, "more": register(13, 30)})
    assert count == 0


@pytest.mark.parametrize("register_", [register(10, 20, CE=5), register(10, 20, LSR=5),
                                       {**register(10, 20), "type": "LUT4"},
                                       {**register(10, 20), "parameters": {"CLKMUX": "INV", "CEMUX": "1 "}},
                                       register(10, 20) | {"connections": {"CLK": [3], "DI": [10], "Q": [20]}}])
def test_any_other_register_stays(register_):
    cells = {"ram": block_ram(18, {"DOB0": 10}), "r0": register_}
    assert absorbed(copy.deepcopy(cells)) == (0, cells)


def test_a_word_that_is_used_at_once_has_no_register():
    cells = {"ram": block_ram(18, {"DOB0": 10}), "r0": register(10, 20)}
    assert absorbed(copy.deepcopy(cells), {"o": {"bits": [10]}}) == (0, cells)


def carry_cell(first: int, below: object, out: int, above: int, *, depends: object = "1", other: object = 4) -> dict:
    """A CCU2C whose halves look up ``first``, and anything."""
    pins = {"A0": [2], "B0": [other], "C0": ["0"], "D0": [depends], "A1": [3], "CIN": [below],
            "S0": [out], "S1": [out + 1], "COUT": [above]}
    directions = {pin: "output" if pin in ("S0", "S1", "COUT") else "input" for pin in pins}
    return {"type": "CCU2C", "parameters": {"INIT0": f"{first:016b}", "INIT1": f"{0x5AAA:016b}"},
            "connections": pins, "port_directions": directions}


def ends(cells: dict, *read: int) -> tuple[int, list[tuple[object, object]]]:
    """How many ends were opened, and the carries in and out of the cells."""
    netlist = {"modules": {"top": {"cells": cells, "ports": {"out": {"bits": list(read)}}}}}
    opened = open_chains(netlist)
    return opened, [(pins["CIN"][0], pins["COUT"][0]) for pins in (cell["connections"] for cell in cells.values())]


def test_ends_of_chains_that_nobody_depends_on():
    chain = {"low": carry_cell(0x0009, "0", 10, 12), "high": carry_cell(0x660A, 12, 20, 22)}
    assert ends(copy.deepcopy(chain), 11, 20, 21) == (2, [("x", 12), (12, "x")])
    assert ends(copy.deepcopy(chain), 10, 22) == (0, [("0", 12), (12, 22)])


@pytest.mark.parametrize(("first", "depends", "other"), [
    (0x660A, "1", 4), (0x0109, "1", 4), (0x0009, 5, 4), (0x0009, "0", 4), (0x660A, 2, 4)])
def test_a_carry_in_that_matters(first, depends, other):
    """Of a half that may hand the carry on."""
    cells = {"low": carry_cell(first, "0", 10, 12, depends=depends, other=other)}
    assert ends(cells, 11, 12) == (0, [("0", 12)])


def test_the_same_signal_on_both_operands():
    assert ends({"low": carry_cell(0x660A, "0", 10, 12, other=2)}, 11, 12) == (1, [("x", 12)])


@pytest.mark.parametrize(("reference", "wanted"), [*SWEEP, (12, 10), (100, 400), (25, 125)])
def test_settings_against_those_of_ecppll(reference: int, wanted: int, tmp_path: Path) -> None:
    """The formulas give its frequencies and its cell for its dividers, its choice is in our ranges, and ours is no
    further off."""
    text = chosen("yowasp-ecppll", reference, wanted, "-f", "pll.v", folder=tmp_path)
    divider, feedback, post = (int(number(rf"{name} divisor: (\d+)", text))
                               for name in ("Refclk", "Feedback", "clkout0"))
    output, vco = (number(rf"{name} frequency: ([\d.]+)", text) for name in ("clkout0", "VCO"))
    theirs = ECP5PLL(reference=reference * 1_000_000, divider=divider, feedback=feedback, post=post)
    assert [theirs.frequency / 1e6, theirs.vco / 1e6] == pytest.approx([output, vco], rel=1e-5)
    cell, expected = plain(theirs.parameters()), written((tmp_path / "pll.v").read_text())
    assert cell.pop("FREQUENCY_PIN_CLKOP") == pytest.approx(expected.pop("FREQUENCY_PIN_CLKOP"), rel=1e-5)
    # half the divisor, which ecppll truncates from a float: 2 of 6 and 4 of 8
    assert cell.pop("CLKOP_CPHASE") == pytest.approx(expected.pop("CLKOP_CPHASE"), abs=1)
    unused = {f"OUTDIVIDER_MUX{letter}" for letter in "BCD"}
    assert cell == {name: value for name, value in expected.items() if name not in unused}
    assert theirs.allowed
    ours = ECP5PLL.nearest(reference * 1_000_000, wanted * 1e6)
    assert abs(ours.frequency - wanted * 1e6) <= abs(theirs.frequency - wanted * 1e6) + 1e-3
