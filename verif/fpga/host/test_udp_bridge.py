"""A virtual board with Ethernet at a UDP socket of the operating system: the driver works as with hardware."""

import contextlib
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from signum.fpga.flow.lines.ethernet_line import Ethernet
from signum.fpga.host.device import Device
from signum.fpga.host.link import Link, LinkError
from signum.fpga.host.ports import open_port
from signum.fpga.host.udp_bridge import UDPBridge
from signum.fpga.host.udp_transport import UDPTransport
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.answers import Answers, ranked
from signum.golden.compiler.compile import compile_graph
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig

CONFIG = ArrayConfig.preset("icebreaker_pixels")
IMAGES = 20


@pytest.fixture(scope="module")
def board() -> Iterator[VirtualBoard]:
    with contextlib.closing(VirtualBoard(CONFIG, clock=100e6, line=Ethernet())) as made:
        yield made


def test_hosts_come_and_go(board: VirtualBoard) -> None:
    """Two hosts at ports of their own, one after the other; images in, answers out, none of them repeated."""
    graph = digits_graph_untrained(0)
    program = compile_graph(graph, CONFIG, answers=Answers())
    images = digits().test.images[:IMAGES]
    values = digits_encoder().values(images).astype(np.uint8)
    last = graph.layers[-1]
    expected = ranked(last.values(graph.run(digits_encoder().bits(images))[last.name]), 1)
    with UDPBridge(board) as bridge:
        assert bridge.port.startswith("udp:127.0.0.1:")
        for _ in range(2):
            with Device(Link(open_port(bridge.port, 0), timeout=2.0)) as device:
                device.load(program)
                found = device.answer(values)
                assert device.link.retries == 0
            assert np.array_equal(found.reshape(expected.shape), expected)


def test_datagrams_that_no_ethernet_carries_are_lost(board: VirtualBoard) -> None:
    with UDPBridge(board) as bridge, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        host.sendto(bytes(1473), ("127.0.0.1", int(bridge.port.rsplit(":", 1)[1])))
        with Device(Link(open_port(bridge.port, 0), timeout=2.0)) as device:
            assert device.config == CONFIG


def test_a_port_where_no_board_is() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    transport = UDPTransport("127.0.0.1", port)
    with pytest.raises(LinkError, match=rf"^no board is at 127\.0\.0\.1:{port}: "):
        Link(transport).open()
    transport.close()
