"""ECP5 of Lattice: its record, its PLL, its clock, and passes over the netlist for block RAMs and carry chains.

The PLL is that of Lattice FPGA-TN-02200 (ECP5 sysCLOCK PLL/DLL) and of the data sheet FPGA-DS-02012.
"""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import ClockSignal, Const, Instance, Module

from .clock import Clock
from .family import NAME, BoardFamily, Chip, Device
from .pll import OutputPLL, Parameters

__all__ = ["ECP5", "ECP5PLL", "IDLE_PINS", "ECP5Clock", "absorb_registers", "open_chains"]

WIDEST_WORD = 36        # bits of a word of a block RAM
PACKAGES = {"BG": "CABGA", "MG": "CSFBGA"}      # of Lattice's part numbers, in nextpnr's words

Cell = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ECP5PLL(OutputPLL):
    """An EHXPLLL with feedback from CLKOP."""

    REFERENCE = 8e6, 400e6
    DETECTOR = 3.125e6, 400e6
    VCO = 400e6, 800e6
    OUTPUT = 3.125e6, 400e6
    MOST = 128
    POSTS = range(1, 129)

    def parameters(self) -> Parameters:
        return {
            "a_FREQUENCY_PIN_CLKI": str(self.reference / 1e6),
            "a_FREQUENCY_PIN_CLKOP": str(self.frequency / 1e6),
            "a_ICP_CURRENT": "12",
            "a_LPF_RESISTOR": "8",
            "a_MFG_ENABLE_FILTEROPAMP": "1",
            "a_MFG_GMCREF_SEL": "2",
            "p_PLLRST_ENA": "DISABLED",
            "p_INTFB_WAKE": "DISABLED",
            "p_STDBY_ENABLE": "DISABLED",
            "p_DPHASE_SOURCE": "DISABLED",
            "p_FEEDBK_PATH": "CLKOP",
            "p_OUTDIVIDER_MUXA": "DIVA",
            "p_CLKOP_ENABLE": "ENABLED",
            "p_CLKI_DIV": self.divider,
            "p_CLKFB_DIV": self.feedback,
            "p_CLKOP_DIV": self.post,
            "p_CLKOP_CPHASE": (self.post - 1) // 2,     # the loop takes it out again
            "p_CLKOP_FPHASE": 0,
        }


IDLE_PINS = {f"i_{name}": Const(0) for name in ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP",
                                                "PHASELOADREG", "PLLWAKESYNC", "ENCLKOP")}
"""Inputs of an EHXPLLL that nobody drives."""


class ECP5Clock(Clock):
    """An EHXPLLL."""

    CELL = "EHXPLLL"

    def drive(self, m: Module, platform: Platform) -> None:
        m.submodules.pll = Instance(
            self.CELL,
            **self.pll.parameters(),
            **IDLE_PINS,
            i_CLKI=self.crystal(m, platform),
            i_CLKFB=ClockSignal(),
            o_CLKOP=ClockSignal(),
            o_LOCK=self.locked,
        )


def absorb_registers(netlist: dict[str, Any]) -> int:
    """Use the output registers of ECP5's block RAMs, in place; returns how many flip-flops were taken away.

    Yosys leaves a register behind a memory in flip-flops. A word comes 5.8 ns after the clock without the memory's own
    register, and much sooner with it. It takes a port's flip-flops where each bit that is used goes to one of them and
    nowhere else, and they share the port's clock and have neither an enable nor a reset. A port that uses its register
    already is left as it is.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it in JSON.
    """
    return sum(_absorb(module) for module in netlist["modules"].values())


def _absorb(module: dict[str, Any]) -> int:
    cells: dict[str, Cell] = module["cells"]
    users: dict[int, list[tuple[str, str]]] = {}
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"].get(pin) == "input":
                for bit in bits:
                    users.setdefault(bit, []).append((name, pin))
    for port in module.get("ports", {}).values():
        for bit in port["bits"]:
            users.setdefault(bit, []).append(("", ""))
    taken = 0
    for cell in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        # a word of 36 bits leaves by both ports
        whole = int(cell["parameters"]["DATA_WIDTH_B"], 2) == WIDEST_WORD
        for ports in ("AB",) if whole else ("A", "B"):
            if any(cell["parameters"][f"REGMODE_{port}"] == "OUTREG" for port in ports):
                continue
            pins = cell["connections"]
            registers = {pin: users[bit] for pin, (bit, *_) in pins.items()
                         if pin[:-1].rstrip("0123456789") in {f"DO{port}" for port in ports} and bit in users}
            if not registers or not all(_plain_register(cells, found, pins[f"CLK{ports[-1]}"])
                                        for found in registers.values()):
                continue
            for pin, [(name, _)] in registers.items():
                pins[pin] = cells.pop(name)["connections"]["Q"]
            for port in ports:
                cell["parameters"][f"REGMODE_{port}"] = "OUTREG"
                pins[f"OCE{port}"] = ["1"]
            taken += len(registers)
    return taken


def _plain_register(cells: Mapping[str, Cell], users: list[tuple[str, str]], clock: list[Any]) -> bool:
    """Whether the one user of a bit is a flip-flop that does nothing but hold it, with this clock."""
    if len(users) != 1 or users[0][1] != "DI":
        return False
    cell = cells[users[0][0]]
    pins = cell["connections"]
    return (cell["type"] == "TRELLIS_FF" and pins["CLK"] == clock and cell["parameters"]["CLKMUX"] == "CLK"
            and all(pins.get(pin, [idle]) == [idle] for pin, idle in (("CE", "1"), ("LSR", "0")))
            and cell["parameters"].get("CEMUX", "1").strip() in ("1", "CE"))


def open_chains(netlist: dict[str, Any]) -> int:
    """Leave the ends of ECP5's carry chains open where nothing depends on them, in place; returns how many ends.

    nextpnr puts a cell before a carry in that is a constant, and one behind a carry out that has a net, even if nobody
    reads it. Nothing depends on the carry in of a half that never hands it on, and whose sum nobody reads: such halves
    begin the chains of `hdl.array.popcount.carry`, and those of `hdl.array.popcount.tree`, where both operands are the
    same signal.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it in JSON.
    """
    return sum(_open(module) for module in netlist["modules"].values())


def _open(module: dict[str, Any]) -> int:
    chains = [cell for cell in module["cells"].values() if cell["type"] == "CCU2C"]
    if not chains:
        return 0
    readers = Counter(bit for cell in module["cells"].values() for pin, bits in cell["connections"].items()
                      if cell["port_directions"].get(pin) == "input" for bit in bits)
    readers.update(bit for port in module.get("ports", {}).values() for bit in port["bits"])
    opened = 0
    for cell in chains:
        pins = cell["connections"]
        if (pins["CIN"] in (["0"], ["1"]) and not any(readers[bit] for bit in pins.get("S0", ()))
                and not _may_pass(cell)):
            pins["CIN"] = ["x"]
            opened += 1
        if not any(readers[bit] for bit in pins.get("COUT", ())) and pins.get("COUT", ["x"]) != ["x"]:
            pins["COUT"] = ["x"]
            opened += 1
    return opened


def _may_pass(cell: Cell) -> bool:
    """Whether the lower half of a CCU2C can propagate a carry: whether its LUT is 1 for any inputs."""
    table = int(cell["parameters"]["INIT0"], 2)
    inputs = [cell["connections"].get(pin, ["0"])[0] for pin in ("A0", "B0", "C0", "D0")]
    signals = sorted({bit for bit in inputs if isinstance(bit, int)})
    for bits in itertools.product((0, 1), repeat=len(signals)):
        known = dict(zip(signals, bits, strict=True)) | {"0": 0, "1": 1, "x": 0}
        if table >> sum(known[bit] << place for place, bit in enumerate(inputs)) & 1:
            return True
    return False


def chip_of(platform: Platform) -> Chip:
    """The FPGA, an LFE5U or LFE5UM5G, of a `amaranth.vendor.LatticeECP5Platform`."""
    size = platform.device.lower().removeprefix("lfe5u").replace("m5g", "um5g").removeprefix("-").removesuffix("f")
    package = PACKAGES[platform.package[:2]] + platform.package[2:]
    return Chip(f"{platform.device}-{platform.speed}{platform.package}{platform.grade}",
                (f"--{size}k", "--package", package, "--speed", platform.speed))


ECP5 = BoardFamily(
    name="ecp5", chip=chip_of,
    devices={"LFE5U-12F": Device(24288, 56), "LFE5U-25F": Device(24288, 56), "LFE5U-45F": Device(43848, 108),
             "LFE5U-85F": Device(83640, 208), "LFE5UM5G-45F": Device(43848, 108),
             "LFE5UM5G-85F": Device(83640, 208)},
    synthesis="synth_ecp5 -abc9 -nowidelut", delay=3000, savings=(absorb_registers, open_chains),
    pll=ECP5PLL, clock=ECP5Clock,
    netlist=f"{NAME}.json",
    place="nextpnr-ecp5",
    # the default weight, 10, leaves long paths in the sequencer: 110 MHz where 50 makes 126 (2,048 operations a cycle)
    place_options=("--json", f"{NAME}.json", "--lpf", f"{NAME}.lpf", "--textcfg", f"{NAME}.config",
                   "--placer-heap-timingweight", "50"),
    # words of block RAMs all over the chip: the wires of the default placer are a quarter longer, and router1 rips up
    # nine arcs for each that it routes, for hours
    dense_options=("--placer", "static", "--router", "router2"),
    routed=f"{NAME}.config",
    pack="ecppack", pack_options=("--compress", "--input", f"{NAME}.config", "--bit", f"{NAME}.bit"),
    bitstream=f"{NAME}.bit",
    pack_only=("--85k", "--package", "CABGA756", "--lpf-allow-unconstrained"),
    luts={"LUT4": 1, "TRELLIS_DPR16X4": 4}, carries={"CCU2C": 2}, flop="TRELLIS_FF", rams=("DP16KD", "PDPW16KD"),
    resources={"lut": ("TRELLIS_COMB",), "ram": ("DP16KD",), "dsp": ("MULT18X18D",), "pll": ("EHXPLLL",)},
    ram_shapes=((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)), lut_memory_bits=2048,
    fill=0.8,           # nextpnr counts 1.02 times as many
    # words of 64 lanes leave no way through a device of some size; a flip-flop costs no logic cell
    axes={"lanes": (16, 32), "pipeline": (2, 3)}, common={"fetch_width": 8, "memory_registers": 2},
    yosys_models="ecp5/cells_sim.v", models=("ecp5.v", "block_ram.v"),
)
