"""Domain ``sync`` from a board's crystal through the PLL of its family; in reset until the PLL has locked."""

from typing import ClassVar

from amaranth.build import Platform
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from .pll import PLL

__all__ = ["Clock"]


class Clock(Elaboratable):
    """The clock of a family.

    Parameters
    ----------
    resource : str
        The crystal's resource of the platform; its pin must be one that leads to a PLL.
    pll : PLL
        Settings of the PLL.

    Members
    -------
    source : Signal
        The crystal, behind its pin's buffer.
    """

    CELL: ClassVar[str]
    """The PLL's cell."""

    def __init__(self, resource: str, pll: PLL) -> None:
        self.resource = resource
        self.pll = pll
        self.locked = Signal()
        self.source = Signal()

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        self.drive(m, platform)
        m.submodules.reset = ResetSynchronizer(~self.locked)
        return m

    def drive(self, m: Module, platform: Platform) -> None:
        """Add the PLL, which drives the domain's clock and ``locked``."""
        raise NotImplementedError

    def crystal(self, m: Module, platform: Platform) -> Signal:
        """The crystal, behind its pin's buffer."""
        m.submodules.crystal = buffer = io.Buffer("i", platform.request(self.resource, dir="-"))
        m.d.comb += self.source.eq(buffer.i)
        return self.source
