"""The boards, by name. Their pins are those of amaranth-boards, or of `fpga.flow.colorlight`."""

from amaranth.build import Attrs, Pins, Subsignal
from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform
from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.icepi_zero import IcepiZero1_3Platform
from amaranth_boards.icesugar import ICESugarPlatform
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform, OrangeCrabR0_2_85FPlatform
from amaranth_boards.tang_nano_9k import TangNano9kPlatform
from amaranth_boards.tang_primer_20k import TangPrimer20kDockPlatform
from amaranth_boards.ulx3s import (
    ULX3S_12F_Platform,
    ULX3S_25F_Platform,
    ULX3S_45F_Platform,
    ULX3S_85F_Platform,
)

from signum.hdl.host.write_list_dma import UP5K_WORDS

from .board_record import Board
from .boot import Boot
from .butterstick import SUPPLY, VOLTS, ButterStickPlatform
from .colorlight import ColorlightI5Platform, ColorlightI9Platform
from .families.ecp5 import ECP5
from .families.gowin import GOWIN
from .families.ice40 import ICE40, ICE40CoreClock
from .lines.board_line import BoardError, BoardLine, Window
from .lines.ethernet_line import Ethernet
from .lines.usb_line import USB, Transceiver

__all__ = ["BOARDS", "board_named"]


SPRAM_WINDOW = Window(slots=4, slot_bytes=4096)
"""A single-port RAM of the UP5K."""

LARGE_WINDOW = Window(slots=8, slot_bytes=2048, number_bits=11)


Connection = tuple[str, int]


def sensor_pins(connector: Connection, names: str) -> tuple[Subsignal, ...]:
    """The pins pclk, vsync, href, master, scl and sda of a sensor."""
    roles = {"pclk": "i", "vsync": "i", "href": "i", "master": "o", "scl": "io", "sda": "io"}
    return tuple(Subsignal(role, Pins(name, dir=way, conn=connector))
                 for (role, way), name in zip(roles.items(), names.split(), strict=True))


def sensor_data(connector: Connection, names: str) -> Subsignal:
    """The data pins of a sensor, from bit 0 on."""
    return Subsignal("data", Pins(names, dir="i", conn=connector))


ICEBREAKER_FRAME = (("pmod", 0), "1 2 3 4 7 8")
ICEBREAKER_SENSOR = (*sensor_pins(*ICEBREAKER_FRAME), sensor_data(("pmod", 1), "1 2 3 4 7 8 9 10"))
ICEBREAKER_SENSOR_4 = (*sensor_pins(*ICEBREAKER_FRAME), sensor_data(("pmod", 1), "1 2 3 4"))
ULX3S_SENSOR = (*sensor_pins(("gpio", 0), "14+ 15+ 16+ 17+ 14- 15-"),
                sensor_data(("gpio", 0), "18+ 19+ 20+ 21+ 18- 19- 20- 21-"))


FULL_SPEED = {"usb": USB(transceiver=Transceiver.PINS, resource="usb")}


def ulx3s(size: str, platform: type, preset: str = "ecp5_2k", frequency: float = 100e6) -> Board:
    # the FT231X makes at most 3 Mbaud
    return Board(name=f"ulx3s-{size}f", family=ECP5, platform=platform,
                 frequency=frequency, baud=3_000_000, lines=FULL_SPEED, preset=preset, window=LARGE_WINDOW,
                 boot=Boot(address=1 << 21),
                 sensors={"ov7670": (*ULX3S_SENSOR, Attrs(IO_TYPE="LVCMOS33")),
                          "ov7670_rgb": (*ULX3S_SENSOR, Attrs(IO_TYPE="LVCMOS33"))}, camera_preset="icebreaker_pixels")


def orangecrab(size: str, platform: type, preset: str) -> Board:
    return Board(name=f"orangecrab-{size}", family=ECP5, platform=platform, led="", frequency=96e6, lines=FULL_SPEED,
                 preset=preset, window=LARGE_WINDOW)


# the PHY delays what it sends on the boards of Lambda Concept, and what it receives on those of Colorlight
ECPIX5_LINES: dict[str, BoardLine] = {"ethernet": Ethernet(tx_delay=2e-9, rx_delay=0.0),
                                      "usb": USB(transceiver=Transceiver.ULPI, resource="ulpi")}
COLORLIGHT_ETHERNET = {"ethernet": Ethernet(tx_delay=0.0, rx_delay=2e-9)}


BUTTERSTICK_LINES: dict[str, BoardLine] = {
    "usb": USB(transceiver=Transceiver.ULPI, resource="usb", gives_clock=True, supply=SUPPLY, volts=VOLTS),
    **COLORLIGHT_ETHERNET}


def ecpix5(size: str, platform: type, preset: str) -> Board:
    # the FT2232H makes 12 Mbaud divided by whole numbers
    return Board(name=f"ecpix5-{size}", family=ECP5, platform=platform, led="", frequency=100e6, baud=4_000_000,
                 lines=ECPIX5_LINES, preset=preset, window=LARGE_WINDOW)


BOARDS = {board.name: board for board in (
    Board(name="icebreaker", family=ICE40, platform=ICEBreakerPlatform, frequency=30e6,
          baud=6_000_000, preset="icebreaker", spram=UP5K_WORDS, window=SPRAM_WINDOW, boot=Boot(address=1 << 17),
          sensors={"hm01b0": ICEBREAKER_SENSOR, "hm01b0_4bit": ICEBREAKER_SENSOR_4}, camera_preset="icebreaker_camera"),
    Board(name="icesugar", family=ICE40, platform=ICESugarPlatform, frequency=30e6, preset="icebreaker",
          spram=UP5K_WORDS, window=SPRAM_WINDOW),
    Board(name="ice40_hx8k_b_evn", family=ICE40, platform=ICE40HX8KBEVNPlatform, clock=ICE40CoreClock,
          frequency=48e6, baud=12_000_000, preset="ice40_hx8k", window=Window(slots=2, slot_bytes=512)),
    ulx3s("12", ULX3S_12F_Platform),
    ulx3s("25", ULX3S_25F_Platform, "ecp5_25f"),
    ulx3s("45", ULX3S_45F_Platform, "ecp5_45f"),
    # most of its block RAMs are in use, and so far from each other that this speed grade does not reach 100 MHz
    ulx3s("85", ULX3S_85F_Platform, "ecp5_cnv", 80e6),
    # the serial line is on the pin of the light
    Board(name="colorlight_5a75b_r7_0", family=ECP5, platform=Colorlight_5A75B_R70Platform, led="",
          frequency=100e6, lines=COLORLIGHT_ETHERNET, preset="ecp5_2k", window=LARGE_WINDOW),
    Board(name="colorlight_i5", family=ECP5, platform=ColorlightI5Platform, frequency=100e6,
          lines=COLORLIGHT_ETHERNET, preset="ecp5_25f", window=LARGE_WINDOW),
    Board(name="colorlight_i9", family=ECP5, platform=ColorlightI9Platform, frequency=100e6,
          lines=COLORLIGHT_ETHERNET, preset="ecp5_45f", window=LARGE_WINDOW),
    ecpix5("45", ECPIX545Platform, "ecp5_45f"),
    ecpix5("85", ECPIX585Platform, "ecp5_cnv"),
    # without a serial line, and with lights that are multiplexed
    Board(name="butterstick", family=ECP5, platform=ButterStickPlatform, led="", frequency=100e6,
          lines=BUTTERSTICK_LINES, preset="ecp5_cnv", window=LARGE_WINDOW),
    orangecrab("25", OrangeCrabR0_2_25FPlatform, "ecp5_25f"),
    orangecrab("85", OrangeCrabR0_2_85FPlatform, "ecp5_cnv"),
    Board(name="icepi_zero", family=ECP5, platform=IcepiZero1_3Platform, frequency=100e6,
          preset="ecp5_2k", window=LARGE_WINDOW),
    Board(name="tang_nano_9k", family=GOWIN, platform=lambda: TangNano9kPlatform(toolchain="Apicula"),
          frequency=81e6, baud=3_000_000, preset="gowin_9k"),
    Board(name="tang_primer_20k", family=GOWIN, platform=lambda: TangPrimer20kDockPlatform(toolchain="Apicula"),
          frequency=108e6, baud=3_000_000, preset="gowin_9k"),
)}


def board_named(name: str) -> Board:
    """The board of `BOARDS` of this name; BoardError if there is none."""
    if name not in BOARDS:
        raise BoardError(f"board must be one of {', '.join(sorted(BOARDS))}, not {name}")
    return BOARDS[name]
