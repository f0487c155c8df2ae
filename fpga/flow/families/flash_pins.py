"""The pins of a board's SPI flash, which also holds the bitstream."""

from amaranth.build import Platform, ResourceError
from amaranth.hdl import Const, Instance, Module
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FlashPins"]


class FlashPins(wiring.Component):
    """One data line in each direction. The clock is a pin, or on ECP5 leaves through the primitive USRMCLK, which
    drives the pin of the configuration's clock (Lattice FPGA-TN-02039, "ECP5 and ECP5-5G sysCONFIG usage guide").

    Members
    -------
    cs, sck, copi : In(1), cipo : Out(1)
        ``cs`` is high while the flash is selected.
    """

    def __init__(self) -> None:
        super().__init__({"cs": In(1), "sck": In(1), "copi": In(1), "cipo": Out(1)})

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        names = {"cs": "-", "copi": "-", "cipo": "-"}
        further = ("clk", "wp", "hold")
        pins = None
        for resource in ("spi_flash", "spi_flash_1x"):
            try:
                known = platform.lookup(resource, 0)
            except ResourceError:
                continue
            present = [ios.name for ios in known.ios if hasattr(ios, "ios") and ios.name in further]
            pins = platform.request(resource, 0, dir=names | {name: "-" for name in present})
            break
        assert pins is not None, "the board must have a flash for a boot loader"
        m.submodules.cs = cs = io.Buffer("o", pins.cs)
        m.submodules.copi = copi = io.Buffer("o", pins.copi)
        m.submodules.cipo = cipo = io.Buffer("i", pins.cipo)
        m.d.comb += [cs.o.eq(self.cs), copi.o.eq(self.copi), self.cipo.eq(cipo.i)]
        if "clk" in present:
            m.submodules.sck = sck = io.Buffer("o", pins.clk)
            m.d.comb += sck.o.eq(self.sck)
        else:
            m.submodules.sck = Instance("USRMCLK", i_USRMCLKI=self.sck, i_USRMCLKTS=Const(0))
        for name in ("wp", "hold"):                 # active low in the flash; the resource inverts them
            if name in present:
                m.submodules[name] = buffer = io.Buffer("o", getattr(pins, name))
                m.d.comb += buffer.o.eq(0)
        return m
