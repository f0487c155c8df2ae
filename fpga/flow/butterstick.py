"""The ButterStick of amaranth-boards, with the levels of its ULPI port and the program that writes its flash."""

import os
import subprocess
from typing import Any

from amaranth_boards.butterstick import ButterStickPlatform as Pins

__all__ = ["SUPPLY", "VOLTS", "ButterStickPlatform"]

SUPPLY = "vccio_ctrl"
"""The resource of the regulators."""

VOLTS = 1.0, 1.0, 3.3
"""Of the I/O banks of the SYZYGY ports A, B and C: the last one has the ULPI transceiver, the others are unused."""

BOOTLOADER = "1209:5af1"        # vendor and product in USB


class ButterStickPlatform(Pins):
    """ButterStick revision 1.0; the design must enable the supplies of `VOLTS`."""

    def __init__(self) -> None:
        super().__init__(VCCIOC="3V3")

    def toolchain_program(self, products: Any, name: str) -> None:
        """Write the bitstream through the board's bootloader, by dfu-util."""
        tool = os.environ.get("DFU_UTIL", "dfu-util")
        with products.extract(f"{name}.bit") as path:
            subprocess.check_call([tool, "-d", BOOTLOADER, "-a", "0", "-R", "-D", path])
