"""The virtual board's line, its time, and its state after resets."""

import pytest

from signum.fpga.host.link import Link, encode_read
from signum.fpga.host.virtual_board import VirtualBoard
from signum.hdl.host.bus import MAGIC, AddressMap, Region, Register
from signum.verif.runs.faults import CONFIG


@pytest.fixture
def board():
    made = VirtualBoard(CONFIG)
    yield made
    made.close()


def test_reads_end_with_the_bytes_or_the_time(board):
    began = board.cycles
    assert board.read(1, 0.02) == b""
    assert board.cycles - began == 2000
    frame = encode_read(1, 0, 1)
    began = board.cycles
    board.write(frame)
    assert board.cycles - began >= 10 * board.divisor * len(frame)
    answer = board.read(5, 1.0) + board.read(100, 0.02)
    assert answer[:4] == bytes([0x5A, 1, 0, 1])
    assert int.from_bytes(answer[4:8], "little") == MAGIC
    assert len(answer) == 12
    assert not board.busy


def test_what_resets_leave(board):
    layout = AddressMap(CONFIG)
    place = layout.address(Region.ACTIVATIONS, unit=1, word=5)
    runs = layout.address(Region.REGISTERS, word=Register.RUNS)
    control = layout.address(Region.REGISTERS, word=Register.CONTROL)
    link = Link(board)
    link.write(place, [0x5A5])
    link.write(control, [1])
    assert link.read(runs, 1) == [1]
    board.reset()
    assert link.read(runs, 1) == [0]
    assert link.read(place, 1) == [0x5A5]
    before = board.cycles
    board.power_cycle()
    assert board.cycles >= before
    assert link.read(place, 1) == [0]
