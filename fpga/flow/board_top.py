"""The accelerator on a board: the part common to all boards, and the parts of each."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, log2

from amaranth.build import Platform, Resource, ResourceError, Subsignal
from amaranth.hdl import C, ClockDomain, Elaboratable, Module, Mux, ResetInserter, Value
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.accelerator import Accelerator
from signum.hdl.boot.blinker import Blinker
from signum.hdl.boot.boot_loader import BootLoader, BootStatus
from signum.hdl.boot.flash_reader import ADDRESS_BITS
from signum.hdl.boot.flash_write_list import FlashWriteListDMA
from signum.hdl.camera.answer_text import AnswerText
from signum.hdl.camera.camera import Camera
from signum.hdl.camera.downscale import Scaling
from signum.hdl.camera.sensors import SENSORS, Sensor
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import answer_bits
from signum.hdl.host.bridge import Bridge
from signum.hdl.host.write_list_dma import LoaderMap, WriteListDMA, WriteListSender

from .boot_image import HEAD_BYTES
from .families.clock import Clock
from .families.family import BoardFamily, Chip, Device
from .families.pll import PLL
from .flash_pins import FlashPins
from .lines.board_line import WINDOW, BoardError, BoardLine, LineUnit, Window
from .lines.ecp5_clocks import ECP5LineClocks
from .lines.ethernet_line import Ethernet
from .lines.serial_line import SerialLine, SerialPort

__all__ = ["SERIAL", "Board", "BoardTop", "Boot", "CameraView", "PlatformTop"]

SERIAL = "serial"
BESIDE_LOADER = Window(slots=1, slot_bytes=512)
BLINK = 0.25            # seconds of a blink, at most
FLASH_BYTES = 1 << ADDRESS_BITS
WORD_BYTES = 4
CAMERA_INPUTS = "pclk", "vsync", "href", "pins", "sda_in"
CAMERA_OUTPUTS = "master", "scl", "sda"
CAMERA_PINS = *CAMERA_INPUTS, *CAMERA_OUTPUTS
CAMERA_RESOURCE = "pclk", "vsync", "href", "data", "master", "scl", "sda"


@dataclass(frozen=True, kw_only=True)
class Boot:
    """A program in the flash of a board, which `hdl.boot.boot_loader.BootLoader` loads at power-up; or write lists.

    Parameters
    ----------
    address : int
        Of the first byte behind the bitstream.
    wake : float
        Seconds that the flash takes to wake up.
    divisor, lines : int
        See `hdl.boot.flash_reader.FlashReader`.
    depth : int
        Words of write lists in the flash, a power of two (`fpga.flow.boot_image.list_depth`); 0 for a program.

    Raises
    ------
    BoardError
        If the write lists do not fit into the addresses of a flash.
    """

    address: int
    wake: float = 30e-6
    divisor: int = 1
    lines: int = 1
    depth: int = 0

    def __post_init__(self) -> None:
        if self.depth and self.list_address + WORD_BYTES * self.depth > FLASH_BYTES:
            raise BoardError(f"write lists must end below {FLASH_BYTES} bytes of the flash, "
                             f"not at {self.list_address + WORD_BYTES * self.depth}")

    @property
    def list_address(self) -> int:
        """Of the first word of write lists, a multiple of the bytes of them all."""
        size = WORD_BYTES * self.depth
        return -(-(self.address + HEAD_BYTES) // size) * size

    @property
    def image_address(self) -> int:
        """Of the image, the words of which follow its head."""
        return self.list_address - HEAD_BYTES if self.depth else self.address

    def wake_cycles(self, clock: float) -> int:
        """Cycles of a clock in Hz that the flash takes to wake up."""
        return ceil(self.wake * clock)


@dataclass(frozen=True, kw_only=True)
class CameraView:
    """A sensor, and the image that a network takes from its frames."""

    sensor: Sensor
    scaling: Scaling


class BoardTop(wiring.Component):
    """An accelerator on a board, behind a line to a host, or with a camera; its program comes from a host, or a flash.

    With a host: line, bridge, a loader where one is wanted, a boot loader, accelerator. With a camera there is no host:
    its images are answered in lines of text (`hdl.camera.answer_text.AnswerText`) on the serial port, once the boot
    loader has loaded the program. With write lists in the flash the boot loader checks them, and stands in front of the
    loader, whose flash they are from then on.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    clock : float
        Frequency of the clock in Hz.
    line : LineUnit
        The port of the line.
    loader : int
        Words of the loader (`hdl.host.write_list_dma`); 0 for none.
    spram : bool
        The loader, or without one the buffers of the bridge, are made of the UP5K's single-port RAMs.
    window : Window
        The buffers of the bridge.
    boot : Boot, optional
        The program, or the write lists, in the flash.
    camera : CameraView, optional
        The source of the images; needs ``boot``.

    Members
    -------
    pins and clocks of ``line``
    busy : Out(1)
        A program runs or is loaded; a refused image blinks `BootStatus`.
    flash_cs, flash_sck, flash_copi : Out(1), flash_cipo : In(lines), only with ``boot``; flash_drive : Out(1), with 4
        See `hdl.boot.flash_reader.FlashReader`.
    camera_pclk, camera_vsync, camera_href : In(1), camera_pins : In, camera_master : Out(1), camera_scl, camera_sda :
    Out(1), camera_sda_in : In(1), only with ``camera``
        See `hdl.camera.camera.Camera`.
    class_ : Out, only with ``camera``
        The first number of the latest answer.

    Raises
    ------
    BoardError
        If parts are missing, or do not go together.
    """

    def __init__(self, *, config: ArrayConfig, clock: float, line: LineUnit, loader: int = 0, spram: bool = False,
                 window: Window = WINDOW, boot: Boot | None = None, camera: CameraView | None = None) -> None:
        lists = boot is not None and boot.depth > 0
        if (boot or camera) and not lists and not config.streams:
            raise BoardError("an array must have an input unit to run without a host: input_depth must be more than 0")
        if lists and (loader or camera):
            raise BoardError("write lists in the flash must be without another loader, and without a camera")
        if camera and (loader or not boot):
            raise BoardError("a camera must have its program in the flash, and no loader")
        if camera and not isinstance(line, SerialLine):
            raise BoardError("a camera must have a serial port for its answers, and no other line")
        self.config = config
        self.window = window
        self.spram = spram and not loader
        self.loader: WriteListSender | None = None
        self.lists: FlashWriteListDMA | None = None
        if loader:
            self.loader = WriteListDMA(config=config, depth=loader, spram=spram)
        self.clock = clock
        self.line = line
        ports: dict[str, In | Out] = {**line.ports, "busy": Out(1)}
        self.boot: BootLoader | None = None
        self.camera: Camera | None = None
        if boot:
            wake = boot.wake_cycles(clock)
            self.boot = BootLoader(config=config, address=boot.image_address, wake_cycles=wake, divisor=boot.divisor,
                                   lines=boot.lines, depth=boot.depth,
                                   address_bits=LoaderMap.address_bits if lists or loader else 0)
            if lists:
                self.lists = FlashWriteListDMA(config=config, depth=boot.depth, address=boot.list_address,
                                               wake_cycles=wake, divisor=boot.divisor, lines=boot.lines)
                self.loader = self.lists
            ports |= {f"flash_{name}": self.boot.signature.members[name] for name in self.boot.flash.pins}
        if camera:
            self.camera = Camera(sensor=camera.sensor, scaling=camera.scaling, clock=clock)
            ports |= {f"camera_{name}": member for name, member in self.camera.signature.members.items()
                      if name in CAMERA_PINS}
            ports["class_"] = Out(answer_bits(config))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = accelerator = Accelerator(config=self.config, polled=False)
        m.submodules.line = line = self.line
        line.connect_ports(m, self)
        bus, busy, running = accelerator.bus, accelerator.busy, C(1)
        loading = C(0)
        if self.boot:
            loading = self.boot.status == BootStatus.LOADING
            self._flash(m, loading)
        if self.loader:
            # in reset until the boot has ended: then it pauses before it selects the flash
            m.submodules.loader = ResetInserter(loading)(self.loader) if self.lists else self.loader
            m.d.comb += self.loader.target_busy.eq(busy)
            wiring.connect(m, self.loader.target, bus)
            bus, busy = self.loader.bus, self.loader.busy
        if self.boot:
            m.submodules.boot = boot = self.boot
            m.submodules.blinker = blinker = Blinker(bits=ceil(log2(BLINK * self.clock)))
            running = boot.status == BootStatus.RUNNING
            refused = boot.status[1]
            m.d.comb += blinker.count.eq(Mux(refused, boot.status, 0))
            if self.lists:
                m.d.comb += self.lists.whole.eq(running)
            wiring.connect(m, boot.target, bus)
            bus, busy = boot.bus, busy | loading | blinker.light
        if self.camera:
            self._camera(m, accelerator, running)
        else:
            self._host(m, accelerator, bus)
        m.d.comb += self.busy.eq(busy)
        return m

    def _flash(self, m: Module, loading: Value) -> None:
        """The pins of the flash, of the boot loader and then of the loader."""
        boot, lists = self.boot, self.lists
        assert boot
        m.d.comb += boot.cipo.eq(self.flash_cipo)
        outputs = {name: getattr(boot, name) for name in boot.flash.pins if name != "cipo"}
        if lists:
            m.d.comb += lists.cipo.eq(self.flash_cipo)
            outputs = {name: Mux(loading, output, getattr(lists, name)) for name, output in outputs.items()}
        m.d.comb += [getattr(self, f"flash_{name}").eq(output) for name, output in outputs.items()]

    def _host(self, m: Module, accelerator: Accelerator, bus: wiring.PureInterface) -> None:
        """The bridge to a bus."""
        window, streams = self.window, self.config.streams
        bits = LoaderMap.address_bits if self.loader else 0
        m.submodules.bridge = bridge = Bridge(
            config=self.config, address_bits=bits, slots=window.slots, slot_bytes=window.slot_bytes,
            ordered=self.line.ordered, number_bits=window.number_bits if streams else 0,
            answer_bits=answer_bits(self.config), spram=self.spram, serial=self.line.slow)
        wiring.connect(m, self.line.line, bridge.line)
        if streams:
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
        wiring.connect(m, bridge.bus, bus)

    def _camera(self, m: Module, accelerator: Accelerator, running: Value) -> None:
        """The camera's images, once the program runs, and their answers as text."""
        camera = self.camera
        assert camera
        m.submodules.camera = camera
        m.submodules.text = text = AnswerText(bits=answer_bits(self.config))
        m.d.comb += [getattr(camera, name).eq(getattr(self, f"camera_{name}")) for name in CAMERA_INPUTS]
        m.d.comb += [getattr(self, f"camera_{name}").eq(getattr(camera, name)) for name in CAMERA_OUTPUTS]
        line = self.line.line
        m.d.comb += [
            line.received.ready.eq(1),
            line.sent.p.byte.eq(text.o.payload),
            line.sent.valid.eq(text.o.valid),
            text.o.ready.eq(line.sent.ready),
            accelerator.pixels.payload.eq(camera.o.payload),
            accelerator.pixels.valid.eq(camera.o.valid & running),
            camera.o.ready.eq(accelerator.pixels.ready & running),
            text.i.p.value.eq(accelerator.answers.p.value),
            text.i.p.first.eq(accelerator.answers.p.first),
            text.i.p.last.eq(accelerator.answers.p.last),
            text.i.valid.eq(accelerator.answers.valid),
            accelerator.answers.ready.eq(text.i.ready),
            self.class_.eq(text.latest),
        ]


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
