"""The accelerator on a board: what all boards have in common, at the ports of its lines, flash and camera."""

from math import ceil, log2

from amaranth.hdl import C, Module, Mux, ResetInserter, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.accelerator import Accelerator
from signum.hdl.boot.blinker import Blinker
from signum.hdl.boot.boot_loader import BootLoader, BootStatus
from signum.hdl.boot.flash_write_list import FlashWriteListDMA
from signum.hdl.camera.answer_text import AnswerText
from signum.hdl.camera.camera import Camera
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import answer_bits
from signum.hdl.host.bridge import Bridge
from signum.hdl.host.write_list_dma import LoaderMap, WriteListDMA, WriteListSender

from .boot import Boot
from .camera_view import CameraView
from .lines.board_line import WINDOW, BoardError, LineUnit, Window
from .lines.serial_line import SerialLine

__all__ = ["BoardTop"]

BLINK = 0.25            # seconds of a blink, at most
CAMERA_INPUTS = "pclk", "vsync", "href", "pins", "sda_in"
CAMERA_OUTPUTS = "master", "scl", "sda"
CAMERA_PINS = *CAMERA_INPUTS, *CAMERA_OUTPUTS


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
