"""Gowin's GW1N and GW2A: their record, their PLL and their clock.

The PLL is that of UG286 (clock) and of the data sheets of GW1NR-9 and GW2A-18, whose common ranges are taken.
"""

import re
from dataclasses import dataclass

from amaranth.build import Platform
from amaranth.hdl import ClockSignal, Const, Instance, Module

from .clock import Clock
from .family import NAME, BoardFamily, Chip, Device
from .pll import OutputPLL, Parameters

__all__ = ["GOWIN", "GowinClock", "GowinPLL"]


@dataclass(frozen=True, kw_only=True)
class GowinPLL(OutputPLL):
    """An rPLL with internal feedback."""

    REFERENCE = 3e6, 400e6
    DETECTOR = 3e6, 400e6
    VCO = 500e6, 1200e6
    OUTPUT = 4e6, 600e6
    MOST = 64
    POSTS = 2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128

    def parameters(self) -> Parameters:
        return {
            "p_FCLKIN": f"{self.reference / 1e6:g}",
            "p_IDIV_SEL": self.divider - 1,
            "p_FBDIV_SEL": self.feedback - 1,
            "p_ODIV_SEL": self.post,
        }


class GowinClock(Clock):
    """An rPLL."""

    CELL = "rPLL"

    def drive(self, m: Module, platform: Platform) -> None:
        buses = {"FBDSEL": 6, "IDSEL": 6, "ODSEL": 6, "PSDA": 4, "DUTYDA": 4, "FDLY": 4}
        m.submodules.pll = Instance(
            self.CELL,
            **self.pll.parameters(),
            **{f"i_{name}": Const(0, width) for name, width in buses.items()},
            i_RESET=Const(0),
            i_RESET_P=Const(0),
            i_CLKFB=Const(0),
            i_CLKIN=self.crystal(m, platform),
            o_CLKOUT=ClockSignal(),
            o_LOCK=self.locked,
        )


def chip_of(platform: Platform) -> Chip:
    """The FPGA of a `amaranth.vendor.GowinPlatform`; the tools know a GW1NR, which adds a RAM in the package, as GW1N.

    Pins of the configuration that a board uses stand in the script of its platform's own build.
    """
    known = platform.family.replace("GW1NR-", "GW1N-")
    script = platform.build(Module(), name=NAME, do_build=False).files[f"build_{NAME}.sh"]
    return Chip(platform.part, ("--device", platform.part, "--vopt", f"family={known}"),
                ("-d", known, *re.findall(r"--\w+_as_gpio", script)))


GOWIN = BoardFamily(
    name="gowin", chip=chip_of,
    devices={"GW1NR-LV9": Device(8640, 26), "GW2A-LV18": Device(20736, 46)},
    synthesis="synth_gowin -abc9 -nowidelut", delay=5000,
    pll=GowinPLL, clock=GowinClock,
    netlist=f"{NAME}.syn.json",
    place="nextpnr-himbaechel-gowin",
    place_options=("--json", f"{NAME}.syn.json", "--vopt", f"cst={NAME}.cst", "--write", f"{NAME}.pnr.json"),
    routed=f"{NAME}.pnr.json",
    pack="gowin_pack", pack_options=("-o", f"{NAME}.fs", f"{NAME}.pnr.json"), bitstream=f"{NAME}.fs",
    luts={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "RAM16SDP4": 4}, carries={"ALU": 1},
    free=("GND", "VCC", "IBUF", "OBUF"), flop="DFF", rams=("SDP", "DPB", "DPX9", "SPX9", "SP", "pROM"),
    resources={"lut": ("LUT4", "ALU"), "ram": ("BSRAM",), "dsp": ("MULT18X18",), "pll": ("rPLL",)},
    ram_shapes=((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)), lut_memory_bits=2048,
    fill=0.8,           # nextpnr counts 1.08 times as many
    # a flip-flop costs no logic cell
    axes={"pipeline": (3, 5)}, common={"fetch_width": 8, "memory_registers": 1},
    yosys_models="gowin/cells_sim.v", models=("gowin.v", "block_ram.v"),
)
