"""The accelerator on a board: the part that is the same on all of them, and what a board adds."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out
from amaranth_boards.icebreaker import ICEBreakerPlatform

from hdl.accelerator import Accelerator
from hdl.bridge import Bridge
from hdl.bus import AddressMap
from hdl.config import ArrayConfig
from hdl.uart import UARTReceiver, UARTTransmitter

from .pll import ICE40PLL

__all__ = ["BOARDS", "QUIET", "Board", "BoardError", "BoardTop", "PlatformTop", "baud_divisor"]

QUIET = 0.01            # seconds of silence between a broken frame and the next one
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


class BoardTop(wiring.Component):
    """Accelerator, bridge and serial port.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    clock : float
        Frequency of the clock in Hz.
    baud : int
        Bits a second on the serial line.

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

    def __init__(self, *, config: ArrayConfig, clock: float, baud: int) -> None:
        self.config = config
        self.clock = clock
        self.divisor = baud_divisor(clock, baud)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UARTReceiver(divisor=self.divisor)
        m.submodules.transmitter = transmitter = UARTTransmitter(divisor=self.divisor)
        m.submodules.bridge = bridge = Bridge(address_bits=AddressMap(self.config).address_bits,
                                              quiet=int(QUIET * self.clock))
        m.submodules.accelerator = accelerator = Accelerator(config=self.config)
        wiring.connect(m, receiver.o, bridge.i)
        wiring.connect(m, bridge.o, transmitter.i)
        wiring.connect(m, bridge.bus, accelerator.bus)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            bridge.error.eq(receiver.framing_error | receiver.overflow),
            self.busy.eq(accelerator.busy),
        ]
        return m


class ICE40Clock(Elaboratable):
    """Drives domain ``sync`` from a crystal through the PLL; in reset until the PLL has locked.

    Parameters
    ----------
    resource : str
        The crystal's resource of the platform; its pin must be the one of the PLL.
    pll : ICE40PLL
        Settings of the PLL.
    """

    def __init__(self, resource: str, pll: ICE40PLL) -> None:
        self.resource = resource
        self.pll = pll

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        clock = Signal()            # nextpnr derives its constraint from the crystal's and the PLL's settings
        locked = Signal()
        m.submodules.pll = Instance(
            "SB_PLL40_PAD",
            **self.pll.parameters(),
            i_PACKAGEPIN=platform.request(self.resource, dir="-").io,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTCORE=clock,
            o_LOCK=locked,
        )
        m.submodules.buffer = Instance("SB_GB", i_USER_SIGNAL_TO_GLOBAL_BUFFER=clock,
                                       o_GLOBAL_BUFFER_OUTPUT=ClockSignal())
        m.submodules.reset = ResetSynchronizer(~locked)
        return m


class PlatformTop(Elaboratable):
    """`BoardTop` on the pins of a platform, with the platform's clock.

    Parameters
    ----------
    top : BoardTop
        What runs on the board.
    clock : Elaboratable
        What drives the clock and the reset of domain ``sync``.
    """

    def __init__(self, top: BoardTop, clock: Elaboratable) -> None:
        self.top = top
        self.clock = clock

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.clock = self.clock
        m.submodules.top = self.top
        uart = platform.request("uart", 0, dir={"rx": "-", "tx": "-"})
        led = platform.request("led", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.submodules.led = lit = io.Buffer("o", led)
        m.d.comb += [
            self.top.rx.eq(rx.i),
            tx.o.eq(self.top.tx),
            lit.o.eq(self.top.busy),
        ]
        return m


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board, and what is usual on it.

    Parameters
    ----------
    name, device : str
        As people call them.
    platform : callable
        Makes the platform, with resources ``uart``, ``led`` and the crystal.
    place : tuple of str
        Options of nextpnr-ice40 that name the device.
    crystal : str
        Name of the crystal's resource.
    crystal_frequency : int
        In Hz.
    frequency : float
        Default frequency of the clock in Hz.
    baud : int
        Default bits a second on the serial line.
    preset : str
        Default configuration.
    """

    name: str
    device: str
    platform: Callable[[], Platform]
    place: tuple[str, ...]
    crystal: str
    crystal_frequency: int
    frequency: float
    baud: int
    preset: str

    def pll(self, frequency: float) -> ICE40PLL:
        """The PLL for a clock as near to ``frequency`` (Hz) as can be; PLLError if none is."""
        return ICE40PLL.nearest(self.crystal_frequency, frequency)

    def design(self, config: ArrayConfig, pll: ICE40PLL, baud: int) -> PlatformTop:
        """What is built for the board; BoardError if the clock does not make the baud rate."""
        top = BoardTop(config=config, clock=pll.frequency, baud=baud)
        return PlatformTop(top, ICE40Clock(self.crystal, pll))

    @classmethod
    def named(cls, name: str) -> "Board":
        """The board of `BOARDS` of this name; BoardError if there is none."""
        if name not in BOARDS:
            raise BoardError(f"board must be one of {', '.join(sorted(BOARDS))}, not {name}")
        return BOARDS[name]


BOARDS = {board.name: board for board in (
    Board(name="icebreaker", device="iCE40UP5K-SG48", platform=ICEBreakerPlatform,
          place=("--up5k", "--package", "sg48"),
          crystal="clk12", crystal_frequency=12_000_000,
          frequency=24e6, baud=1_000_000, preset="icebreaker"),
)}
