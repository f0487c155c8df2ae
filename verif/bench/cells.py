"""Models of the FPGA cells that units instantiate: in Amaranth, from the vendors' descriptions, and Yosys's own."""

from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring

from signum.hdl.lib.emit import YOSYS, run_yosys, to_rtlil

__all__ = ["CCU2C", "CELLS", "simulate_cells", "verilog_with_spram"]


class CCU2C(Elaboratable):
    """The carry cell of ECP5 without injection. An open carry in is 1, which must have no effect."""

    def __init__(self, **ports: Value) -> None:
        assert ports["p_INJECT1_0"] == ports["p_INJECT1_1"] == "NO"
        self.ports = ports

    def elaborate(self, platform: object) -> Module:
        m = Module()
        carry = self.ports.get("i_CIN", 1)
        for half in "01":
            table = self.ports[f"p_INIT{half}"]
            inputs = Cat(self.ports[f"i_{name}{half}"] for name in "ABCD")
            passes = Signal(name=f"passes{half}")
            m.d.comb += [passes.eq(table >> inputs), self.ports[f"o_S{half}"].eq(passes ^ carry)]
            carry = Mux(passes, carry, (table >> inputs[:2])[0])
        m.d.comb += self.ports["o_COUT"].eq(carry)
        return m


CELLS = {"CCU2C": CCU2C}
"""The models by the name of the cell."""


def simulate_cells(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a module's instances by the models: Amaranth's simulator cannot simulate instances."""
    if hasattr(module, "Instance"):
        monkeypatch.setattr(module, "Instance", lambda kind, **ports: CELLS[kind](**ports))


def verilog_with_spram(unit: wiring.Component, name: str) -> str:
    """Verilog of a unit of one module that instantiates SB_SPRAM256KA, with Yosys's model of that cell."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "unit.il").write_text(to_rtlil(unit, name)[0])
        run_yosys("read_verilog -lib +/ice40/cells_sim.v\nread_rtlil unit.il\nproc\npmuxtree\n"
                  f"select {name}\nwrite_verilog -noattr -selected unit.v\n", folder)
        verilog = (folder / "unit.v").read_text()
    cells = (YOSYS / "share" / "ice40" / "cells_sim.v").read_text()
    begin = cells.index("module SB_SPRAM256KA")
    return verilog + cells[begin:cells.index("endmodule", begin)] + "endmodule\n"
