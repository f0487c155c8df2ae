"""The accelerator on a board: the part common to all boards, and the parts of each."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import answer_bits
from signum.hdl.host.bridge import Bridge
from signum.hdl.host.bus import AddressMap
from signum.hdl.host.uart import UARTReceiver, UARTTransmitter
from signum.hdl.host.write_list_dma import LoaderMap, WriteListDMA

from .families.clock import Clock
from .families.family import BoardFamily, Chip, Device
from .families.pll import PLL

__all__ = ["WINDOW", "Board", "BoardError", "BoardTop", "PlatformTop", "Window", "baud_divisor"]

BAUD_TOLERANCE = 0.02


class BoardError(ValueError):
    """A board, clock or baud rate that cannot be had; in one line."""


def baud_divisor(clock: float, baud: int) -> int:
    """Clock cycles a bit for a clock in Hz.

    Raises
    ------
    BoardError
        If the rate is off by more than 2 %, or a bit is shorter than four cycles.
    """
    if baud < 1 or clock / baud < 3.5:
        raise BoardError(f"baud must be 1 to {int(clock / 4)} at {clock / 1e6:.4g} MHz, not {baud}")
    divisor = round(clock / baud)
    if abs(clock / divisor / baud - 1) > BAUD_TOLERANCE:
        raise BoardError(f"baud must divide {clock / 1e6:.4g} MHz to within {BAUD_TOLERANCE:.0%}, "
                         f"not {baud}: the nearest is {clock / divisor:.0f}")
    return divisor


@dataclass(frozen=True)
class Window:
    """The buffers of a board's bridge (`hdl.host.bridge.Bridge`).

    Parameters
    ----------
    slots, slot_bytes : int
        Frames that wait on the board, and the bytes of the longest one.
    number_bits : int
        Bits of a count of answers; half as many wait on the board.
    """

    slots: int = 4
    slot_bytes: int = 1024
    number_bits: int = 9


WINDOW = Window()


class BoardTop(wiring.Component):
    """Accelerator, bridge and serial port, and a loader between them where one is wanted.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    clock : float
        Frequency of the clock in Hz.
    baud : int
        Bits a second on the serial line.
    loader : int
        Words of the loader (`hdl.host.write_list_dma`); 0 for none.
    spram : bool
        The loader, or without one the buffers of the bridge, are made of the UP5K's single-port RAMs.
    window : Window
        The buffers of the bridge.

    Members
    -------
    rx : In(1)
        Serial line from the host, asynchronous.
    tx : Out(1)
        Serial line to the host.
    busy : Out(1)
        A program runs.

    Raises
    ------
    BoardError
        If the clock does not make the baud rate.
    """

    def __init__(self, *, config: ArrayConfig, clock: float, baud: int, loader: int = 0, spram: bool = False,
                 window: Window = WINDOW) -> None:
        self.config = config
        self.window = window
        self.spram = spram and not loader
        self.loader = WriteListDMA(config=config, depth=loader, spram=spram) if loader else None
        self.clock = clock
        self.divisor = baud_divisor(clock, baud)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UARTReceiver(divisor=self.divisor)
        m.submodules.transmitter = transmitter = UARTTransmitter(divisor=self.divisor)
        bits = LoaderMap.address_bits if self.loader else AddressMap(self.config).address_bits
        window = self.window
        m.submodules.bridge = bridge = Bridge(
            config=self.config, address_bits=bits, slots=window.slots, slot_bytes=window.slot_bytes,
            ordered=True,
            number_bits=window.number_bits if self.config.streams else 0,
            answer_bits=answer_bits(self.config), spram=self.spram, serial=True)
        m.submodules.accelerator = accelerator = Accelerator(config=self.config)
        wiring.connect(m, receiver.o, bridge.line.received)
        m.d.comb += [
            transmitter.i.payload.eq(bridge.line.sent.p.byte),
            transmitter.i.valid.eq(bridge.line.sent.valid),
            bridge.line.sent.ready.eq(transmitter.i.ready),
        ]
        if self.config.streams:
            m.d.comb += [
                accelerator.pixels.p.value.eq(bridge.values.payload),
                accelerator.pixels.p.first.eq(accelerator.expects_first),
                accelerator.pixels.p.last.eq(accelerator.expects_last),
                accelerator.pixels.valid.eq(bridge.values.valid),
                bridge.values.ready.eq(accelerator.pixels.ready),
                bridge.answers.payload.eq(accelerator.answers.p.value),
                bridge.answers.valid.eq(accelerator.answers.valid),
                accelerator.answers.ready.eq(bridge.answers.ready),
            ]
        if self.loader:
            m.submodules.loader = self.loader
            wiring.connect(m, bridge.bus, self.loader.bus)
            wiring.connect(m, self.loader.target, accelerator.bus)
            m.d.comb += self.loader.target_busy.eq(accelerator.busy)
        else:
            wiring.connect(m, bridge.bus, accelerator.bus)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.busy.eq(self.loader.busy if self.loader else accelerator.busy),
        ]
        return m


class PlatformTop(Elaboratable):
    """`BoardTop` on the pins of a platform, with the platform's clock.

    Parameters
    ----------
    top : BoardTop
        The design on the board.
    clock : Elaboratable
        The driver of clock and reset of domain ``sync``.
    led : str
        Name of the light's resource, or nothing.
    """

    def __init__(self, top: BoardTop, clock: Elaboratable, led: str = "led") -> None:
        self.top = top
        self.clock = clock
        self.led = led

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.clock = self.clock
        m.submodules.top = self.top
        uart = platform.request("uart", 0, dir={"rx": "-", "tx": "-"})
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [
            self.top.rx.eq(rx.i),
            tx.o.eq(self.top.tx),
        ]
        if self.led:
            m.submodules.led = lit = io.Buffer("o", platform.request(self.led, 0, dir="-"))
            m.d.comb += lit.o.eq(self.top.busy)
        return m


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board and its defaults. FPGA, crystal and the program that writes the bitstream are those of its platform.

    Parameters
    ----------
    name : str
        As people call it.
    family : BoardFamily
    platform : callable
        Makes the platform, with resource ``uart`` and the crystal as its default clock.
    clock : type, optional
        The clock generator, if not the default of the family.
    led : str
        Name of the resource that is lit while a program runs; empty where there is none.
    frequency : float
        Default frequency of the clock in Hz.
    baud : int
        Default bits a second on the serial line.
    preset : str
        Default configuration.
    window : Window
        The buffers of its bridge.
    spram : int
        32-bit words of its single-port RAMs: for a loader, or without one for the buffers of the bridge.
    window_beside_loader : Window
        The buffers of its bridge, of block RAM, where the loader has the single-port RAMs.
    """

    name: str
    family: BoardFamily
    platform: Callable[[], Platform]
    clock: type[Clock] | None = None
    led: str = "led"
    frequency: float
    baud: int = 1_000_000
    preset: str
    window: Window = WINDOW
    spram: int = 0
    window_beside_loader: Window = Window(slots=1, slot_bytes=512)

    @functools.cached_property
    def known(self) -> Platform:
        """A platform to ask; each build makes one of its own."""
        return self.platform()

    @functools.cached_property
    def chip(self) -> Chip:
        """The name of its FPGA, and the options that name it to the tools."""
        return self.family.chip(self.known)

    @property
    def device(self) -> str:
        """The part, as its maker writes it."""
        return self.chip.name

    @property
    def capacity(self) -> Device:
        """The LUTs and block RAMs of its FPGA."""
        return self.family.device(self.device)

    @property
    def crystal(self) -> str:
        """Name of the crystal's resource."""
        return self.known.default_clk

    @property
    def crystal_frequency(self) -> int:
        """In Hz."""
        return round(self.known.default_clk_frequency)

    def pll(self, frequency: float) -> PLL:
        """The PLL for a clock as near to ``frequency`` (Hz) as can be; PLLError if none is."""
        return self.family.pll.nearest(self.crystal_frequency, frequency)

    def loader_words(self) -> int:
        """Words of a loader; BoardError if the board has no RAMs for it."""
        if not self.spram:
            raise BoardError(f"loader must be left out on {self.name}, which has no single-port RAMs for it")
        return self.spram

    def design(self, config: ArrayConfig, pll: PLL, baud: int, *, loader: bool = False) -> PlatformTop:
        """The design for the board, with or without a loader in its single-port RAMs.

        Raises
        ------
        BoardError
            If the clock does not make the baud rate, or the board has no single-port RAMs.
        """
        words = self.loader_words() if loader else 0
        top = BoardTop(config=config, clock=pll.frequency, baud=baud, loader=words, spram=self.spram > 0,
                       window=self.window_beside_loader if loader else self.window)
        return PlatformTop(top, (self.clock or self.family.clock)(self.crystal, pll), self.led)
