"""Netlists after synthesis: the same values with no signal on both inputs of a carry cell."""

import copy
import itertools

import pytest

from signum.fpga.flow.netlist import absorb_registers, open_chains, part_doubled_inputs

XOR_OF_THREE = 0b11000011_00111100


def lut(truth: int, *inputs: object, out: int) -> dict:
    return {"type": "SB_LUT4", "parameters": {"LUT_INIT": f"{truth:016b}"},
            "connections": {**{f"I{i}": [bit] for i, bit in enumerate(inputs)}, "O": [out]}}


def flop(data: int, out: int) -> dict:
    return {"type": "SB_DFF", "parameters": {}, "connections": {"C": [2], "D": [data], "Q": [out]}}


def carry(one: object, other: object, below: int, out: int) -> dict:
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


def check(cells: dict, inputs: tuple[int, ...], added: int) -> dict:
    netlist = {"modules": {"top": {"cells": copy.deepcopy(cells), "ports": {}}}}
    assert part_doubled_inputs(netlist) == added
    after = netlist["modules"]["top"]["cells"]
    for bits in itertools.product((0, 1), repeat=len(inputs)):
        given = {f"n{name}": bit for name, bit in zip(inputs, bits, strict=True)}
        before, now = values(cells, **given), values(after, **given)
        assert all(now[signal] == value for signal, value in before.items())
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
