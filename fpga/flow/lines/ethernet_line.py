"""Gigabit Ethernet as the line of a board: UDP datagrams, by liteeth's core and the buffers around it."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import DomainRenamer, Module, Value
from amaranth.lib import io, wiring
from amaranth.lib.fifo import AsyncFIFOBuffered
from amaranth.lib.wiring import In

from signum.hdl.host.udp_line import LEAST_BUFFER, UDPLine, datagram_layout

from .board_line import BoardError, LineUnit, Window
from .liteeth_core import CORE, MOST_DELAY, RGMII, LiteEthCore, core_verilog

__all__ = ["CLOCKS", "PORT", "RGMII_CLOCK", "Ethernet", "EthernetLine"]

RGMII_CLOCK = 125e6
DOMAIN = "ethernet"
CLOCKS = {DOMAIN: 50e6}
"""Of the core: 4 bytes a cycle, faster than the network; it places at some 75 MHz on an ECP5."""
FIFO_DEPTH = 16
PORT = 5347
CELLS = Path(__file__).with_name("ecp5_ddr.v")
ESCAPES = 8
"""So many bytes of a frame are one longer by escapes, at most, in the buffer that holds the frames of a window."""
WINDOW = Window(slots=8, slot_bytes=1024, number_bits=11)
"""A frame of 1,024 values fits a datagram, but for one with many values that are escaped; 60 MB/s of them need a
response within 130 us."""


@dataclass(frozen=True, kw_only=True)
class Ethernet:
    """The place of a board in a network, and its PHY.

    Parameters
    ----------
    address : str
        IPv4 address.
    port : int
        UDP port.
    mac : int
        MAC address, 48 bits; by default one of the locally administered.
    resource : int
        Number of the platform's resource ``eth_rgmii``.
    tx_delay, rx_delay : float
        Seconds by which the FPGA delays RGMII's clock to the PHY, and its data from there: 2 ns in all with the
        delays of the PHY and of the board.

    Raises
    ------
    BoardError
        If a parameter is out of its range.
    """

    address: str = "192.168.1.50"
    port: int = PORT
    mac: int = 0x0253_474E_4D00
    resource: int = 0
    tx_delay: float = 0.0
    rx_delay: float = 2e-9
    window: Window | None = WINDOW

    def __post_init__(self) -> None:
        try:
            ipaddress.IPv4Address(self.address)
        except ValueError:
            raise BoardError(f"address must be an IPv4 address, not {self.address!r}") from None
        if not 0 < self.port < 1 << 16:
            raise BoardError(f"port must be 1 to 65535, not {self.port}")
        if not 0 <= self.mac < 1 << 48 or self.mac >> 40 & 1:
            raise BoardError(f"mac must be a MAC address of one device, not {self.mac:#x}")
        for name in ("tx_delay", "rx_delay"):
            if not 0 <= getattr(self, name) <= MOST_DELAY:
                raise BoardError(f"{name} must be 0 to {MOST_DELAY} s, not {getattr(self, name)}")

    @property
    def text(self) -> str:
        """Its name for people."""
        return f"gigabit Ethernet, UDP at {self.address}:{self.port}"

    def unit(self, clock: float) -> "EthernetLine":
        """Its port; BoardError if the clock is too slow to keep up with the network."""
        if clock < CLOCKS[DOMAIN]:
            raise BoardError(f"frequency must be at least {CLOCKS[DOMAIN] / 1e6:g} MHz for gigabit Ethernet, "
                             f"not {clock / 1e6:.4g}")
        window = self.window or WINDOW
        # where the bridge takes values as fast as bytes come, all frames of the window wait in this buffer
        room = window.slots * (window.slot_bytes + window.slot_bytes // ESCAPES)
        return EthernetLine(port=self.port, resource=self.resource,
                            received_bytes=max(LEAST_BUFFER, 1 << (room - 1).bit_length()))

    def sources(self) -> dict[str, str]:
        """The core; ToolError or BuildError as `core_verilog`."""
        return {f"{CORE}.v": core_verilog(clock=CLOCKS[DOMAIN], address=self.address, mac=self.mac,
                                          tx_delay=self.tx_delay, rx_delay=self.rx_delay)}

    def models(self) -> dict[str, str]:
        """The cells at the pins of RGMII."""
        return {CELLS.name: CELLS.read_text()}


class EthernetLine(LineUnit):
    """`UDPLine` around `LiteEthCore`.

    The core works in a domain of its own, ``ethernet`` of 50 MHz; domain ``sync`` must be no slower, since the core
    cannot wait within a datagram. FIFOs stand between them (their instances are named ``..._fifo``): of the paths
    between clocks only their Gray-coded pointers need a bound, of one period of the faster clock.

    Parameters
    ----------
    port : int
        The UDP port.
    resource : int
        Number of the platform's resource ``eth_rgmii``.
    received_bytes, sent_bytes : int
        See `UDPLine`.

    Members
    -------
    line : Out(line_signature)
        The line.
    ethernet_clk, ethernet_rst : In(1)
        Of domain ``ethernet``.
    further members
        The pins `RGMII`.
    """

    ordered = False
    slow = False

    def __init__(self, *, port: int = PORT, resource: int = 0, received_bytes: int = 4096,
                 sent_bytes: int = 2048) -> None:
        self.core = LiteEthCore(port=port)
        self.buffers = UDPLine(received_bytes=received_bytes, sent_bytes=sent_bytes)
        self.resource = resource
        super().__init__(RGMII, CLOCKS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.add_domains(m)
        m.submodules.core = DomainRenamer(DOMAIN)(self.core)
        m.submodules.buffers = buffers = self.buffers
        m.submodules.received_fifo = received = AsyncFIFOBuffered(
            width=datagram_layout.size, depth=FIFO_DEPTH, w_domain=DOMAIN, r_domain="sync")
        m.submodules.sent_fifo = sent = AsyncFIFOBuffered(
            width=datagram_layout.size, depth=FIFO_DEPTH, w_domain="sync", r_domain=DOMAIN)
        for source, target in ((self.core.received, received.w_stream), (received.r_stream, buffers.received),
                               (buffers.sent, sent.w_stream), (sent.r_stream, self.core.sent)):
            m.d.comb += [
                Value.cast(target.payload).eq(source.payload),
                target.valid.eq(source.valid),
                source.ready.eq(target.ready),
            ]
        wiring.connect(m, buffers.line, wiring.flipped(self.line))
        for name, member in RGMII.items():
            inner, outer = getattr(self.core, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return m

    def connect_pads(self, m: Module, platform: Platform, pins: Any) -> None:
        """Connect ``pins`` to the platform's RGMII PHY, out of reset and with the set-up that its pins give it."""
        resource = platform.lookup("eth_rgmii", self.resource)
        pads = platform.request("eth_rgmii", self.resource, dir={part.name: "-" for part in resource.ios})
        for name, member in RGMII.items():
            pad = getattr(pads, name if hasattr(pads, name) else name.replace("ctl", "ctrl"))
            m.submodules[name] = buffer = io.Buffer("i" if member.flow == In else "o", pad)
            pin = getattr(pins, name)
            m.d.comb += pin.eq(buffer.i) if member.flow == In else buffer.o.eq(pin)
        # the management bus is idle
        for name in ("rst", "mdc"):
            if hasattr(pads, name):
                m.submodules[name] = io.Buffer("o", getattr(pads, name))
        if hasattr(pads, "mdio"):
            m.submodules.mdio = io.Buffer("i", pads.mdio)
        platform.add_clock_constraint(pads.rx_clk.io, RGMII_CLOCK)
