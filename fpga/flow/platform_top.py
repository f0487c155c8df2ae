"""A board's design at its pads: clock, line, lights, flash and camera of a platform."""

from amaranth.build import Platform, ResourceError
from amaranth.hdl import ClockDomain, Elaboratable, Module, Value
from amaranth.lib import io

from .board_top import BoardTop
from .families.clock import Clock
from .flash_pins import FlashPins
from .lines.ecp5_clocks import ECP5LineClocks

__all__ = ["PlatformTop"]

CAMERA_RESOURCE = "pclk", "vsync", "href", "data", "master", "scl", "sda"


class PlatformTop(Elaboratable):
    """`BoardTop` on the pins of a platform, with the platform's clock.

    Parameters
    ----------
    top : BoardTop
        The design on the board.
    clock : Clock
        The driver of clock and reset of domain ``sync``.
    led : str
        Name of the light's resource, or nothing.
    """

    def __init__(self, top: BoardTop, clock: Clock, led: str = "led") -> None:
        self.top = top
        self.clock = clock
        self.led = led

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        top = self.top
        m.domains.sync = ClockDomain()
        m.submodules.clock = self.clock
        m.submodules.top = top
        m.submodules.pads = pads = Module()
        top.line.connect_pads(pads, platform, top)
        if top.line.clocks:
            m.submodules.line_clocks = ECP5LineClocks(self.clock.source, round(platform.default_clk_frequency),
                                                      top.line.clocks, top)
        if self.led:
            m.submodules.led = lit = io.Buffer("o", platform.request(self.led, 0, dir="-"))
            m.d.comb += lit.o.eq(top.busy)
        if top.boot:
            reader = top.boot.flash
            m.submodules.flash = flash = FlashPins(lines=reader.lines)
            m.d.comb += [getattr(flash, name).eq(getattr(top, f"flash_{name}")) for name in reader.pins
                         if name != "cipo"]
            m.d.comb += top.flash_cipo.eq(flash.cipo)
        if top.camera:
            self._camera(m, platform)
        return m

    def _camera(self, m: Module, platform: Platform) -> None:
        top = self.top
        pins = platform.request("camera", 0, dir={name: "-" for name in CAMERA_RESOURCE})
        for name in ("pclk", "vsync", "href", "data"):
            m.submodules[name] = buffer = io.Buffer("i", getattr(pins, name))
            m.d.comb += getattr(top, "camera_pins" if name == "data" else f"camera_{name}").eq(buffer.i)
        m.submodules.master = master = io.Buffer("o", pins.master)
        m.submodules.scl, m.submodules.sda = scl, sda = io.Buffer("io", pins.scl), io.Buffer("io", pins.sda)
        m.d.comb += [
            master.o.eq(top.camera_master),
            scl.o.eq(0), scl.oe.eq(~top.camera_scl),
            sda.o.eq(0), sda.oe.eq(~top.camera_sda),
            top.camera_sda_in.eq(sda.i),
        ]
        bits = Value.cast(top.class_)
        for number in range(1, 1 + len(bits)):          # on the further lights, as many as there are
            try:
                light = platform.request(self.led or "led", number, dir="-")
            except ResourceError:
                return
            m.submodules[f"light_{number}"] = lit = io.Buffer("o", light)
            m.d.comb += lit.o.eq(bits[number - 1])
