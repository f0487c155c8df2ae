"""The line over USB: a device with one pair of bulk endpoints, on the pins of a transceiver.

The device is made of LUNA (luna-usb), which no other file imports.
"""

import enum
import importlib.util
from dataclasses import dataclass
from math import ceil
from types import SimpleNamespace
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import Array, Cat, ClockDomain, ClockSignal, Elaboratable, Fragment, Module, ResetInserter, Signal
from amaranth.lib import io, stream, wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.fifo import AsyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from signum.hdl.host.line import sent_layout

from ..io_supply import START_SECONDS, IOSupply
from ..tools import ToolError
from .board_line import BoardError, LineUnit, Window

__all__ = ["ENDPOINT", "FULL_SPEED_BYTES", "HIGH_SPEED_BYTES", "PRODUCT", "PRODUCT_NAME", "USB", "VENDOR",
           "Transceiver", "USBLine", "ulpi_signature"]

VENDOR, PRODUCT = 0x1209, 0x0001
"""A number of pid.codes for tests, which no product has."""
PRODUCT_NAME = "Signum"
ENDPOINT = 1
"""Number of both bulk endpoints."""
FULL_SPEED_BYTES, HIGH_SPEED_BYTES = 64, 512
"""Bytes of a packet of a bulk endpoint."""
FIFO_DEPTH = 16
PHY_RESET = 512         # cycles; transceivers demand 1 us
VENDOR_SPECIFIC = 0xFF
PINS_CLOCKS = {"usb_io": 48e6, "usb": 12e6}
ULPI_CLOCKS = {"ulpi_link": 60e6}       # that the board gives to a transceiver
ULPI_CLOCK = 60e6
LEAST_CLOCK = 8e6       # a byte a cycle, which full speed brings at 1.5 MHz and high speed at 60 MHz
WINDOW = Window(slots=16, slot_bytes=1024, number_bits=11)
GET_LUNA = "a line over USB needs the extra usb: python -m pip install 'signum[usb]'"

ulpi_signature = wiring.Signature({
    "clk": In(1),
    "data": Out(io.Buffer.Signature("io", 8)),
    "nxt": In(1),
    "stp": Out(1),
    "dir": In(1),
    "rst": Out(1),
})
"""The ULPI port of a link, as its port has it. ``clk`` is the clock of 60 MHz: that of the transceiver, or the one that
the board gives to it. ``rst`` is 1 while the transceiver is held in reset."""


class Transceiver(enum.StrEnum):
    """What stands between the FPGA and the cable."""

    PINS = "pins"       # nothing: full speed
    ULPI = "ulpi"       # a chip with a ULPI port: high speed


@dataclass(frozen=True, kw_only=True)
class USB:
    """A USB device port of a board.

    Parameters
    ----------
    transceiver : Transceiver
    resource : str
        Name of the platform's resource.
    gives_clock : bool
        The board gives the clock of its ULPI port to the transceiver, and not the other way.
    supply : str
        Resource of the regulators that the FPGA sets (`fpga.flow.io_supply`), without which the transceiver has no
        supply; nothing where it has one.
    volts : tuple of float
        Of these regulators.
    """

    transceiver: Transceiver
    resource: str
    gives_clock: bool = False
    supply: str = ""
    volts: tuple[float, ...] = ()
    window: Window | None = WINDOW

    @property
    def text(self) -> str:
        """Its name for people."""
        return f"USB, {'high' if self.transceiver is Transceiver.ULPI else 'full'} speed"

    def unit(self, clock: float) -> "USBLine":
        """Its port; BoardError if the clock is slower than the wires, ToolError if luna-usb is missing."""
        if clock < LEAST_CLOCK:
            raise BoardError(f"frequency must be at least {LEAST_CLOCK / 1e6:g} MHz for USB, not {clock / 1e6:.4g}")
        supply = IOSupply(clock=clock, volts=self.volts, resource=self.supply) if self.supply else None
        return USBLine(transceiver=self.transceiver, resource=self.resource, gives_clock=self.gives_clock,
                       supply=supply, reset_cycles=ceil(START_SECONDS * clock) if supply else PHY_RESET)

    def sources(self) -> dict[str, str]:
        """Nothing beside the design."""
        return {}

    def models(self) -> dict[str, str]:
        """No cells."""
        return {}


class BulkIn(wiring.Component):
    """A bulk IN endpoint: bytes to the host, in packets that end with the frames.

    A packet ends at the last byte of a frame, or where it is full; then it waits for the host in one of two buffers.
    Behind a frame whose last packet is full comes an empty packet. A packet is sent again until the host acknowledges
    it. A handshake has no address: one counts only if the last token was for this endpoint.

    Parameters
    ----------
    interface : luna EndpointInterface
        Its connection to the device.
    most : int
        Bytes of a packet at the highest speed; at full speed a packet has at most `FULL_SPEED_BYTES`.

    Members
    -------
    i : In(stream.Signature(sent_layout))
        In domain ``usb``.
    clear : In(1)
        Forget all packets, and begin with DATA0.
    """

    def __init__(self, interface: Any, *, most: int) -> None:
        self.interface = interface
        self.most = most
        super().__init__({"i": In(stream.Signature(sent_layout)), "clear": In(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        from luna.gateware.usb.usb2 import USBSpeed
        m = Module()
        usb, token, tx = self.interface, self.interface.tokenizer, self.interface.tx
        m.submodules.memory = memory = Memory(shape=8, depth=2 * self.most, init=[])
        write, fetch = memory.write_port(domain="usb"), memory.read_port(domain="usb")

        filling, sending = Signal(), Signal()               # numbers of buffers
        full, ends = Signal(2), Signal(2)                   # of each buffer: it has a packet; an empty one comes behind
        count, position = Signal(range(self.most)), Signal(range(self.most))
        final = Array(Signal(range(self.most), name=f"final_{buffer}") for buffer in range(2))
        short = exact_log2(FULL_SPEED_BYTES)
        complete = Signal()
        m.d.comb += [
            complete.eq(count[:short].all() & ((usb.speed != USBSpeed.HIGH) | count[short:].all())),
            self.i.ready.eq(~full.bit_select(filling, 1)),
            write.addr.eq(Cat(count, filling)),
            write.data.eq(self.i.p.byte),
            write.en.eq(self.i.valid & self.i.ready),
        ]
        with m.If(write.en):
            m.d.usb += count.eq(count + 1)
            with m.If(self.i.p.last | complete):
                m.d.usb += [
                    count.eq(0),
                    filling.eq(~filling),
                    full.bit_select(filling, 1).eq(1),
                    ends.bit_select(filling, 1).eq(self.i.p.last & complete),
                    final[filling].eq(count),
                ]

        toggle, empty = Signal(), Signal()                  # the next packet is DATA1; is the empty one
        ours = token.is_in & (token.endpoint == ENDPOINT)
        asked = Signal()
        m.d.comb += [
            asked.eq(ours & token.ready_for_response),
            usb.tx_pid_toggle.eq(toggle),
            fetch.addr.eq(Cat(position, sending)),
            tx.payload.eq(fetch.data),
        ]
        with m.FSM(domain="usb"):
            with m.State("wait"):
                m.d.usb += position.eq(0)
                with m.If(asked & empty):
                    m.d.comb += [tx.valid.eq(1), tx.last.eq(1)]     # without a first byte
                    m.next = "handshake"
                with m.Elif(asked & full.bit_select(sending, 1)):
                    m.next = "send"
                with m.Elif(asked):
                    m.d.comb += usb.handshakes_out.nak.eq(1)
            with m.State("send"):
                m.d.comb += [
                    tx.valid.eq(1),
                    tx.first.eq(position == 0),
                    tx.last.eq(position == final[sending]),
                ]
                with m.If(tx.ready):
                    m.d.comb += fetch.addr.eq(Cat((position + 1)[:len(position)], sending))
                    m.d.usb += position.eq(position + 1)
                    with m.If(tx.last):
                        m.next = "handshake"
            with m.State("handshake"):
                with m.If(token.new_token):
                    m.next = "wait"
                with m.Elif(usb.handshakes_in.ack & ours):
                    m.d.usb += toggle.eq(~toggle)
                    m.next = "wait"
                    with m.If(ends.bit_select(sending, 1) & ~empty):
                        m.d.usb += empty.eq(1)
                    with m.Else():
                        m.d.usb += [empty.eq(0), full.bit_select(sending, 1).eq(0), sending.eq(~sending)]
        halt = usb.clear_endpoint_halt_in
        return ResetInserter({"usb": self.clear | halt.enable & halt.direction & (halt.number == ENDPOINT)})(m)


class BulkOut(wiring.Component):
    """A bulk OUT endpoint: bytes of the host, in order, each once.

    LUNA's endpoint, which lacks a reset: its toggle would survive a reset of the bus. A packet for which there is no
    room is refused by NAK.

    Parameters
    ----------
    interface : luna EndpointInterface
        Its connection to the device.
    most : int
        Bytes of a packet.

    Members
    -------
    o : Out(stream.Signature(8))
        In domain ``usb``.
    clear : In(1)
        Forget all bytes, and expect DATA0.
    """

    def __init__(self, interface: Any, *, most: int) -> None:
        self.interface = interface
        self.most = most
        super().__init__({"o": Out(stream.Signature(8)), "clear": In(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        from luna.gateware.usb.usb2.endpoints.stream import USBStreamOutEndpoint
        m = Module()
        m.submodules.endpoint = endpoint = USBStreamOutEndpoint(endpoint_number=ENDPOINT, max_packet_size=self.most)
        endpoint.interface = self.interface
        m.d.comb += [
            self.o.payload.eq(endpoint.stream.payload),
            self.o.valid.eq(endpoint.stream.valid),
            endpoint.stream.ready.eq(self.o.ready),
        ]
        return ResetInserter({"usb": self.clear})(m)


class Asked:
    """A platform as LUNA asks it. VBUS is taken to be there: on some boards the transceiver has no pin on it."""

    ignore_phy_vbus = True

    def __init__(self, platform: object) -> None:
        self.device = getattr(platform, "device", "")
        self._platform = platform

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform, name)


class Device(Elaboratable):
    """LUNA's device, elaborated for `Asked`."""

    def __init__(self, device: Any) -> None:
        self.device = device

    def elaborate(self, platform: object) -> Fragment:
        return Fragment.get(self.device, Asked(platform))


class USBLine(LineUnit):
    """A line over USB: a vendor-specific interface with a bulk OUT and a bulk IN endpoint, both of number 1.

    Bytes of OUT packets are received in order, each once: a packet that is damaged or repeated is not accepted, and
    where ``line.received`` is not ready, further packets are refused by NAK and sent again by the host. An IN packet
    ends with the last byte of a frame at the latest, and an empty one follows a full packet that ends a frame, so that
    a transfer of any size ends with the frame. A reset of the bus or a configuration sets both toggles to
    DATA0, and forgets what waits in the endpoints; a cleared halt does so for IN, and sets the toggle for OUT.

    The device works in LUNA's domain ``usb``, the line in ``sync`` of any other frequency. FIFOs stand between them
    (their instances are named ``..._fifo``), and also between ``usb`` and ``usb_io`` within LUNA. Of the paths between
    clocks only the Gray-coded pointers need a bound, of one period of the faster clock.

    With `Transceiver.PINS` domain ``usb_io`` has 48 MHz, and ``usb`` 12 MHz with edges at those of ``usb_io``. With
    `Transceiver.ULPI` it needs no clock but that of ``sync``: ``usb`` is made of ``ulpi.clk``. The descriptors are
    those of the highest speed; on a port of full speed, packets are short enough nevertheless.

    Parameters
    ----------
    transceiver : Transceiver
    resource : str
        Name of the platform's resource, for `connect_pads`.
    gives_clock : bool
        ``ulpi.clk`` is that of the board, which `connect_pads` also gives to the transceiver.
    supply : IOSupply, optional
        The supply of the transceiver, which `connect_pads` connects, too.
    reset_cycles : int
        Cycles of ``sync`` from power-up in which a transceiver with a ULPI port is held in reset.

    Members
    -------
    line : Out(line_signature)
    ulpi_link_clk, ulpi_link_rst : In(1), only with ``gives_clock``
    usb_io_clk, usb_io_rst, usb_clk, usb_rst : In(1), only with `Transceiver.PINS`
    d_p, d_n : Out(io.Buffer.Signature("io", 1)), only with `Transceiver.PINS`
        The wires of the cable.
    pull_up : Out(1), only with `Transceiver.PINS`
        Pull ``d_p`` up with 1.5 kOhm: the device is connected.
    ulpi : Out(ulpi_signature), only with `Transceiver.ULPI`

    Raises
    ------
    ValueError
        If the transceiver is none of `Transceiver`.
    ToolError
        If luna-usb is missing.
    """

    ordered = True
    slow = False

    def __init__(self, *, transceiver: Transceiver, resource: str = "usb", gives_clock: bool = False,
                 supply: IOSupply | None = None, reset_cycles: int = PHY_RESET) -> None:
        if transceiver not in list(Transceiver):
            raise ValueError(f"transceiver must be one of {', '.join(Transceiver)}, not {transceiver!r}")
        self.transceiver = Transceiver(transceiver)
        self.resource = resource
        self.gives_clock = gives_clock
        self.supply = supply
        self.reset_cycles = reset_cycles
        if not importlib.util.find_spec("luna"):
            raise ToolError(GET_LUNA)
        if self.transceiver is Transceiver.ULPI:
            super().__init__({"ulpi": Out(ulpi_signature)}, ULPI_CLOCKS if gives_clock else {})
        else:
            wire = Out(io.Buffer.Signature("io", 1))
            super().__init__({"d_p": wire, "d_n": wire, "pull_up": Out(1)}, PINS_CLOCKS)

    @property
    def packet_bytes(self) -> int:
        """Bytes of a packet at the highest speed."""
        return HIGH_SPEED_BYTES if self.transceiver is Transceiver.ULPI else FULL_SPEED_BYTES

    def elaborate(self, platform: object) -> Module:
        from luna.gateware.usb.usb2.device import USBDevice
        from luna.gateware.usb.usb2.endpoint import EndpointInterface
        m = Module()
        self.add_domains(m)
        bus = self._ulpi(m) if self.transceiver is Transceiver.ULPI else self._pins()
        device = USBDevice(bus=bus, handle_clocking=False)
        m.submodules.device = Device(device)
        # of logic, a descriptor comes 2 bits earlier than from a memory: after 12 of the 16 bits that a host waits
        control = device.add_standard_control_endpoint(descriptors(self.packet_bytes), avoid_blockram=True)
        into, out = (endpoint(EndpointInterface(), most=self.packet_bytes) for endpoint in (BulkIn, BulkOut))
        device.add_endpoint(into)
        device.add_endpoint(out)
        m.submodules.received_fifo = received = AsyncFIFOBuffered(
            width=8, depth=FIFO_DEPTH, w_domain="usb", r_domain="sync")
        m.submodules.sent_fifo = sent = AsyncFIFOBuffered(
            width=sent_layout.size, depth=FIFO_DEPTH, w_domain="sync", r_domain="usb")
        clear, started = Signal(), Signal()
        # before the transceiver has told of a pulled-up wire, silence is no reset of the bus, to be answered by a chirp
        m.d.usb += started.eq(started | device.utmi.line_state.any())
        m.d.comb += [
            device.connect.eq(1),
            device.full_speed_only.eq(~started),
            clear.eq((into.interface.active_config == 0) | control.interface.config_changed),
            into.clear.eq(clear),
            out.clear.eq(clear),
        ]
        wiring.connect(m, out.o, received.w_stream)
        wiring.connect(m, received.r_stream, wiring.flipped(self.line.received))
        wiring.connect(m, sent.r_stream, into.i)
        wiring.connect(m, wiring.flipped(self.line.sent), sent.w_stream)
        return m

    def connect_pads(self, m: Module, platform: Platform, pins: Any) -> None:
        """Connect the pins of ``pins`` to the platform's resource."""
        ios = platform.lookup(self.resource).ios
        pads = platform.request(self.resource, dir={part.name: "-" for part in ios})
        if self.transceiver is Transceiver.PINS:
            for name in ("d_p", "d_n"):
                m.submodules[name] = buffer = io.Buffer("io", getattr(pads, name))
                wiring.connect(m, getattr(pins, name), buffer)
            m.submodules.pull_up = pull_up = io.Buffer("o", pads.pullup)
            m.d.comb += pull_up.o.eq(pins.pull_up)
            return
        ulpi = pins.ulpi
        m.submodules.ulpi_data = data = io.Buffer("io", pads.data)
        wiring.connect(m, ulpi.data, data)
        for name in ("nxt", "dir", *(() if self.gives_clock else ("clk",))):
            m.submodules[f"ulpi_{name}"] = source = io.Buffer("i", getattr(pads, name))
            m.d.comb += getattr(ulpi, name).eq(source.i)
        for name in ("stp", "rst"):
            m.submodules[f"ulpi_{name}"] = target = io.Buffer("o", getattr(pads, name))
            m.d.comb += target.o.eq(getattr(ulpi, name))
        if self.supply:
            m.submodules.supply = self.supply
            self.supply.connect_pads(m, platform)
        if not self.gives_clock:
            platform.add_clock_constraint(pads.clk.io, ULPI_CLOCK)
            return
        # through a register of the pad, like the data
        m.domains.ulpi_pad = ClockDomain("ulpi_pad", local=True, reset_less=True)
        m.submodules.ulpi_clk = clock = io.DDRBuffer("o", pads.clk, o_domain="ulpi_pad")
        m.d.comb += [ClockSignal("ulpi_pad").eq(pins.ulpi_link_clk), ulpi.clk.eq(pins.ulpi_link_clk),
                     clock.o[0].eq(1), clock.o[1].eq(0)]

    def _pins(self) -> SimpleNamespace:
        """The wires as LUNA takes them, whose receiver synchronises them; synchronised here, responses came later."""
        return SimpleNamespace(d_p=self.d_p, d_n=self.d_n, pullup=SimpleNamespace(o=self.pull_up))

    def _ulpi(self, m: Module) -> SimpleNamespace:
        """The port as LUNA takes it, and domain ``usb``, which is in reset as long as the transceiver is."""
        pins = self.ulpi
        m.domains.usb = ClockDomain("usb", local=True)
        left = Signal(range(self.reset_cycles + 1), init=self.reset_cycles)
        m.d.comb += [ClockSignal("usb").eq(pins.clk), pins.rst.eq(left != 0)]
        m.submodules.reset = ResetSynchronizer(pins.rst, domain="usb")
        with m.If(pins.rst):
            m.d.sync += left.eq(left - 1)
        return SimpleNamespace(
            data=pins.data, nxt=SimpleNamespace(i=pins.nxt), dir=SimpleNamespace(i=pins.dir),
            stp=SimpleNamespace(o=pins.stp),
            rst=SimpleNamespace(o=Signal(name="reset_of_domain")))      # with it LUNA awaits the transceiver's start


def descriptors(packet_bytes: int) -> Any:
    """The device as it describes itself to the host: a usb_protocol DeviceDescriptorCollection."""
    from usb_protocol.emitters import DeviceDescriptorCollection
    found = DeviceDescriptorCollection()
    with found.DeviceDescriptor() as device:
        device.idVendor, device.idProduct = VENDOR, PRODUCT
        device.iManufacturer = device.iProduct = PRODUCT_NAME
        device.bNumConfigurations = 1
    with found.ConfigurationDescriptor() as configuration, configuration.InterfaceDescriptor() as interface:
        interface.bInterfaceNumber = 0
        interface.bInterfaceClass = interface.bInterfaceSubclass = interface.bInterfaceProtocol = VENDOR_SPECIFIC
        for address in (ENDPOINT, ENDPOINT | 0x80):
            with interface.EndpointDescriptor() as endpoint:
                endpoint.bEndpointAddress = address
                endpoint.wMaxPacketSize = packet_bytes
    return found
