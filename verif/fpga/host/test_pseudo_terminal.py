"""The virtual board as a serial port: the driver works as with hardware, and hosts connect and disconnect."""

import os
import time

import numpy as np
import pytest

from signum.fpga.host.device import Device
from signum.fpga.host.link import Link, LinkError
from signum.fpga.host.pseudo_terminal import PseudoTerminal
from signum.fpga.host.serial_transport import SerialTransport
from signum.fpga.host.virtual_board import VirtualBoard
from signum.verif.bench.cases import draw_case
from signum.verif.runs.faults import CONFIG, expected_results


@pytest.fixture
def board():
    made = VirtualBoard(CONFIG)
    yield made
    made.close()


def test_hosts_come_and_go(board, seed):
    case = draw_case(np.random.default_rng(seed), CONFIG)
    expected = expected_results(case)
    with PseudoTerminal(board) as terminal:
        for _ in range(2):
            with Device(Link(SerialTransport(terminal.port, 1_000_000), timeout=5.0)) as device:
                device.load(case.program)
                found = device.infer(case.maps)
            assert (found.reshape(expected.shape) == expected).all()
    assert not os.path.exists(terminal.port)


def test_its_time_stands_still_while_nothing_happens(board):
    with PseudoTerminal(board):
        deadline = time.monotonic() + 30
        known = -1
        while board.cycles != known and time.monotonic() < deadline:
            known = board.cycles
            time.sleep(0.5)
        assert board.cycles == known


def test_a_port_that_goes_away(board):
    terminal = PseudoTerminal(board)
    device = Device(Link(SerialTransport(terminal.port, 115_200), timeout=5.0))
    terminal.close()
    with pytest.raises(LinkError, match=r"^serial port /dev/pts/\d+ was lost: "):
        device.read_counters()
    device.close()
