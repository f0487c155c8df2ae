"""The modules Colorlight i5 and i9 on their extension board, which amaranth-boards lacks.

Pins: the documentation of wuxx, github.com/wuxx/Colorlight-FPGA-Projects (i5 version 7.0, i9 version 7.2).
"""

import os
import subprocess
from typing import Any, ClassVar

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import LEDResources, SPIFlashResources, UARTResource

__all__ = ["ColorlightI5Platform", "ColorlightI9Platform"]

LEVEL = Attrs(IO_TYPE="LVCMOS33")


def phy(number: int, clocks: str, controls: str, data: str, sent: str) -> Resource:
    """A PHY, Broadcom B50612D; both have one reset and one management bus."""
    rx_clk, tx_clk = clocks.split()
    rx_ctl, tx_ctl = controls.split()
    return Resource(
        "eth_rgmii", number,
        Subsignal("rst", PinsN("P4", dir="o")), Subsignal("mdc", Pins("N5", dir="o")),
        Subsignal("mdio", Pins("P5", dir="io")), Subsignal("rx_clk", Pins(rx_clk, dir="i")),
        Subsignal("rx_ctl", Pins(rx_ctl, dir="i")), Subsignal("rx_data", Pins(data, dir="i")),
        Subsignal("tx_clk", Pins(tx_clk, dir="o")), Subsignal("tx_ctl", Pins(tx_ctl, dir="o")),
        Subsignal("tx_data", Pins(sent, dir="o")), LEVEL)


RESOURCES = [
    Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), LEVEL),
    UARTResource(0, rx="H18", tx="J17", attrs=LEVEL),
    # the clock goes through USRMCLK
    *SPIFlashResources(0, cs_n="R2", clk="U3", cipo="V2", copi="W2", attrs=LEVEL),
    phy(0, "H2 G1", "P2 K1", "K2 L1 N1 P1", "G2 H1 J1 J3"),
    phy(1, "L19 U19", "M20 P19", "P20 N19 N20 M19", "U20 T19 T20 R20"),
]


class ColorlightI5Platform(LatticeECP5Platform):
    """Colorlight i5 7.0."""

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources: ClassVar[list[Resource]] = [*RESOURCES, *LEDResources(pins="U16", invert=True, attrs=LEVEL)]
    connectors: ClassVar[list[Any]] = []
    loader_board = "colorlight-i5"

    def toolchain_program(self, products: Any, name: str) -> None:
        """Write the bitstream by openFPGALoader."""
        tool = os.environ.get("OPENFPGALOADER", "openFPGALoader")
        with products.extract(f"{name}.bit") as path:
            subprocess.check_call([tool, "-b", self.loader_board, path])


class ColorlightI9Platform(ColorlightI5Platform):
    """Colorlight i9 7.2."""

    device = "LFE5U-45F"
    resources: ClassVar[list[Resource]] = [*RESOURCES, *LEDResources(pins="L2", invert=True, attrs=LEVEL)]
    loader_board = "colorlight-i9"
