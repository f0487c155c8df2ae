"""A board's design at its pads: the resources that it asks a platform for, with each of its parts."""

import re

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.boards import board_named
from signum.fpga.flow.camera_view import CameraView
from signum.fpga.flow.platform_top import CAMERA_RESOURCE, PlatformTop
from signum.hdl.camera.camera import scaling_for
from signum.hdl.config import ArrayConfig

PIN = re.compile(r"^set_io (\w+?)__io(?:\[\d+\])? ", re.MULTILINE)
SMALL = ArrayConfig.preset("small")


def pins_of(board: Board, design: PlatformTop, camera: str = "") -> list[str]:
    """The pins in the constraints of an iCE40, by name, once for each wire."""
    plan = board.platform_with(camera).build(design, name="signum", do_build=False, debug_verilog=False)
    return sorted(PIN.findall(plan.files["signum.pcf"]))


LINE = ["clk12_0", "uart_0__rx", "uart_0__tx"]


def test_a_line_alone() -> None:
    board = board_named("icebreaker")
    design = board.design(SMALL, board.pll(board.frequency), board.line())
    assert pins_of(board, design) == sorted([*LINE, "led_0"])


def test_without_a_light() -> None:
    board = board_named("icebreaker")
    found = board.design(SMALL, board.pll(board.frequency), board.line())
    assert pins_of(board, PlatformTop(found.top, found.clock, "")) == LINE


def test_a_flash() -> None:
    """All of its pins are held, those of quad reads as well."""
    board = board_named("icebreaker")
    design = board.design(SMALL, board.pll(board.frequency), board.line(), boot=board.boot_place(depth=64))
    flash = [f"spi_flash_1x_0__{name}" for name in ("cipo", "clk", "copi", "cs", "hold", "wp")]
    assert pins_of(board, design) == sorted([*LINE, "led_0", *flash])


def test_a_camera_and_its_answer_on_the_lights() -> None:
    """The bits of the first number of an answer, as many as there are further lights."""
    board, name = board_named("icebreaker"), "hm01b0"
    sensor, config = board.sensor(name), ArrayConfig.preset(board.camera_preset)
    view = CameraView(sensor=sensor, scaling=scaling_for(sensor, width=8, height=8, channels=1, maximum=16))
    design = board.design(config, board.pll(board.frequency), board.line(), boot=board.boot_place(), camera=view)
    found = pins_of(board, design, name)
    wires = {wire: found.count(f"camera_0__{wire}") for wire in CAMERA_RESOURCE}
    assert wires == {wire: sensor.data_bits if wire == "data" else 1 for wire in CAMERA_RESOURCE}
    assert len(design.top.class_) > 1
    assert [wire for wire in found if wire.startswith("led_")] == ["led_0", "led_1"]
