"""The pins of a board's SPI flash, which also holds the bitstream."""

from amaranth.build import Platform, ResourceError
from amaranth.hdl import Cat, Instance, Module, ResetSignal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FlashPins"]

RESOURCES = "spi_flash", "spi_flash_1x"
QUAD = "copi", "cipo", "wp", "hold"
"""The pins IO0 to IO3."""


class FlashPins(wiring.Component):
    """Connects `hdl.boot.flash_reader.FlashReader` to a board's resource ``spi_flash`` or ``spi_flash_1x``.

    The clock is a pin. On ECP5 it leaves through the primitive USRMCLK, which drives the pin of the configuration's
    clock once the reset of domain ``sync`` has ended (Lattice FPGA-TN-02039, "ECP5 and ECP5-5G sysCONFIG usage guide").
    On one line, write protect and hold are inactive; on four they are IO2 and IO3.

    Parameters
    ----------
    lines : int
        1 or 4.

    Members
    -------
    cs, sck, copi : In(1), cipo : Out(lines), drive : In(1), only with four lines
        As of `hdl.boot.flash_reader.FlashReader`.
    """

    def __init__(self, *, lines: int = 1) -> None:
        self.lines = lines
        super().__init__({"cs": In(1), "sck": In(1), "copi": In(1), "cipo": Out(lines)}
                         | ({"drive": In(1)} if lines > 1 else {}))

    def elaborate(self, platform: Platform) -> Module:
        ports = self._ports(platform)
        missing = [name for name in QUAD[:self.lines] if name not in ports]
        if missing:
            raise ResourceError(f"the flash must have pins {', '.join(missing)} to be read on {self.lines} lines")
        m = Module()
        m.submodules.cs = cs = io.Buffer("o", ports["cs"])
        m.d.comb += cs.o.eq(self.cs)
        if getattr(platform, "device", "").startswith("LFE5"):
            m.submodules.sck = Instance("USRMCLK", i_USRMCLKI=self.sck, i_USRMCLKTS=ResetSignal(allow_reset_less=True))
        else:
            m.submodules.sck = sck = io.Buffer("o", ports["clk"])
            m.d.comb += sck.o.eq(self.sck)
        if self.lines == 1:
            m.submodules.copi = copi = io.Buffer("o", ports["copi"])
            m.submodules.cipo = cipo = io.Buffer("i", ports["cipo"])
            m.d.comb += [copi.o.eq(self.copi), self.cipo.eq(cipo.i)]
            for name in QUAD[2:]:
                if name in ports:                   # active low in the flash; the resource inverts them
                    m.submodules[name] = buffer = io.Buffer("o", ports[name])
                    m.d.comb += buffer.o.eq(0)
            return m
        levels = []
        for name in QUAD:                           # in both directions, and without an inversion
            port = ports[name]
            m.submodules[name] = pin = io.Buffer("io", io.SingleEndedPort(port.io))
            m.d.comb += [pin.o.eq(self.copi), pin.oe.eq(self.drive if name == QUAD[0] else 0)]
            levels.append(pin.i)
        m.d.comb += self.cipo.eq(Cat(levels))
        return m

    @staticmethod
    def _ports(platform: Platform) -> dict[str, io.SingleEndedPort]:
        """The ports of the board's flash by their names."""
        for resource in RESOURCES:
            try:
                known = platform.lookup(resource, 0)
            except ResourceError:
                continue
            names = [pin.name for pin in known.ios if hasattr(pin, "ios")]
            pins = platform.request(resource, 0, dir=dict.fromkeys(names, "-"))
            return {name: getattr(pins, name) for name in names}
        raise ResourceError(f"the board must have a resource {' or '.join(RESOURCES)} for a flash")
