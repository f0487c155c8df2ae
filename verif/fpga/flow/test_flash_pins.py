"""The pins of a flash: a reader at the pads of boards' resources, and the pins that the flows of real boards see."""

import random
import re
from collections import defaultdict
from types import SimpleNamespace

import pytest
from amaranth.build import Pins, PinsN, Resource, ResourceError, Subsignal
from amaranth.build.res import ResourceManager
from amaranth.hdl import Cat, Elaboratable, Fragment, Module, Signal
from amaranth.lib import io
from amaranth_boards.resources import SPIFlashResources

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.flash_pins import QUAD, FlashPins
from signum.fpga.flow.tools import run_tool
from signum.hdl.boot.flash_reader import FlashReader
from signum.hdl.lib.emit import run_yosys
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.flash import FAST_READ, QUAD_READ, WAKE, Flash

WAKE_CYCLES = 30

FAMILY = SPIFlashResources(0, cs_n="1", clk="2", copi="3", cipo="4", wp_n="5", hold_n="6")
SINGLE = [Resource("spi_flash", 0, Subsignal("cs", PinsN("1", dir="o")), Subsignal("clk", Pins("2", dir="o")),
                   Subsignal("copi", Pins("3", dir="o")), Subsignal("cipo", Pins("4", dir="i")))]


class Pads(ResourceManager):
    """A platform whose pads are signals: levels out of the chip, their enables, and levels into it, by pins."""

    def __init__(self, resources):
        super().__init__(resources, [])
        self.pads = defaultdict(lambda: SimpleNamespace(o=Signal(), oe=Signal(), i=Signal()))

    def get_io_buffer(self, buffer):
        m = Module()
        pad, (inverted,) = self.pads[buffer.port.io.name.split("__")[1]], buffer.port.invert
        if buffer.direction is not io.Direction.Input:
            m.d.comb += [pad.o.eq(buffer.o ^ inverted), pad.oe.eq(buffer.oe)]
        if buffer.direction is not io.Direction.Output:
            m.d.comb += buffer.i.eq(pad.i ^ inverted)
        return m


class Reader(Elaboratable):
    """A reader at the pins of its board's flash."""

    def __init__(self, lines):
        self.reader = FlashReader(address=0, wake_cycles=WAKE_CYCLES, lines=lines)
        self.pins = FlashPins(lines=lines)

    def elaborate(self, platform):
        m = Module()
        m.submodules.reader, m.submodules.pins = reader, pins = self.reader, self.pins
        m.d.comb += [getattr(pins, name).eq(getattr(reader, name)) for name in reader.pins if name != "cipo"]
        m.d.comb += reader.cipo.eq(pins.cipo)
        return m


class Listening(Reader):
    """Reads for ever; its words are of use, so that nothing is optimised away."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += [self.reader.start.eq(self.reader.o.payload == 1), self.reader.o.ready.eq(1)]
        return m


class OnPads(Elaboratable):
    """The flash's side of a reader on pads."""

    def __init__(self, lines, platform):
        self.inside, self.platform = Reader(lines), platform
        pads, names = platform.pads, QUAD if lines == 4 else ["cipo"]
        self.cs, self.sck, self.copi = Signal(), pads["clk"].o, pads["copi"].o
        self.drive = Signal()
        self.cipo = Cat(pads[name].i for name in names)
        self.flash = SimpleNamespace(cs=self.cs, sck=self.sck, copi=self.copi, cipo=self.cipo)
        if lines == 4:
            self.flash.drive = self.drive

    def elaborate(self, platform):
        m = Module()
        m.submodules.inside = self.inside
        pads = self.platform.pads
        m.d.comb += [self.cs.eq(~pads["cs"].o), self.drive.eq(pads["copi"].oe)]
        return m


@pytest.mark.parametrize(("resources", "lines"), [(FAMILY, 1), (FAMILY, 4), (SINGLE, 1)])
def test_a_reader_at_the_pads(resources, lines, seed):
    content = random.Random(seed).randbytes(40)
    platform = Pads(resources)
    top = OnPads(lines, platform)
    reader, flash = top.inside.reader, Flash(content, WAKE_CYCLES)
    found: list[int] = []

    async def serve(ctx):
        await flash.serve(ctx, top.flash)

    async def bench(ctx):
        ctx.set(reader.start, 1)
        await ctx.tick()
        ctx.set(reader.start, 0)
        ctx.set(reader.o.ready, 1)
        for _ in range(8):
            word, = await ctx.tick().sample(reader.o.payload).until(reader.o.valid)
            found.append(word)
        levels = {name: (ctx.get(pad.oe), ctx.get(pad.o)) for name, pad in platform.pads.items()}
        for name in ("wp", "hold"):
            if name in levels:
                # inactive, or the flash's
                assert levels[name] == (1, 1) if lines == 1 else levels[name][0] == 0
        assert levels["copi"][0] == (lines == 1)

    run_testbenches(Fragment.get(top, platform), bench, background=[serve])
    assert found == [int.from_bytes(content[4 * i:4 * i + 4], "big") for i in range(8)]
    assert flash.commands == [WAKE, FAST_READ if lines == 1 else QUAD_READ]


def constraints(board, lines):
    """The pins of a design for a board as its flow reads them, and the design."""
    plan = board_named(board).platform().build(Listening(lines), do_build=False, name="signum")
    name = next(name for name in plan.files if name.endswith((".pcf", ".lpf")))
    return tuple(content if isinstance(content, str) else content.decode()
                 for content in (plan.files[name], plan.files["signum.il"]))


@pytest.mark.parametrize(("board", "lines", "places"), [
    ("icebreaker", 1, {"cs": "16", "clk": "15", "copi": "14", "cipo": "17", "wp": "12", "hold": "13"}),
    ("icebreaker", 4, {"cs": "16", "clk": "15", "copi": "14", "cipo": "17", "wp": "12", "hold": "13"}),
    ("ulx3s-85f", 1, {"cs": "R2", "copi": "W2", "cipo": "V2", "wp": "Y2", "hold": "W1"}),
    # its resource names the pin of the configuration's clock, which no design may use
    ("icepi_zero", 4, {"cs": "N8", "copi": "T8", "cipo": "T7", "wp": "M7", "hold": "N7"}),
])
def test_the_pins_of_boards(board, lines, places):
    """The pins of amaranth-boards; on ECP5 without the clock's."""
    pins, design = constraints(board, lines)
    found = dict(re.findall(r'spi_flash\w*_0__(\w+)__io(?:" SITE "| )(\w+)', pins))
    assert found == places
    assert ("USRMCLK" in design) == (board != "icebreaker")


def test_four_lines_of_a_board_that_has_two():
    with pytest.raises(ResourceError, match=r"^the flash must have pins wp, hold to be read on 4 lines$"):
        constraints("ice40_hx8k_b_evn", 4)


def test_a_board_without_a_flash():
    with pytest.raises(ResourceError, match=r"^the board must have a resource spi_flash or spi_flash_1x for a flash$"):
        Fragment.get(FlashPins(), Pads([]))


def test_an_ecp5_is_routed(tmp_path):
    board = board_named("icepi_zero")
    plan = board.platform().build(Listening(4), do_build=False, name="signum", debug_verilog=False)
    plan.extract(tmp_path)
    run_yosys("script signum.ys\n", tmp_path)
    words = run_tool(board.family.place, [*board.chip.place, *board.family.place_options], tmp_path)
    assert any(re.search(r"USRMCLK: +1/", word) for word in words)
