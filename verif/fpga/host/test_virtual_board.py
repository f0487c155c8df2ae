"""The virtual board's line, its time, and its state after resets."""

import pytest

from signum.fpga.host.framing import Response, ResponseParser, encode_open
from signum.fpga.host.link import BoardResetError, Link
from signum.fpga.host.virtual_board import VirtualBoard
from signum.hdl.host.bus import AddressMap, Region, Register
from signum.hdl.host.frames import Kind
from signum.verif.runs.faults import CONFIG


@pytest.fixture
def board():
    made = VirtualBoard(CONFIG)
    yield made
    made.close()


def test_reads_end_with_the_bytes_or_the_time(board):
    began = board.cycles
    assert board.read(0.02) == b""
    assert board.cycles - began == 2000
    frame = encode_open(9)
    began = board.cycles
    board.write(frame)
    assert board.cycles - began >= 10 * board.end.divisor * len(frame)
    parser = ResponseParser()
    found: list[Response] = []
    while not found:
        data = board.read(1.0)
        assert data
        found = parser.feed(data)
    assert [(response.session, response.kind) for response in found] == [(9, Kind.OPENED)]
    assert board.read(0.02) == b""
    assert not board.busy


def test_what_resets_leave(board):
    layout = AddressMap(CONFIG)
    place = layout.address(Region.ACTIVATIONS, unit=1, word=5)
    runs = layout.address(Region.REGISTERS, word=Register.RUNS)
    control = layout.address(Region.REGISTERS, word=Register.CONTROL)
    link = Link(board)
    link.open()
    link.write([(place, 0x5A5), (control, 1)])
    assert link.read([runs]) == [1]
    board.reset()
    with pytest.raises(BoardResetError):
        link.read([runs])
    link.open()
    assert link.read([runs, place]) == [0, 0x5A5]
    before = board.cycles
    board.power_cycle()
    assert board.cycles >= before
    link.open()
    assert link.read([place]) == [0]
