"""The record of a board: what it refuses because the board lacks it, and the parts that it makes of its defaults."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.boards import board_named
from signum.fpga.flow.lines.board_line import BoardError
from signum.hdl.camera.sensors import SENSORS
from signum.hdl.config import ArrayConfig


@pytest.mark.parametrize(("board", "arguments", "message"), [
    ("icebreaker", ("usb",), "line must be serial on icebreaker, not usb"),
    ("ecpix5-85", ("lan",), "line must be one of serial, ethernet, usb on ecpix5-85, not lan"),
    ("orangecrab-25", ("serial",), "line must be usb on orangecrab-25, not serial"),
    ("ecpix5-85", ("usb", 9600), "baud must be left out with the line usb"),
    ("ecpix5-85", ("usb", None, "10.0.0.2"), "address must be left out with the line usb"),
    ("ecpix5-85", ("ethernet", None, "10.0.0"), "address must be an IPv4 address, not '10.0.0'"),
])
def test_lines_that_there_are_not(board: str, arguments: tuple, message: str) -> None:
    with pytest.raises(BoardError, match=f"^{re.escape(message)}$"):
        board_named(board).line(*arguments)


def test_a_clock_that_is_too_slow_for_a_line() -> None:
    with pytest.raises(BoardError, match=r"^frequency must be at least 50 MHz for gigabit Ethernet, not 40$"):
        board_named("ecpix5-85").line("ethernet").unit(40e6)


@pytest.mark.parametrize(("ask", "message"), [
    (lambda board: board.loader_words(),
     "loader must be left out on tang_nano_9k, which has no single-port RAMs for it"),
    (lambda board: board.boot_place(), "network must be left out on tang_nano_9k, whose flash holds no program"),
    (lambda board: board.sensor("ov7670"), "camera must be left out on tang_nano_9k, not ov7670"),
])
def test_parts_that_a_board_lacks(ask: Callable[[Board], Any], message: str) -> None:
    with pytest.raises(BoardError, match=f"^{re.escape(message)}$"):
        ask(board_named("tang_nano_9k"))


def test_parts_of_a_board() -> None:
    board = board_named("icebreaker")
    assert board.boot is not None
    assert board.boot_place() == board.boot
    assert board.boot_place(depth=64, quad=True) == dataclasses.replace(board.boot, depth=64, lines=4)
    assert board.sensor("hm01b0") is SENSORS["hm01b0"]
    with pytest.raises(BoardError, match=rf"^camera must be one of {', '.join(board.sensors)} on icebreaker, not eye$"):
        board.sensor("eye")
    for name in board.sensors:
        assert ("camera", 0) in board.platform_with(name).resources
    assert ("camera", 0) not in board.platform_with("").resources


def test_the_buffers_give_way_to_a_loader() -> None:
    """The single-port RAMs are those of the loader, or without one of the buffers of the bridge."""
    board, config = board_named("icebreaker"), ArrayConfig.preset("small")
    pll, line = board.pll(board.frequency), board.line()
    plain, loading = (board.design(config, pll, line, loader=loader).top for loader in (False, True))
    assert (plain.loader, plain.window, plain.spram) == (None, board.window, True)
    assert loading.loader is not None
    assert (loading.window, loading.spram) == (board.window_beside_loader, False)
