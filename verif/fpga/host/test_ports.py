"""The names of ports."""

import re

import pytest

from signum.fpga.flow.lines.ethernet_line import PORT
from signum.fpga.host.link import LinkError
from signum.fpga.host.ports import open_port
from signum.fpga.host.udp_transport import UDPTransport


@pytest.mark.parametrize(("name", "place"), [
    ("udp:127.0.0.1", f"127.0.0.1:{PORT}"), ("udp:127.0.0.1:99", "127.0.0.1:99"),
])
def test_boards_in_the_network(name: str, place: str) -> None:
    transport = open_port(name, 0)
    assert isinstance(transport, UDPTransport)
    assert transport.name == place
    transport.close()


@pytest.mark.parametrize("name", ["udp:", "udp:127.0.0.1:", "udp:127.0.0.1:x", "udp:127.0.0.1:0",
                                  "udp:127.0.0.1:70000"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(LinkError, match=rf"^port must be udp:ADDRESS or udp:ADDRESS:PORT, not {re.escape(name)}$"):
        open_port(name, 0)


def test_an_address_that_cannot_be() -> None:
    with pytest.raises(LinkError, match=r"^UDP port 300\.0\.0\.1:99 cannot be reached: "):
        open_port("udp:300.0.0.1:99", 0)


def test_a_serial_port_that_is_none() -> None:
    with pytest.raises(LinkError, match=r"^serial port /dev/none cannot be opened: "):
        open_port("/dev/none", 1_000_000)
