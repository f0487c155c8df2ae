"""The FPGA families, a file each. A new one is a record (`family.Family`) in a file of its own, and a line here."""

from .ecp5 import ECP5
from .family import NAME, Family
from .gowin import GOWIN
from .ice40 import ICE40

__all__ = ["ECP5", "FAMILIES", "GOWIN", "ICE40", "NAME", "Family"]

FAMILIES = {family.name: family for family in (
    ICE40,
    ECP5,
    GOWIN,
)}
"""All families, by name."""
