"""The board's top: accelerator, bridge and serial port together, through the pins."""

import contextlib
import re
from typing import Any

import numpy as np
import pytest

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.board_top import BoardTop
from signum.fpga.flow.boards import BOARDS
from signum.fpga.flow.boot import Boot
from signum.fpga.flow.camera_view import CameraView
from signum.fpga.flow.lines.board_line import BoardError, Window
from signum.fpga.flow.lines.serial_line import SerialLine
from signum.fpga.host.device import Device
from signum.fpga.host.link import Link
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.compile import compile_graph
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.camera.camera import scaling_for
from signum.hdl.camera.sensors import SENSORS
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import MAGIC, VERSION, AddressMap, Region, Register, config_words

CONFIG = ArrayConfig(rows=2, cols=3, lanes=40, tile=2, acc_bits=8, sum_bits=10, weight_depth=16,
                     activation_depth=32, threshold_depth=16, program_depth=16, access_patterns=1)


@pytest.mark.parametrize("window", [Window(1, 128), Window(16, 512)])
def test_the_pins_reach_the_registers_and_the_memories(window: Window) -> None:
    layout = AddressMap(CONFIG)
    with contextlib.closing(VirtualBoard(CONFIG, window=window)) as board:
        link = Link(board)
        link.open()
        link.follow(layout)
        known = config_words(CONFIG) | {Register.MAGIC: MAGIC, Register.VERSION: VERSION}
        assert link.read([layout.address(Region.REGISTERS, word=word) for word in known]) == list(known.values())
        writes = [(layout.address(Region.THRESHOLDS, unit=row, word=word), 100 * row + word)
                  for row in range(2) for word in range(3)]
        writes += [(layout.address(Region.ACTIVATIONS, unit=row, word=word, slice=part), 16 * row + 2 * word + part)
                   for row in range(2) for word in range(9) for part in range(2)]
        link.write(writes)
        assert link.read([address for address, _ in writes]) == [value for _, value in writes]
        assert link.retries == 0


@pytest.mark.sweep(4)
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.baud > 1_000_000])
def test_a_network_at_the_rates_of_the_boards(name: str) -> None:
    """The digits network at each board's clock and fastest baud rate."""
    board: Board = BOARDS[name]
    config = ArrayConfig.preset("icebreaker")
    graph = digits_graph_untrained(0)
    maps = digits_encoder().bits(digits().test.images[:4])
    last = graph.layers[-1]
    clock = board.pll(board.frequency).frequency
    with contextlib.closing(VirtualBoard(config, clock=clock, line=board.line(), window=board.window)) as virtual:
        device = Device(Link(virtual, timeout=0.1))
        device.load(compile_graph(graph, config))
        found = device.infer(maps)
        assert device.link.retries == 0
    expected = last.values(graph.run(maps)[last.name])
    assert np.array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize(("parts", "message"), [
    ({"boot": Boot(address=0)},
     "an array must have an input unit to run without a host: input_depth must be more than 0"),
    ({"streams": True, "camera": True}, "a camera must have its program in the flash, and no loader"),
    ({"streams": True, "camera": True, "boot": Boot(address=0), "loader": 4},
     "a camera must have its program in the flash, and no loader"),
    ({"boot": Boot(address=0, depth=4), "loader": 4},
     "write lists in the flash must be without another loader, and without a camera"),
    ({"streams": True, "camera": True, "boot": Boot(address=0, depth=4)},
     "write lists in the flash must be without another loader, and without a camera"),
])
def test_parts_that_do_not_go_together(parts: dict[str, Any], message: str) -> None:
    config = ArrayConfig.preset("icebreaker_camera") if parts.pop("streams", False) else CONFIG
    if parts.pop("camera", False):
        sensor = SENSORS["hm01b0"]
        scaling = scaling_for(sensor, width=8, height=8, channels=1, maximum=16)
        parts["camera"] = CameraView(sensor=sensor, scaling=scaling)
    with pytest.raises(BoardError, match=f"^{re.escape(message)}$"):
        BoardTop(config=config, clock=1e6, line=SerialLine(divisor=4), **parts)
