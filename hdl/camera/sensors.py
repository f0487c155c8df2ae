"""Sensors: the registers that set them up, and the properties of their ports, from their data sheets.

OV7670: OmniVision, "OV7670/OV7171 CMOS VGA CameraChip sensor", version 1.4, 2006, table 5 (registers) and figures 5
to 9 (timing). HM01B0: Himax, "HM01B0-MNA data sheet", version 01, 2017, section 10. No sensor was at hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .pixel_format import Format
from .sccb import DELAY

__all__ = ["SENSORS", "Sensor"]


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A sensor in one mode.

    Parameters
    ----------
    device : int
        Its address on the bus, of 7 bits.
    register_bytes : int
        Bytes of a register's address.
    table : tuple of (int, int)
        Registers and values, in order; see `hdl.camera.sccb.SensorSetup`.
    layout : Format
    data_bits, frame_active, line_active : int
        See `hdl.camera.dvp_receiver.DVPReceiver`.
    width, height : int
        Pixels of a frame.
    clock : float
        Largest frequency of its master clock, in Hz.
    """

    device: int
    register_bytes: int = 1
    table: tuple[tuple[int, int], ...]
    layout: Format
    data_bits: int = 8
    frame_active: int = 1
    line_active: int = 1
    width: int
    height: int
    clock: float


OV7670_RESET = ((0x12, 0x80), (DELAY, 10))      # COM7: reset all registers
OV7670_SIZE = (
    (0x11, 0x01),                   # CLKRC: the master clock by 2
    (0x0C, 0x04),                   # COM3: scaling and down-sampling
    (0x3E, 0x1A),                   # COM14: pixel clock by 4, with manual scaling
    (0x70, 0x3A), (0x71, 0x35),     # SCALING_XSC, SCALING_YSC: no test pattern, no zoom
    (0x72, 0x22),                   # SCALING_DCWCTR: down-sampling by 4 in both directions
    (0x73, 0xF2),                   # SCALING_PCLK_DIV: by 4
    (0xA2, 0x02),                   # SCALING_PCLK_DELAY
    (0x17, 0x16), (0x18, 0x04), (0x32, 0xA4),       # HSTART, HSTOP, HREF: the columns of the window
    (0x19, 0x02), (0x1A, 0x7A), (0x03, 0x0A),       # VSTART, VSTOP, VREF: its lines
    (0x15, 0x00),                   # COM10: VSYNC high between frames, HREF high in lines, data at the rising edge
)
OV7670_GREY = (
    (0x12, 0x00),                   # COM7: YUV
    (0x3A, 0x04), (0x3D, 0x88),     # TSLB, COM13: the order Y U Y V
    (0x40, 0xC0),                   # COM15: values 0 to 255
)
OV7670_COLOURS = (
    (0x12, 0x04),                   # COM7: RGB
    (0x8C, 0x00),                   # RGB444: off
    (0x40, 0xD0),                   # COM15: RGB 565, values of the whole range
)


def hm01b0_table(bits_register: int) -> tuple[tuple[int, int], ...]:
    return (
        (0x0103, 0x00), (DELAY, 10),        # SW_RESET
        (0x0100, 0x00),                     # MODE_SELECT: standby
        (0x3059, bits_register),            # BIT_CONTROL: width of the data port
        (0x3060, 0x08),                     # OSC_CLK_DIV: the sensor's clock is the master clock by 8
        (0x0383, 0x03), (0x0387, 0x03),     # READOUT_X, READOUT_Y: binning by 2
        (0x0390, 0x03),                     # BINNING_MODE: vertical and horizontal
        (0x3010, 0x01),                     # QVGA_WIN_EN: 324 x 244 pixels before the binning
        (0x2100, 0x01),                     # AE_CTRL: automatic exposure
        (0x0104, 0x01),                     # GRP_PARAM_HOLD: take over
        (0x0100, 0x01),                     # MODE_SELECT: streaming
    )


SENSORS: Mapping[str, Sensor] = {
    "ov7670": Sensor(device=0x21, table=OV7670_RESET + OV7670_GREY + OV7670_SIZE, layout=Format.YUYV, frame_active=0,
                     width=160, height=120, clock=48e6),
    "ov7670_rgb": Sensor(device=0x21, table=OV7670_RESET + OV7670_COLOURS + OV7670_SIZE, layout=Format.RGB565,
                         frame_active=0, width=160, height=120, clock=48e6),
    "hm01b0": Sensor(device=0x24, register_bytes=2, table=hm01b0_table(0x02), layout=Format.GREY, width=162, height=122,
                     clock=50e6),
    "hm01b0_4bit": Sensor(device=0x24, register_bytes=2, table=hm01b0_table(0x42), layout=Format.GREY, data_bits=4,
                          width=162, height=122, clock=50e6),
}
"""By name, at a quarter of VGA in each direction."""
