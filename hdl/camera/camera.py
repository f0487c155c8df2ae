"""A camera: a sensor's pins in, images of a network's size out."""

from amaranth.hdl import Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.input.frame_receiver import COUNT_BITS, pixel_layout

from .downscale import VALUE_MAX, Downscale, Scaling
from .dvp_receiver import DVPReceiver
from .pixel_format import PixelFormat
from .sccb import SensorSetup
from .sensors import Sensor

__all__ = ["Camera", "scaling_for"]

BUS_RATE = 400e3        # quarters of bits a second
HALF = 0.5


def scaling_for(sensor: Sensor, *, width: int, height: int, channels: int, maximum: int) -> Scaling:
    """The largest square boxes in the middle of a sensor's frames for images of a size, scaled to 0..``maximum``.

    Factor and shift are the least ones by which the brightest box is within half a unit of the maximum.

    Raises
    ------
    ValueError
        If the sensor has fewer pixels, or other channels.
    """
    if channels != sensor.layout.channels:
        raise ValueError(f"a network for this sensor must take {sensor.layout.channels} channels, not {channels}")
    box = min(sensor.width // width, sensor.height // height)
    if not box:
        raise ValueError(f"a network for this sensor must take at most {sensor.width} x {sensor.height} pixels, "
                         f"not {width} x {height}")
    brightest = VALUE_MAX * box * box
    shift = 0
    while True:
        factor = round(maximum * (1 << shift) / brightest)
        if factor and abs(brightest * factor / (1 << shift) - maximum) <= HALF:
            break
        shift += 1
    return Scaling(frame_width=sensor.width, frame_height=sensor.height, left=(sensor.width - width * box) // 2,
                   top=(sensor.height - height * box) // 2, width=width, height=height, box_width=box, box_height=box,
                   channels=channels, factor=factor, shift=shift, maximum=maximum)


class Camera(wiring.Component):
    """Sets a sensor up, and scales its frames; see `DVPReceiver`, `PixelFormat`, `Downscale` and `SensorSetup`.

    Parameters
    ----------
    sensor : Sensor
    scaling : Scaling
        For frames of the sensor.
    clock : float
        Of domain ``sync``, in Hz.

    Members
    -------
    pclk, vsync, href : In(1), pins : In(data_bits)
    master : Out(1)
        Clock of the sensor: ``sync`` divided by the least even number that the sensor allows.
    scl, sda : Out(1), sda_in : In(1)
        Open drain: low pulls.
    o : Out(stream.Signature(pixel_layout))
    frames, broken : Out(COUNT_BITS)
        See `Downscale`.

    Raises
    ------
    ValueError
        If the scaling is for other frames than those of the sensor.
    """

    def __init__(self, *, sensor: Sensor, scaling: Scaling, clock: float) -> None:
        found = scaling.frame_width, scaling.frame_height, scaling.channels
        wanted = sensor.width, sensor.height, sensor.layout.channels
        if found != wanted:
            raise ValueError(f"the scaling must be for frames of {wanted[0]} x {wanted[1]} pixels with {wanted[2]} "
                             f"channels, not {found[0]} x {found[1]} with {found[2]}")
        self.half = max(1, -(-clock // (2 * sensor.clock)))         # cycles of half a period of the master clock
        self.receiver = DVPReceiver(data_bits=sensor.data_bits, frame_active=sensor.frame_active,
                                    line_active=sensor.line_active)
        self.format = PixelFormat(layout=sensor.layout)
        self.scale = Downscale(scaling=scaling)
        self.setup = SensorSetup(table=sensor.table, device=sensor.device, register_bytes=sensor.register_bytes,
                                 quarter=max(1, round(clock / BUS_RATE)))
        super().__init__({
            "pclk": In(1), "vsync": In(1), "href": In(1), "pins": In(sensor.data_bits),
            "master": Out(1),
            "scl": Out(1, init=1), "sda": Out(1, init=1), "sda_in": In(1),
            "o": Out(stream.Signature(pixel_layout)),
            "frames": Out(COUNT_BITS), "broken": Out(COUNT_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = self.receiver
        m.submodules.format = layout = self.format
        m.submodules.scale = scale = self.scale
        m.submodules.setup = setup = self.setup
        wiring.connect(m, receiver.o, layout.i)
        wiring.connect(m, layout.o, scale.i)
        wiring.connect(m, scale.o, wiring.flipped(self.o))
        m.submodules.synchronizer = cdc.FFSynchronizer(self.sda_in, setup.sda_in, init=1)
        timer = Signal(range(int(self.half)))
        m.d.sync += timer.eq(timer - 1)
        with m.If(timer == 0):
            m.d.sync += [timer.eq(int(self.half) - 1), self.master.eq(~self.master)]
        m.d.comb += [
            receiver.pclk.eq(self.pclk), receiver.vsync.eq(self.vsync), receiver.href.eq(self.href),
            receiver.pins.eq(self.pins),
            self.scl.eq(setup.scl), self.sda.eq(setup.sda),
            self.frames.eq(scale.frames), self.broken.eq(scale.broken),
        ]
        return m
