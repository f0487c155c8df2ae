"""Cell models against the golden memories, and netlists that cannot be simulated."""

import copy
import json
import random
import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.build import AFTER_READ
from signum.fpga.flow.families import FAMILIES
from signum.fpga.flow.tools import BuildError
from signum.fpga.host.model import Model, ModelError
from signum.fpga.host.netlist_board import bitstream_verilog, cell_models, drop_contents, drop_open_outputs
from signum.hdl.lib.emit import run_yosys, to_rtlil
from signum.hdl.lib.memory import Bank

SHAPES = {"narrow": (8, 2048), "middle": (16, 1024), "wide": (32, 512), "single": (16, 1024),
          "deep": (8, 4096), "deeper": (8, 8192), "deepest": (2, 16384)}
RAMS = {"ecp5": {"DP16KD"}, "gowin": {"DPB", "DPX9B", "SDPX9B", "SPX9"}}


class Banks(wiring.Component):
    """Banks of `SHAPES`, all written together; "single" is read at its write address."""

    def __init__(self) -> None:
        super().__init__({"read_address": In(14), "write_address": In(14), "data": In(32), "write": In(1),
                          **{name: Out(width) for name, (width, _) in SHAPES.items()}})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, (width, depth) in SHAPES.items():
            m.submodules[name] = bank = Bank(width=width, depth=depth)
            m.d.comb += [
                bank.read_address.eq(self.write_address if name == "single" else self.read_address),
                bank.write_address.eq(self.write_address),
                bank.write_data.eq(self.data),
                bank.write.eq(self.write),
                getattr(self, name).eq(bank.read_data),
            ]
        return m


@pytest.mark.slow
@pytest.mark.parametrize("family", RAMS)
def test_block_rams_hold_what_is_written(family, tmp_path, seed):
    (tmp_path / "unit.il").write_text(to_rtlil(Banks(), "unit")[0])
    run_yosys(f"read_rtlil unit.il\n{AFTER_READ}\n{FAMILIES[family].synthesis} -top unit -json unit.json\n", tmp_path)
    netlist = json.loads((tmp_path / "unit.json").read_text())
    assert {cell["type"] for cell in netlist["modules"]["unit"]["cells"].values()} >= RAMS[family]
    drop_contents(netlist)
    (tmp_path / "unit.json").write_text(json.dumps(netlist))
    run_yosys("read_json unit.json\nwrite_verilog -noattr unit.v\n", tmp_path)
    rng = random.Random(seed)
    addresses = [0, 1, 2, 3, 511, 512, 1023, 1024, 2047, 4095, 5000, 16383, *(rng.randrange(1 << 14) for _ in range(5))]
    words = {name: [0] * depth for name, (_, depth) in SHAPES.items()}
    met = dict.fromkeys(SHAPES, 0)
    wrong = dict.fromkeys(SHAPES, 0)
    with Model(cell_models(FAMILIES[family]) + (tmp_path / "unit.v").read_text(), "unit") as model:
        model["rst"] = 0
        for _ in range(3000):
            model["read_address"], model["write_address"] = read, written = rng.choices(addresses, k=2)
            model["data"] = data = rng.getrandbits(32)
            model["write"] = write = rng.randrange(2)
            model.run(1)
            for name, (width, depth) in SHAPES.items():
                address = written if name == "single" else read
                if write and address % depth == written % depth:        # unspecified: never the old word here
                    met[name] += 1
                    wrong[name] += model[name] != words[name][address % depth]
                else:
                    assert model[name] == words[name][address % depth], name
                if write:
                    words[name][written % depth] = data % (1 << width)
    assert all(met.values())
    assert all(wrong[name] == met[name] for name in SHAPES if name != "single")


@pytest.mark.parametrize(("family", "cell", "parameters", "kind"), [
    ("ice40", "SB_IO", {"PIN_TYPE": 0}, "pad"), ("ecp5", "TRELLIS_IO", {"DIR": '"BIDIR"'}, "pad"),
    ("ecp5", "DP16KD", {"CLKBMUX": '"INV"'}, "block_ram"), ("ecp5", "DP16KD", {"DATA_WIDTH_A": 4}, "block_ram"),
    ("gowin", "DPB", {"BIT_WIDTH_0": 8}, "block_ram"),
    ("gowin", "DPX9B", {"READ_MODE1": 1}, "block_ram"), ("gowin", "SDPX9B", {"BLK_SEL_0": 2}, "block_ram")])
def test_other_modes_of_cells_are_refused(family, cell, parameters, kind):
    given = ", ".join(f".{name}({value})" for name, value in parameters.items())
    unit = f"module unit(clk, rst);\n  input clk;\n  input rst;\n  {cell} #({given}) it();\nendmodule\n"
    with pytest.raises(ModelError, match=f"{kind}_of_another_kind"):
        Model(f"{cell_models(FAMILIES[family])}\n{unit}", "unit")


def test_contents_of_block_rams():
    netlist = {"modules": {"unit": {"cells": {
        "ram": {"parameters": {"INITVAL_00": "00x0", "INIT_RAM_3F": "0000", "INIT_F": "0", "DATA_WIDTH_A": "10010"}},
        "lut": {"parameters": {"INIT": "0110", "LUT_INIT": "1001"}}}}}}
    other = copy.deepcopy(netlist)
    drop_contents(netlist)
    cells = netlist["modules"]["unit"]["cells"]
    assert cells["ram"]["parameters"] == {"DATA_WIDTH_A": "10010"}
    assert cells["lut"] == other["modules"]["unit"]["cells"]["lut"]
    other["modules"]["unit"]["cells"]["ram"]["parameters"]["INITVAL_00"] = "0100"
    with pytest.raises(BuildError, match=r"^block RAMs must begin with zeros, not ram$"):
        drop_contents(other)


def test_outputs_that_lead_nowhere():
    cell = {"connections": {"CIN": ["x"], "S0": ["x", 3], "COUT": ["x"]},
            "port_directions": {"CIN": "input", "S0": "output", "COUT": "output"}}
    drop_open_outputs({"modules": {"unit": {"cells": {"chain": cell}}}})
    assert cell["connections"] == {"CIN": ["x"], "S0": ["x", 3]}


def test_bitstreams_that_cannot_be_read_back(tmp_path):
    with pytest.raises(BuildError, match=f"^{re.escape('the bitstream must be of ice40, not ecp5')}$"):
        bitstream_verilog(board_named("ulx3s-25f"), tmp_path)
