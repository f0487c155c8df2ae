"""iCE40: chains that begin and end in fewer logic cells, no signal on both inputs of a carry cell, and the same values
of all signals; and a PLL no further off than icepll's."""

import copy
import itertools
import re
from pathlib import Path

import pytest

from signum.fpga.flow.families.family import Pass
from signum.fpga.flow.families.ice40 import ICE40PLL, begin_chains, part_doubled_inputs, register_carries
from signum.fpga.flow.families.pll import PLLError
from signum.verif.fpga.flow.families.pll_programs import SWEEP, chosen, number, plain, written

XOR_OF_THREE = 0b11000011_00111100


def lut(truth: int, *inputs: object, out: int) -> dict:
    return {"type": "SB_LUT4", "parameters": {"LUT_INIT": f"{truth:016b}"},
            "connections": {**{f"I{i}": [bit] for i, bit in enumerate(inputs)}, "O": [out]}}


def flop(data: int, out: int) -> dict:
    return {"type": "SB_DFF", "parameters": {}, "connections": {"C": [2], "D": [data], "Q": [out]}}


def carry(one: object, other: object, below: object, out: int) -> dict:
    return {"type": "SB_CARRY", "parameters": {},
            "connections": {"I0": [one], "I1": [other], "CI": [below], "CO": [out]}}


def values(cells: dict, **given: int) -> dict:
    """Every signal's value after the registers took theirs, where the LUTs stand in the order of the netlist."""
    known: dict[object, int] = {"0": 0, "1": 1}
    known |= {int(name[1:]): value for name, value in given.items()}
    waiting = dict(cells)
    while waiting:
        for name, cell in list(waiting.items()):
            pins = {pin: bit for pin, (bit,) in cell["connections"].items()}
            needed = [bit for pin, bit in pins.items() if pin not in ("O", "Q", "CO", "C")]
            if not all(bit in known for bit in needed):
                continue
            if cell["type"] == "SB_LUT4":
                row = sum(known[pins[f"I{i}"]] << i for i in range(4))
                known[pins["O"]] = int(cell["parameters"]["LUT_INIT"], 2) >> row & 1
            elif cell["type"] == "SB_CARRY":
                known[pins["CO"]] = int(known[pins["I0"]] + known[pins["I1"]] + known[pins["CI"]] >= 2)
            else:
                known[pins["Q"]] = known[pins["D"]]
            del waiting[name]
    return known


def changed(change: Pass, cells: dict, inputs: tuple[int, ...], added: int) -> dict:
    """The cells after a change that keeps the values of all signals."""
    netlist = {"modules": {"top": {"cells": copy.deepcopy(cells), "ports": {}}}}
    assert change(netlist) == added
    after = netlist["modules"]["top"]["cells"]
    for bits in itertools.product((0, 1), repeat=len(inputs)):
        given = {f"n{name}": bit for name, bit in zip(inputs, bits, strict=True)}
        before, now = values(cells, **given), values(after, **given)
        assert all(now[signal] == value for signal, value in before.items())
    return after


def check(cells: dict, inputs: tuple[int, ...], added: int) -> dict:
    after = changed(part_doubled_inputs, cells, inputs, added)
    for cell in after.values():
        pins = cell["connections"]
        if cell["type"] == "SB_CARRY":
            assert pins["I0"] != pins["I1"] or isinstance(pins["I0"][0], str)
    return after


def test_a_lane_of_a_lut():
    cells = {"lane": lut(0x9999, 3, 4, "0", "0", out=6), "carry": carry(6, 6, 5, 7),
             "sum": lut(XOR_OF_THREE, "0", 6, 6, 5, out=8)}
    after = check(cells, (3, 4, 5), added=1)
    # both in one logic cell: the carry's inputs are the LUT's
    assert [after["sum"]["connections"][pin] for pin in ("I1", "I2")] == [
        after["carry"]["connections"][pin] for pin in ("I0", "I1")]


def test_a_registered_lane_on_two_carries():
    cells = {"lane": lut(0x9999, 3, 4, "0", "0", out=6), "kept": flop(6, 9), "carry": carry(9, 9, 5, 7),
             "other": carry(9, 9, 7, 10)}
    after = check(cells, (3, 4, 5), added=1)
    assert sorted(cell["type"] for cell in after.values()) == ["SB_CARRY"] * 2 + ["SB_DFF"] * 2 + ["SB_LUT4"] * 2


def test_an_input_is_passed_on():
    check({"carry": carry(3, 3, 5, 7)}, (3, 5), added=1)


def test_nothing_to_do():
    cells = {"carry": carry(3, 4, 5, 7), "constant": carry("1", "1", 5, 8), "lut": lut(0x6996, 3, 4, 4, 5, out=9)}
    assert check(cells, (3, 4, 5), added=0) == cells


def test_a_chain_begins_with_a_constant():
    cells = {"low": carry(3, 4, 5, 6), "sum": lut(XOR_OF_THREE, "0", 3, 4, 5, out=7),
             "high": carry(4, 8, 6, 9), "other": lut(0xFF00, "0", "0", "0", 5, out=10)}
    after = changed(begin_chains, cells, (3, 4, 5, 8), added=1)
    assert after["low_begin"]["connections"] == {"I0": [5], "I1": ["0"], "CI": ["1"], "CO": [11]}
    # the carry and its sum's LUT take the signal from the chain, and all others as before
    assert after["low"]["connections"]["CI"] == after["sum"]["connections"]["I3"] == [11]
    assert {name: after[name] for name in ("high", "other")} == {name: cells[name] for name in ("high", "other")}


def test_a_chain_that_begins_with_a_constant_is_left():
    cells = {"low": carry(3, 4, "0", 6), "high": carry(3, 4, 6, 7), "less": carry(3, 4, "1", 8)}
    assert changed(begin_chains, cells, (3, 4), added=0) == cells


def test_each_chain_of_a_signal_begins_with_a_constant():
    cells = {"one": carry(3, 4, 5, 6), "two": carry(3, 4, 5, 7), "sum": lut(XOR_OF_THREE, "0", 3, 4, 5, out=8)}
    after = changed(begin_chains, cells, (3, 4, 5), added=2)
    assert after["one"]["connections"]["CI"] != after["two"]["connections"]["CI"]


def test_a_carry_ends_in_a_register():
    cells = {"carry": carry(3, 4, "0", 5), "last": flop(5, 6), "sum": flop(3, 7)}
    after = changed(register_carries, cells, (3, 4), added=1)
    assert after["last_end"]["connections"]["I3"] == [5]
    assert after["last"]["connections"]["D"] == after["last_end"]["connections"]["O"]
    assert after["sum"] == cells["sum"]


@pytest.mark.parametrize(("reference", "wanted"), [*SWEEP, (12, 16), (16, 275), (133, 200)])
def test_settings_against_those_of_icepll(reference: int, wanted: int, tmp_path: Path) -> None:
    """The formulas give its frequencies and its cell for its dividers, its choice is in our ranges, and ours is no
    further off."""
    text = chosen("yowasp-icepll", reference, wanted, "-m", "-f", "pll.v", folder=tmp_path)
    divr, divf, divq = (int(number(rf"{name}:\s+(\d+)", text)) for name in ("DIVR", "DIVF", "DIVQ"))
    detector, vco, output = (number(rf"{name}:\s+([\d.]+) MHz{which}", text) for name, which in (
        ("F_PFD", ""), ("F_VCO", ""), ("F_PLLOUT", r" \(achieved")))
    theirs = ICE40PLL(reference=reference * 1_000_000, divr=divr, divf=divf, divq=divq)
    assert [theirs.detector / 1e6, theirs.vco / 1e6, theirs.frequency / 1e6] == pytest.approx(
        [detector, vco, output], abs=0.001)
    assert plain(theirs.parameters()) == written((tmp_path / "pll.v").read_text())
    ours = ICE40PLL.nearest(reference * 1_000_000, wanted * 1e6)
    assert ours.allowed
    if theirs.allowed:              # it goes beyond the largest output
        assert abs(ours.frequency - wanted * 1e6) <= abs(theirs.frequency - wanted * 1e6)


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
