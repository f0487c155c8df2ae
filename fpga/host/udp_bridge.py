"""A virtual board in a network at a UDP port of this computer."""

import contextlib
import select
import socket

from signum.hdl.host.udp_line import MOST_BYTES

from .board_server import BoardServer
from .udp_transport import UDP_PREFIX
from .virtual_board import VirtualBoard

__all__ = ["UDPBridge"]


class UDPBridge(BoardServer):
    """A `BoardServer` whose port is of UDP: its datagrams are those in the network of the board.

    Parameters
    ----------
    board : VirtualBoard
        With Ethernet.
    port : int
        UDP port of this computer, at 127.0.0.1; 0 for a free one.

    Raises
    ------
    OSError
        If the port is taken.
    """

    def __init__(self, board: VirtualBoard, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        address, number = self._socket.getsockname()
        self.port = f"{UDP_PREFIX}{address}:{number}"
        self._host: tuple[str, int] | None = None       # the latest one
        super().__init__(board)

    def receive(self, timeout: float) -> bytes:
        """A datagram of the host, unless it is too long for Ethernet."""
        if not select.select([self._socket], [], [], timeout)[0]:
            return b""
        with contextlib.suppress(ConnectionError):      # the host of an earlier datagram has gone away
            data, self._host = self._socket.recvfrom(2 * MOST_BYTES)
            return data if len(data) <= MOST_BYTES else b""
        return b""

    def send(self, data: bytes) -> None:
        """A datagram to the host of the latest one from there; lost without any."""
        if self._host:
            with contextlib.suppress(ConnectionError):
                self._socket.sendto(data, self._host)

    def close_port(self) -> None:
        """Close the socket."""
        self._socket.close()
