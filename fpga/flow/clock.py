"""Domain ``sync`` from a board's crystal through the PLL of its family; in reset until the PLL has locked."""

from amaranth.build import Platform
from amaranth.hdl import ClockSignal, Const, Elaboratable, Instance, IOValue, Module, Signal, Value
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from .pll import PLL

__all__ = ["Clock", "ECP5Clock", "GowinClock", "ICE40Clock", "ICE40CoreClock"]


class Clock(Elaboratable):
    """The clock of a family.

    Parameters
    ----------
    resource : str
        The crystal's resource of the platform; its pin must be one that leads to a PLL.
    pll : PLL
        Settings of the PLL.
    """

    def __init__(self, resource: str, pll: PLL) -> None:
        self.resource = resource
        self.pll = pll
        self.locked = Signal()

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
        return buffer.i


class ICE40Clock(Clock):
    """An SB_PLL40_PAD; the crystal's pin must be the PLL's own."""

    CELL = "SB_PLL40_PAD"

    def drive(self, m: Module, platform: Platform) -> None:
        clock = Signal()            # nextpnr derives its constraint from the crystal's and the PLL's settings
        m.submodules.pll = Instance(
            self.CELL,
            **self.pll.parameters(),
            **self.reference(m, platform),
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTCORE=clock,
            o_LOCK=self.locked,
        )
        m.submodules.buffer = Instance("SB_GB", i_USER_SIGNAL_TO_GLOBAL_BUFFER=clock,
                                       o_GLOBAL_BUFFER_OUTPUT=ClockSignal())

    def reference(self, m: Module, platform: Platform) -> dict[str, Value | IOValue]:
        """The pin of the cell that takes the crystal."""
        return {"i_PACKAGEPIN": platform.request(self.resource, dir="-").io}


class ICE40CoreClock(ICE40Clock):
    """An SB_PLL40_CORE, for a crystal on another pin than the PLL's own."""

    CELL = "SB_PLL40_CORE"

    def reference(self, m: Module, platform: Platform) -> dict[str, Value | IOValue]:
        return {"i_REFERENCECLK": self.crystal(m, platform)}


class ECP5Clock(Clock):
    """An EHXPLLL."""

    def drive(self, m: Module, platform: Platform) -> None:
        idle = {f"i_{name}": Const(0) for name in ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP",
                                                   "PHASELOADREG", "PLLWAKESYNC", "ENCLKOP")}
        m.submodules.pll = Instance(
            "EHXPLLL",
            **self.pll.parameters(),
            **idle,
            i_CLKI=self.crystal(m, platform),
            i_CLKFB=ClockSignal(),
            o_CLKOP=ClockSignal(),
            o_LOCK=self.locked,
        )


class GowinClock(Clock):
    """An rPLL."""

    def drive(self, m: Module, platform: Platform) -> None:
        buses = {"FBDSEL": 6, "IDSEL": 6, "ODSEL": 6, "PSDA": 4, "DUTYDA": 4, "FDLY": 4}
        m.submodules.pll = Instance(
            "rPLL",
            **self.pll.parameters(),
            **{f"i_{name}": Const(0, width) for name, width in buses.items()},
            i_RESET=Const(0),
            i_RESET_P=Const(0),
            i_CLKFB=Const(0),
            i_CLKIN=self.crystal(m, platform),
            o_CLKOUT=ClockSignal(),
            o_LOCK=self.locked,
        )
