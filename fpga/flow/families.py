"""The FPGA families: everything in which their flows differ."""

from collections.abc import Mapping
from dataclasses import dataclass

from signum.hdl.array.popcount.registry import structure_of
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import Target

from .clock import Clock, ECP5Clock, GowinClock, ICE40Clock
from .pll import ECP5PLL, ICE40PLL, PLL, GowinPLL

__all__ = ["FAMILIES", "NAME", "Family"]

NAME = "signum"
"""What the files of a build are called."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family's tools and cells.

    Parameters
    ----------
    name : str
        As people write it in small letters.
    synthesis : str
        Yosys's command without ``-top``.
    delay : int
        Picoseconds that mapping allows a level of a processing element, by abc9's reckoning; with fewer, it doubles
        logic for depth.
    pll, clock : type
        Settings of its PLL, and what makes a clock with it.
    netlist : str
        File that goes from synthesis to placement.
    place, pack : str
        Tools of `fpga.flow.tools`.
    place_options, pack_options : tuple of str
        Files of both, beside what a board adds.
    routed, bitstream : str
        Files that they write.
    luts : mapping of str to int
        What the cells of Yosys's netlist are worth in LUT4s.
    carries : mapping of str to int
        The same of its carry cells. An iCE40's carry stands in a LUT's own logic cell.
    flop : str
        How the names of its flip-flops begin.
    resources : mapping of str to tuple of str
        Resources in nextpnr's report by our names: ``lut``, ``ram``, ``dsp`` and ``pll``. The uses of several add up;
        the first one tells how many there are.
    """

    name: str
    synthesis: str
    delay: int
    pll: type[PLL]
    clock: type[Clock]
    netlist: str
    place: str
    place_options: tuple[str, ...]
    routed: str
    pack: str
    pack_options: tuple[str, ...]
    bitstream: str
    luts: Mapping[str, int]
    carries: Mapping[str, int]
    flop: str
    resources: Mapping[str, tuple[str, ...]]

    def mapping(self, config: ArrayConfig, *, portable: bool = False) -> str:
        """Before synthesis: map for area, within ``delay`` for each level of the elements that has no register.

        Elements of the family's cells have nothing to map, and leave it to the control; ``portable`` units have none.
        """
        target = None if portable else Target(self.name)
        in_cells = bool(structure_of(target, config).families)
        delay = self.delay * (1 if in_cells else -(-config.most_stages // max(config.pipeline, 1)))
        return f"scratchpad -set abc9.script +&scorr;&sweep;&b;&if,-W,300,-D,{delay}"

    @property
    def command(self) -> str:
        """Yosys's command."""
        return self.synthesis.split()[0]

    @property
    def synthesis_options(self) -> str:
        return " ".join(self.synthesis.split()[1:])


ICE40 = Family(
    name="ice40", synthesis="synth_ice40 -abc9", delay=4000,
    pll=ICE40PLL, clock=ICE40Clock, netlist=f"{NAME}.json",
    place="nextpnr-ice40",
    place_options=("--json", f"{NAME}.json", "--pcf", f"{NAME}.pcf", "--asc", f"{NAME}.asc"), routed=f"{NAME}.asc",
    pack="icepack", pack_options=(f"{NAME}.asc", f"{NAME}.bin"), bitstream=f"{NAME}.bin",
    luts={"SB_LUT4": 1}, carries={"SB_CARRY": 0}, flop="SB_DFF",
    resources={"lut": ("ICESTORM_LC",), "ram": ("ICESTORM_RAM",), "dsp": ("ICESTORM_DSP",), "pll": ("ICESTORM_PLL",)},
)
ECP5 = Family(
    name="ecp5", synthesis="synth_ecp5 -abc9 -nowidelut", delay=3000,
    pll=ECP5PLL, clock=ECP5Clock, netlist=f"{NAME}.json",
    place="nextpnr-ecp5",
    # the default weight, 10, leaves long paths in the sequencer: 110 MHz where 50 makes 126 (2,048 operations a cycle)
    place_options=("--json", f"{NAME}.json", "--lpf", f"{NAME}.lpf", "--textcfg", f"{NAME}.config",
                   "--placer-heap-timingweight", "50"),
    routed=f"{NAME}.config",
    pack="ecppack", pack_options=("--compress", "--input", f"{NAME}.config", "--bit", f"{NAME}.bit"),
    bitstream=f"{NAME}.bit",
    luts={"LUT4": 1, "TRELLIS_DPR16X4": 4}, carries={"CCU2C": 2}, flop="TRELLIS_FF",
    resources={"lut": ("TRELLIS_COMB",), "ram": ("DP16KD",), "dsp": ("MULT18X18D",), "pll": ("EHXPLLL",)},
)
GOWIN = Family(
    name="gowin", synthesis="synth_gowin -abc9 -nowidelut", delay=5000, pll=GowinPLL, clock=GowinClock,
    netlist=f"{NAME}.syn.json",
    place="nextpnr-himbaechel-gowin",
    place_options=("--json", f"{NAME}.syn.json", "--vopt", f"cst={NAME}.cst", "--write", f"{NAME}.pnr.json"),
    routed=f"{NAME}.pnr.json",
    pack="gowin_pack", pack_options=("-o", f"{NAME}.fs", f"{NAME}.pnr.json"), bitstream=f"{NAME}.fs",
    luts={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "RAM16SDP4": 4}, carries={"ALU": 1}, flop="DFF",
    resources={"lut": ("LUT4", "ALU"), "ram": ("BSRAM",), "dsp": ("MULT18X18",), "pll": ("rPLL",)},
)
FAMILIES = {family.name: family for family in (ICE40, ECP5, GOWIN)}
