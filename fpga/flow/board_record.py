"""The record of a board: its FPGA, defaults, lines, flash and sensors, and the designs that these make."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from amaranth.build import Platform, Resource, Subsignal

from signum.hdl.camera.sensors import SENSORS, Sensor
from signum.hdl.config import ArrayConfig

from .board_top import BoardTop
from .boot import Boot
from .camera_view import CameraView
from .families.clock import Clock
from .families.family import BoardFamily, Chip, Device
from .families.pll import PLL
from .lines.board_line import WINDOW, BoardError, BoardLine, Window
from .lines.ethernet_line import Ethernet
from .lines.serial_line import SerialPort
from .platform_top import PlatformTop

__all__ = ["SERIAL", "Board"]

SERIAL = "serial"
BESIDE_LOADER = Window(slots=1, slot_bytes=512)


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
    lines : mapping of str to BoardLine
        Its lines beside the serial one, by their names; their clocks are those of an ECP5.
    preset : str
        Default configuration.
    window : Window
        The buffers of its bridge behind the serial line.
    boot : Boot, optional
        The place of a program in its flash, behind the bitstream.
    sensors : mapping of str to tuple of Subsignal
        The pins of sensors that it takes, by their names in `hdl.camera.sensors`: subsignals ``pclk``, ``vsync``,
        ``href``, ``data``, ``master``, ``scl``, ``sda``.
    camera_preset : str
        Default configuration beside a camera.
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
    lines: Mapping[str, BoardLine] = field(default_factory=dict)
    preset: str
    window: Window = WINDOW
    boot: Boot | None = None
    sensors: Mapping[str, tuple[Subsignal, ...]] = field(default_factory=dict)
    camera_preset: str = ""
    spram: int = 0
    window_beside_loader: Window = BESIDE_LOADER

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

    def boot_place(self, *, depth: int = 0, quad: bool = False) -> Boot:
        """The place of a program in its flash, or of ``depth`` words of write lists, read on one line or on four.

        BoardError if it has none.
        """
        if self.boot is None:
            raise BoardError(f"network must be left out on {self.name}, whose flash holds no program")
        return dataclasses.replace(self.boot, depth=depth, lines=4 if quad else self.boot.lines)

    def sensor(self, name: str) -> Sensor:
        """A sensor that it takes; BoardError if it takes none of this name."""
        if name not in self.sensors:
            known = ", ".join(self.sensors)
            raise BoardError(f"camera must be {f'one of {known}' if known else 'left out'} on {self.name}, not {name}")
        return SENSORS[name]

    @functools.cached_property
    def line_names(self) -> tuple[str, ...]:
        """The names of its lines, the default one first: the serial one, where the platform has it."""
        has_serial = ("uart", 0) in self.known.resources
        return (SERIAL, *self.lines) if has_serial else tuple(self.lines)

    def line(self, name: str = "", baud: int | None = None, address: str | None = None) -> BoardLine:
        """The line of this name, by default the first: a serial one with a rate, or Ethernet with the board's address.

        Raises
        ------
        BoardError
            If the board has no such line, or a parameter is not of this one.
        """
        name = name or self.line_names[0]
        if name not in self.line_names:
            known = self.line_names
            raise BoardError(f"line must be {'one of ' if len(known) > 1 else ''}{', '.join(known)} on {self.name}, "
                             f"not {name}")
        if baud is not None and name != SERIAL:
            raise BoardError(f"baud must be left out with the line {name}")
        if name == SERIAL:
            found: BoardLine = SerialPort(self.baud if baud is None else baud)
        else:
            found = self.lines[name]
        if address is None:
            return found
        if not isinstance(found, Ethernet):
            raise BoardError(f"address must be left out with the line {name}")
        return dataclasses.replace(found, address=address)

    def platform_with(self, camera: str) -> Platform:
        """A platform for a build, with the pins of a sensor, or of none."""
        platform = self.platform()
        if camera:
            platform.add_resources([Resource("camera", 0, *self.sensors[camera])])
        return platform

    def design(self, config: ArrayConfig, pll: PLL, line: BoardLine, *, loader: bool = False, boot: Boot | None = None,
               camera: CameraView | None = None) -> PlatformTop:
        """The design for the board, with or without a loader in its single-port RAMs, a boot loader, a camera.

        Raises
        ------
        BoardError
            If the clock does not suit the line, or the board lacks a part.
        """
        words = self.loader_words() if loader else 0
        window = self.window_beside_loader if loader else line.window or self.window
        top = BoardTop(config=config, clock=pll.frequency, line=line.unit(pll.frequency), loader=words,
                       spram=self.spram > 0, window=window, boot=boot, camera=camera)
        return PlatformTop(top, (self.clock or self.family.clock)(self.crystal, pll), self.led)
