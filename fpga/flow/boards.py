"""The boards, by name. Their pins are those of amaranth-boards."""

from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.icepi_zero import IcepiZero1_3Platform
from amaranth_boards.icesugar import ICESugarPlatform
from amaranth_boards.tang_nano_9k import TangNano9kPlatform
from amaranth_boards.tang_primer_20k import TangPrimer20kDockPlatform
from amaranth_boards.ulx3s import (
    ULX3S_12F_Platform,
    ULX3S_25F_Platform,
    ULX3S_45F_Platform,
    ULX3S_85F_Platform,
)

from signum.hdl.host.write_list_dma import UP5K_WORDS

from .board_top import Board, BoardError
from .clock import ICE40CoreClock
from .families import ECP5, GOWIN, ICE40

__all__ = ["BOARDS", "board_named"]


def ulx3s(size: str, platform: type, preset: str = "ecp5_2k") -> Board:
    return Board(name=f"ulx3s-{size}f", device=f"LFE5U-{size}F-6BG381C", family=ECP5, platform=platform,
                 place=(f"--{size}k", "--package", "CABGA381", "--speed", "6"),
                 flash=("openFPGALoader", "-b", "ulx3s"),
                 crystal="clk25", crystal_frequency=25_000_000, frequency=100e6, preset=preset)


BOARDS = {board.name: board for board in (
    Board(name="icebreaker", device="iCE40UP5K-SG48", family=ICE40, platform=ICEBreakerPlatform,
          place=("--up5k", "--package", "sg48"),
          crystal="clk12", crystal_frequency=12_000_000, frequency=30e6, preset="icebreaker", spram=UP5K_WORDS),
    Board(name="icesugar", device="iCE40UP5K-SG48", family=ICE40, platform=ICESugarPlatform,
          place=("--up5k", "--package", "sg48"), flash=(),
          crystal="clk12", crystal_frequency=12_000_000, frequency=30e6, preset="icebreaker", spram=UP5K_WORDS),
    Board(name="ice40_hx8k_b_evn", device="iCE40HX8K-CT256", family=ICE40, platform=ICE40HX8KBEVNPlatform,
          clock=ICE40CoreClock, place=("--hx8k", "--package", "ct256"),
          crystal="clk12", crystal_frequency=12_000_000, frequency=48e6, preset="ice40_hx8k"),
    ulx3s("12", ULX3S_12F_Platform),
    ulx3s("25", ULX3S_25F_Platform, "ecp5_25f"),
    ulx3s("45", ULX3S_45F_Platform, "ecp5_45f"),
    ulx3s("85", ULX3S_85F_Platform),
    # the serial line is on the pin of the light
    Board(name="colorlight_5a75b_r7_0", device="LFE5U-25F-6BG256C", family=ECP5, platform=Colorlight_5A75B_R70Platform,
          led="", place=("--25k", "--package", "CABGA256", "--speed", "6"),
          flash=("openFPGALoader", "-c", "ft232", "-m"),
          crystal="clk25", crystal_frequency=25_000_000, frequency=100e6, preset="ecp5_2k"),
    Board(name="icepi_zero", device="LFE5U-25F-6BG256C", family=ECP5, platform=IcepiZero1_3Platform,
          place=("--25k", "--package", "CABGA256", "--speed", "6"),
          flash=("openFPGALoader", "-b", "icepi-zero"),
          crystal="clk50", crystal_frequency=50_000_000, frequency=100e6, preset="ecp5_2k"),
    Board(name="tang_nano_9k", device="GW1NR-LV9QN88PC6/I5", family=GOWIN,
          platform=lambda: TangNano9kPlatform(toolchain="Apicula"),
          place=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
          pack=("-d", "GW1N-9C", "--sspi_as_gpio", "--mspi_as_gpio"),
          flash=("openFPGALoader", "-b", "tangnano9k"),
          crystal="clk27", crystal_frequency=27_000_000, frequency=81e6, preset="gowin_9k"),
    Board(name="tang_primer_20k", device="GW2A-LV18PG256C8/I7", family=GOWIN,
          platform=lambda: TangPrimer20kDockPlatform(toolchain="Apicula"),
          place=("--device", "GW2A-LV18PG256C8/I7", "--vopt", "family=GW2A-18C"),
          pack=("-d", "GW2A-18C", "--sspi_as_gpio", "--mspi_as_gpio", "--ready_as_gpio", "--done_as_gpio"),
          flash=("openFPGALoader", "-b", "tangprimer20k"),
          crystal="clk27", crystal_frequency=27_000_000, frequency=108e6, preset="gowin_9k"),
)}


def board_named(name: str) -> Board:
    """The board of `BOARDS` of this name; BoardError if there is none."""
    if name not in BOARDS:
        raise BoardError(f"board must be one of {', '.join(sorted(BOARDS))}, not {name}")
    return BOARDS[name]
